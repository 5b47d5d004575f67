"""Runs of the tests of clusters: what is typed, what a finished one holds, and what is waited for."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch

SMOOTHLAB = str(Path(sys.executable).with_name("smoothlab"))
QUICK = ["trainer=ddp_cpu", "progress=lines", "logger=none", "figures=false", "callbacks.early_stopping=null"]
ONE_EACH = [*QUICK, "trainer.devices=1", "trainer.num_nodes=2"]


def only_run(folder: Path, name: str) -> Path:
    """The one run directory of a name."""
    (run,) = (folder / "outputs" / name).iterdir()
    return run


def status(run: Path) -> dict[str, object]:
    """status.json."""
    return json.loads((run / "status.json").read_text())


def weights(run: Path) -> dict[str, torch.Tensor]:
    """The weights of the last checkpoint, without what learners keep beside them."""
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}


def assert_same(run: Path, undisturbed: Path) -> None:
    """The same weights to the bit, and the same rows but for what a clock says."""
    mine, theirs = weights(run), weights(undisturbed)
    assert mine.keys() == theirs.keys()
    torch.testing.assert_close(mine, theirs, rtol=0, atol=0)
    assert (run / "metrics.csv").exists() == (undisturbed / "metrics.csv").exists()
    first, second = (json.loads((path / "results.json").read_text())["metrics"] for path in (run, undisturbed))
    assert first == second


def wait(holds, what: str, patience: float = 180.0) -> None:
    """Wait until something holds."""
    until = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < until, f"in vain: {what}"
        time.sleep(0.2)


def checkpoint_after(folder: Path, name: str, moment: float):
    """Whether a run of a name has written a checkpoint since then."""
    return lambda: any(path.stat().st_mtime > moment for path in folder.glob(f"outputs/{name}/*/checkpoints/last.ckpt"))
