"""Data modules, encoders of raw rows, and the sets that come with the packages we build on."""

from smoothlab.data.batch import Batch
from smoothlab.data.encoder import Encoder, encoder_from_state
from smoothlab.data.loader import MemoryLoader
from smoothlab.data.module import DataModule, MemoryData
from smoothlab.data.parallel import ParallelData, ParallelEncoder, SentencePairs, SyntheticTranslation
from smoothlab.data.parquet import ParquetStream
from smoothlab.data.parts import Columns, Encoding, Labels, Loading, Reading, Splits, Training, Weights
from smoothlab.data.registry import public_set
from smoothlab.data.rows import RowData
from smoothlab.data.sources import breast_cancer, wine_cultivars
from smoothlab.data.table.describing import describe
from smoothlab.data.table.encoder import TableEncoder
from smoothlab.data.table.reading import read_table
from smoothlab.data.table.table import TableData
from smoothlab.data.text import TextData, TextEncoder

__all__ = [
    "Batch",
    "Columns",
    "DataModule",
    "Encoder",
    "Encoding",
    "Labels",
    "Loading",
    "MemoryData",
    "MemoryLoader",
    "ParallelData",
    "ParallelEncoder",
    "ParquetStream",
    "Reading",
    "RowData",
    "SentencePairs",
    "Splits",
    "SyntheticTranslation",
    "TableData",
    "TableEncoder",
    "TextData",
    "TextEncoder",
    "Training",
    "Weights",
    "breast_cancer",
    "describe",
    "encoder_from_state",
    "public_set",
    "read_table",
    "wine_cultivars",
]
