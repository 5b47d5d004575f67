"""Tables beyond memory: Parquet files, read one row group after another."""

from smoothlab.data.parquet.module import ParquetStream

__all__ = ["ParquetStream"]
