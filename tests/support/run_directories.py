"""Small runs for tests, and where they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SHORT = ("logger=csv", "trainer.max_epochs=4")  # enough for everything but accuracy


def only_run(root: str | Path = "outputs") -> Path:
    """The one run directory below ``root``."""
    (path,) = Path(root).glob("*/*/status.json")
    return path.parent


def start(*words: str, **options: Any) -> subprocess.Popen[str]:
    """Start a command in a process of its own."""
    command = [sys.executable, "-c", "import sys; from smoothlab.commands import main; sys.exit(main())", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, env=dict(os.environ), **(pipes | options))
