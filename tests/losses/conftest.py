"""One interface to every way in which the loss is computed: each test that takes ``loss`` runs on all of them."""

from __future__ import annotations

from functools import partial

import pytest

from smoothlab import soft_cross_entropy
from smoothlab.losses import chunked, small

PATHS = ["small", "chunks", "one chunk", "reference"]


@pytest.fixture(params=PATHS)
def path(request, monkeypatch):
    """Which path computes the loss; limits are moved so that small test batches reach the one that is meant."""
    if request.param in ("chunks", "one chunk"):
        monkeypatch.setattr(small, "TABLE_ELEMENTS", 0)
        monkeypatch.setattr(small, "DENSE_ELEMENTS", 0)
    if request.param == "chunks":
        monkeypatch.setattr(chunked, "CHUNK_BYTES_PER_THREAD", 1)  # as few rows in a chunk as there can be
    return request.param


@pytest.fixture
def loss(path):
    """soft_cross_entropy on that path."""
    return partial(soft_cross_entropy, implementation="reference" if path == "reference" else "auto")
