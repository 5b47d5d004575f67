"""Data modules, the encoder of raw columns, and the sets that come with the packages we build on."""

from smoothlab.data.batch import Batch
from smoothlab.data.encoder import TableEncoder
from smoothlab.data.loader import MemoryLoader
from smoothlab.data.sources import breast_cancer
from smoothlab.data.table import TableData

__all__ = ["Batch", "MemoryLoader", "TableData", "TableEncoder", "breast_cancer"]
