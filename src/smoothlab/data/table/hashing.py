"""Hashes of a table's content."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd


def fingerprint(frame: pd.DataFrame) -> str:
    """A hash of a table's columns and cells: 64 hexadecimal digits."""
    digest = hashlib.sha256("\0".join(map(str, frame.columns)).encode("utf-8", errors="surrogatepass"))
    for name in frame.columns:
        digest.update(cell_hashes(frame[name]).tobytes())
    return digest.hexdigest()


def row_hashes(frame: pd.DataFrame) -> np.ndarray:
    """A number for each row ``(N,)``, uint64, the same for equal rows."""
    hashes = np.zeros(len(frame), dtype=np.uint64)
    for name in frame.columns:
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + cell_hashes(frame[name])  # wraps around, on purpose
    return hashes


def feature_hashes(features: np.ndarray) -> np.ndarray:
    """A number for each row of features ``(N, F)`` float32, ``(N,)`` uint64: the same for equal rows, spread evenly."""
    cells = np.ascontiguousarray(features, dtype=np.float32) + np.float32(0.0)  # -0 is 0
    hashes = np.zeros(len(cells), dtype=np.uint64)
    for column in cells.view(np.uint32).T:
        hashes = (hashes ^ column) * np.uint64(0x9E3779B97F4A7C15)  # wraps around, on purpose
        hashes ^= hashes >> np.uint64(29)
    return hashes


def cell_hashes(cells: pd.Series) -> np.ndarray:
    """A number for each cell ``(N,)``, uint64."""
    try:
        hashes = pd.util.hash_pandas_object(cells, index=False)
    except (TypeError, ValueError):  # cells without a hash, such as lists, or of several types
        hashes = pd.util.hash_pandas_object(cells.map(repr), index=False)
    return np.asarray(hashes, dtype=np.uint64)
