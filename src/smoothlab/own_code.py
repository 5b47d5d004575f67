"""Which modules of own code (``code=``) this process has; another process finds its own, by its own config."""

from __future__ import annotations

import sys

folders: dict[str, str] = {}  # of the last code=..., by the names of its modules
added: set[str] = set()  # to sys.path, for them


def paths() -> list[str]:
    """``sys.path`` as it would be without own code."""
    return [path for path in sys.path if path not in added]
