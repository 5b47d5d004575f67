"""The version, which a page or a run names."""

__version__ = "0.1.0"
