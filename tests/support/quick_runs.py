"""What runs of tests leave out: the waits for the disk, since no test loses its power, and the drawing of figures.

The warm server of tests imports this module and ``quick_figures``, for runs in processes of their own.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

# A PNG of one pixel.
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def print_pixel(figure: Any, path: Path) -> None:
    """Write a file in a figure's place."""
    Path(path).write_bytes(PIXEL)


def _fsync(descriptor: int) -> None:
    """Wait for nothing."""


os.fsync = _fsync  # type: ignore[assignment]
