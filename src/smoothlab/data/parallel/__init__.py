"""Sentences and their translations as samples."""

from smoothlab.data.parallel.pairs import SentencePairs

__all__ = ["SentencePairs"]
