"""A table with one row a sample: reading, understanding its columns, encoding them, splitting its rows."""

from smoothlab.data.table.describing import Description, describe
from smoothlab.data.table.encoder import TableEncoder
from smoothlab.data.table.reading import read_table
from smoothlab.data.table.table import TableData

__all__ = ["Description", "TableData", "TableEncoder", "describe", "read_table"]
