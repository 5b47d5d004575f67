"""Tables and arrays that Python hands over: a config names them by their content."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from smoothlab.data.table.hashing import fingerprint
from smoothlab.errors import UserMistake

_HELD: dict[str, tuple[int, Any]] = {}  # how many trainings hold the rows, and the rows, by their name


def held(content: str) -> Any:
    """What was handed over; a config names it as ``data.source``.

    Args:
        content: the hash by which it is known.

    Raises:
        UserMistake: it is not there any more, as in a run that is looked at later.
    """
    if content not in _HELD:
        raise UserMistake(
            "data.source: these rows were handed over from Python and are not here; input=<file> scores new rows"
        )
    return _HELD[content][1]


@contextlib.contextmanager
def holding(rows: Mapping[str, Any] | pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Hold rows while a training reads them.

    Args:
        rows: a table, tables by split, or arrays by name.

    Returns:
        The node of a config for ``data.source``.
    """
    content = content_hash(rows)
    count, _ = _HELD.get(content, (0, None))
    _HELD[content] = (count + 1, rows)
    try:
        yield {"_target_": "smoothlab.data.held.held", "_partial_": True, "content": content}
    finally:
        count, _ = _HELD.pop(content)
        if count > 1:
            _HELD[content] = (count - 1, rows)


def content_hash(rows: Mapping[str, Any] | pd.DataFrame) -> str:
    """A hash of names and cells, 32 hexadecimal digits: equal rows are equal data."""
    parts = {"": rows} if isinstance(rows, pd.DataFrame) else rows
    digest = hashlib.sha256()
    for name, part in parts.items():
        digest.update(f"{name}\0".encode())
        if isinstance(part, pd.DataFrame):
            digest.update(fingerprint(part).encode())
        elif part.dtype == object:
            digest.update(repr(part.tolist()).encode("utf-8", errors="surrogatepass"))
        else:
            digest.update(f"{part.dtype} {part.shape}".encode() + np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:32]
