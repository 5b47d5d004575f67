"""Sweeps of runs on two ranks: as many directories and W&B runs as runs, all ranks with the values of their run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from wandb_file import read_run

import smoothlab

TINY = ["data=synthetic_medical", "data.rows=60", "data.val_rows=30", "data.test_rows=21", "trainer.max_epochs=2"]
RANKS = ["trainer=ddp_cpu", "progress=none"]
MANY = ["-m", "hydra.launcher.n_jobs=2"]
WORDS = [*TINY, *RANKS, "code=probe.py", "+callbacks.probe._target_=probe.Probe"]
PROBE = '''
import json
from contextlib import nullcontext
from pathlib import Path

import pytorch_lightning


class Probe(pytorch_lightning.Callback):
    """Each rank writes what it has made of its config, before DDP gives it the weights of rank 0."""

    def setup(self, trainer, module, stage):
        self.first_weight = float(next(module.net.parameters()).flatten()[0])

    def on_train_start(self, trainer, module):
        told = {
            "rank": trainer.global_rank,
            "world": trainer.world_size,
            "lr": module.optimizers().param_groups[0]["lr"],
            "epsilon": float(module.smoother.strength.epsilon),
            "prior": type(module.smoother.prior).__name__,
            "first weight": self.first_weight,
        }
        folder = Path(trainer.checkpoint_callback.dirpath).parent
        (folder / f"probe{trainer.global_rank}.json").write_text(json.dumps(told))
'''


@pytest.fixture(autouse=True)
def own_code(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (empty_folder / "probe.py").write_text(PROBE)
    for name in ("CONFIG", "DATA", "CACHE"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(empty_folder / "of_wandb" / name.lower()))


def the_runs(expected: int) -> dict[Path, dict[str, Any]]:
    """What W&B has of each run of the one sweep, by run directory: a W&B run for each, in one group, and no others."""
    (ledger,) = Path("outputs").resolve().glob("sweeps/*/*/sweep.json")
    folders = {path.parent for path in ledger.parent.glob("*/status.json")}
    assert {path for path in ledger.parent.iterdir() if path.is_dir()} == folders
    assert len(folders) == expected
    files = list(Path.cwd().rglob("*.wandb"))
    assert len(files) == expected
    assert {file.parents[2] for file in files} == folders
    seen = {path: read_run(path) for path in folders}
    assert {online["run"].run_group for online in seen.values()} == {f"synthetic_medical-{ledger.parent.name}"}
    assert len({online["run"].run_id for online in seen.values()}) == expected
    assert {online["exit_code"] for online in seen.values()} == {0}
    return seen


def epochs_of(online: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of an epoch's metrics, without W&B's own columns."""
    rows = [row for row in online["history"] if "train/loss" in row]
    return [{key: value for key, value in row.items() if not key.startswith("_")} for row in rows]


def check_metrics(path: Path, online: dict[str, Any]) -> None:
    """Each epoch once, with the numbers of metrics.csv."""
    table = pd.read_csv(path / "metrics.csv").rename(columns={"step": "trainer/global_step"})
    assert table["epoch"].tolist() == [0, 1]
    pd.testing.assert_frame_equal(
        pd.DataFrame(epochs_of(online)), table, check_like=True, check_dtype=False, rtol=1e-12
    )


def check_ranks(path: Path) -> float:
    """Both ranks train with the config of the run; returns a weight that the run began with."""
    config = smoothlab.Run(path).config
    zero, first = (json.loads((path / f"probe{rank}.json").read_text()) for rank in (0, 1))
    assert (zero.pop("rank"), first.pop("rank")) == (0, 1)
    assert zero == first
    assert (zero["world"], zero["lr"]) == (2, config["optimizer"]["lr"])
    assert zero["epsilon"] == config["smoothing"]["strength"]["epsilon"]
    assert zero["prior"] == config["smoothing"]["prior"]["_target_"].rsplit(".", 1)[1]
    return zero["first weight"]


def test_six_runs_are_six_directories_and_six_runs_of_wandb_with_the_numbers_of_runs_of_their_own(cli):
    code, _, err = cli("train", *MANY, *WORDS, "smoothing=none,standard,online", "seed=0,1", "logger=wandb")
    assert code == 0, err
    seen = the_runs(6)
    trained = {}
    for path, online in seen.items():
        check_metrics(path, online)
        config = smoothlab.Run(path).config
        assert online["config"]["smoothing"] == config["smoothing"]
        trained[path.name.rsplit("-", 1)[0]] = (config["seed"], check_ranks(path))
    assert set(trained) == {
        f"seed={seed},smoothing={name}" for seed in (0, 1) for name in ("none", "standard", "online")
    }
    assert len(set(trained.values())) == 2  # a seed, a net

    code, _, err = cli("train", *WORDS, "smoothing=online", "seed=1", "logger=csv", "output_root=alone")
    assert code == 0, err
    (alone,) = (path.parent for path in Path("alone").glob("*/*/status.json"))
    (there,) = (path for path in seen if path.name.startswith("seed=1,smoothing=online"))
    assert (there / "metrics.csv").read_bytes() == (alone / "metrics.csv").read_bytes()
    mine, theirs = smoothlab.Run(there).results, smoothlab.Run(alone).results
    for key in ("metrics", "objective", "identity", "best_epoch", "uncertainty"):
        assert mine[key] == theirs[key], key


def test_all_ranks_of_a_trial_train_with_the_values_of_the_trial(cli):
    ranges = [
        "optimizer.lr=tag(log,interval(1e-4,1e-1))",
        "smoothing=none,online",
        "smoothing.strength.epsilon=0.1,0.2",
    ]
    words = ["-m", "hydra/sweeper=smoothlab", "hydra.sweeper.n_trials=3", "hydra.sweeper.sampler=random", *ranges]
    code, _, err = cli("train", *WORDS, *words, "hydra.launcher.n_jobs=2", "logger=wandb")
    assert code == 0, err
    seen = the_runs(3)
    (file,) = Path("outputs").glob("sweeps/*/*/search.json")
    trials = {trial["directory"]: trial for trial in json.loads(file.read_text())["trials"]}
    assert set(trials) == {path.name for path in seen}
    for path, online in seen.items():
        check_metrics(path, online)
        check_ranks(path)
        tried = dict(override.split("=", 1) for override in trials[path.name]["overrides"])
        config = smoothlab.Run(path).config
        assert config["optimizer"]["lr"] == float(tried["optimizer.lr"])
        if tried["smoothing"] != "none":
            assert config["smoothing"]["strength"]["epsilon"] == float(tried["smoothing.strength.epsilon"])
