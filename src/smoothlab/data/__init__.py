"""Data modules, encoders of raw rows, and the sets that come with the packages we build on."""

from smoothlab.data.batch import Batch
from smoothlab.data.encoder import encoder_from_state
from smoothlab.data.loader import MemoryLoader
from smoothlab.data.module import DataModule, Encoder, MemoryData
from smoothlab.data.parallel import ParallelData, ParallelEncoder, SentencePairs, SyntheticTranslation
from smoothlab.data.parquet import ParquetStream
from smoothlab.data.registry import public_set
from smoothlab.data.sources import breast_cancer, wine_cultivars
from smoothlab.data.table import TableData, TableEncoder, describe, read_table
from smoothlab.data.text import TextData, TextEncoder

__all__ = [
    "Batch",
    "DataModule",
    "Encoder",
    "MemoryData",
    "MemoryLoader",
    "ParallelData",
    "ParallelEncoder",
    "ParquetStream",
    "SentencePairs",
    "SyntheticTranslation",
    "TableData",
    "TableEncoder",
    "TextData",
    "TextEncoder",
    "breast_cancer",
    "describe",
    "encoder_from_state",
    "public_set",
    "read_table",
    "wine_cultivars",
]
