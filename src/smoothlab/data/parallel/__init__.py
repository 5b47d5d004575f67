"""Sentences and their translations as samples."""

from smoothlab.data.parallel.describing import describe_pairs
from smoothlab.data.parallel.encoder import ParallelEncoder
from smoothlab.data.parallel.loader import BucketLoader, LengthLoader
from smoothlab.data.parallel.module import ParallelData
from smoothlab.data.parallel.pairs import SentencePairs
from smoothlab.data.parallel.synthetic import SyntheticTranslation

__all__ = [
    "BucketLoader",
    "LengthLoader",
    "ParallelData",
    "ParallelEncoder",
    "SentencePairs",
    "SyntheticTranslation",
    "describe_pairs",
]
