"""Searches for the best translation under a net; they know the net's protocol and nothing else."""

from smoothlab.decoding.beam_search import beam_search
from smoothlab.decoding.decoded import Decoded
from smoothlab.decoding.greedy import greedy

__all__ = ["Decoded", "beam_search", "greedy"]
