"""Data modules, encoders of raw rows, and the sets that come with the packages we build on."""

from smoothlab.data.batch import Batch
from smoothlab.data.encoder import TableEncoder, encoder_from_state
from smoothlab.data.loader import MemoryLoader
from smoothlab.data.module import DataModule, Encoder, MemoryData
from smoothlab.data.sources import breast_cancer
from smoothlab.data.table import TableData

__all__ = [
    "Batch",
    "DataModule",
    "Encoder",
    "MemoryData",
    "MemoryLoader",
    "TableData",
    "TableEncoder",
    "breast_cancer",
    "encoder_from_state",
]
