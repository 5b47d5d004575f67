"""A short training, and what leaves a canary where it is unpickled."""

from __future__ import annotations

import os
from pathlib import Path

CANARY = Path("canary")
WORDS = ("calibrator=temperature", "trainer.max_epochs=2", "figures=false", "logger=csv", "progress=none")


class Payload:
    """Touches the canary."""

    def __reduce__(self):
        return os.system, (f"touch {CANARY}",)
