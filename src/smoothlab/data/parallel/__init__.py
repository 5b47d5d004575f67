"""Sentences and their translations as samples."""

from smoothlab.data.parallel.encoder import ParallelEncoder
from smoothlab.data.parallel.loader import BucketLoader, LengthLoader
from smoothlab.data.parallel.module import ParallelData
from smoothlab.data.parallel.pairs import SentencePairs

__all__ = ["BucketLoader", "LengthLoader", "ParallelData", "ParallelEncoder", "SentencePairs"]
