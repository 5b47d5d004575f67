"""Run directories of simulated arms, whose true order is known, written without training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from smoothlab.metrics import classification_metrics

CLASSES = ("a", "b", "c")


def simulated_run(
    path: Path,
    *,
    epsilon: float = 0.0,
    seed: int = 0,
    noise: float = 0.5,
    scale: float = 1.0,
    rows: int = 300,
    test: int = 0,
    classes: Sequence[str] = CLASSES,
    data: dict[str, Any] | None = None,
    choices: dict[str, str] | None = None,
) -> Path:
    """Write a finished run.

    Args:
        path: its directory, to be made.
        epsilon: its only setting.
        seed: of its errors.
        noise: how far its logits are from the true ones.
        scale: what they are multiplied by: above 1 over-confident.
        rows: of each split.
        test: draws the true logits and the labels; runs with the same number share their test samples.
        classes: their names.
        data: more settings of the data.
        choices: options of config groups, as Hydra leaves them.
    """
    (path / "predictions").mkdir(parents=True)
    metrics = {}
    for number, split in enumerate(("val", "test")):
        world = np.random.default_rng([test, number])
        own = np.random.default_rng([test, number, seed, round(1000 * epsilon), 1])  # not the world of seed 0
        true = 1.5 * world.standard_normal((rows, len(classes)))
        labels = (true + world.gumbel(size=true.shape)).argmax(1)
        logits = scale * (true + noise * own.standard_normal(true.shape))
        metrics[split] = classification_metrics(logits, labels, from_logits=True)
        shares = np.exp(logits - logits.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        table = pd.DataFrame(shares, columns=[f"prob_{name}" for name in classes])
        table.insert(0, "prediction", [classes[k] for k in logits.argmax(1)])
        table.insert(0, "label", [classes[k] for k in labels])
        table.insert(0, "row", np.arange(rows))
        table.to_parquet(path / "predictions" / f"{split}.parquet", index=False)
    config = {
        "name": "simulated",
        "seed": seed,
        "data": {"split_seed": 0, "fold": None, **(data or {})},
        "smoothing": {"strength": {"_target_": "smoothlab.smoothing.Constant", "epsilon": epsilon}},
        "task": {"num_bins": 15},
    }
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    (path / "status.json").write_text(json.dumps({"state": "done"}))
    results = {
        "name": "simulated",
        "seed": seed,
        "metrics": metrics,
        "uncertainty": {"test": {"ece_of_a_calibrated_model": {"mean": 0.031, "high": 0.05}}},
    }
    (path / "results.json").write_text(json.dumps(results))
    if choices is not None:
        (path / ".hydra").mkdir()
        (path / ".hydra" / "hydra.yaml").write_text(yaml.safe_dump({"hydra": {"runtime": {"choices": choices}}}))
    return path


def simulated_arms(folder: Path, arms: dict[str, dict[str, Any]], *, seeds: int = 4, **shared: Any) -> Path:
    """Runs of several arms, by name and what they differ in, and the comparison.json that names them."""
    named = {}
    for number, (name, own) in enumerate(arms.items()):
        for seed in range(seeds):
            path = simulated_run(
                folder / f"run_{number}_{seed}", seed=seed, **{"epsilon": number / 10, **shared, **own}
            )
            named[path.name] = name
    (folder / "comparison.json").write_text(json.dumps({"arms": named}))
    return folder
