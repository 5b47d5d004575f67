"""Small runs for tests, and where they are."""

from __future__ import annotations

from pathlib import Path

SHORT = ("logger=csv", "trainer.max_epochs=4")  # enough for everything but accuracy


def only_run(root: str | Path = "outputs") -> Path:
    """The one run directory below ``root``."""
    (path,) = Path(root).glob("*/*/status.json")
    return path.parent
