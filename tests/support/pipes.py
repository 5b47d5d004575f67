"""A pipe with a writer: whoever reads it where that is refused comes to its end, instead of waiting for ever."""

from __future__ import annotations

import os
import threading
from pathlib import Path


def make_pipe(path: Path) -> None:
    """Make a pipe that ends at once for a reader; without one the writer waits in a thread of its own."""
    os.mkfifo(path)
    threading.Thread(target=lambda: path.open("wb").close(), daemon=True).start()
