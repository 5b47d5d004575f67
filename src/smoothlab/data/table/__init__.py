"""A table with one row a sample: reading, understanding its columns, encoding them, splitting its rows."""

from smoothlab.data.table.encoder import TableEncoder
from smoothlab.data.table.reading import read_table
from smoothlab.data.table.table import TableData

__all__ = ["TableData", "TableEncoder", "read_table"]
