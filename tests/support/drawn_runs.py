"""Run directories with drawn predictions, and a comparison of them, without training and without statistics."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

CLASSES = ("benign", "malignant", "unclear")


def draw_run(
    path: Path,
    *,
    epsilon: float = 0.0,
    seed: int = 0,
    rows: int = 300,
    classes: Sequence[str] = CLASSES,
    epochs: int = 6,
    noise: float = 0.0,
) -> Path:
    """Write a finished run: the larger epsilon, the less confident its predictions."""
    random = np.random.default_rng(seed)
    path.mkdir(parents=True)
    (path / "predictions").mkdir()
    metrics = {}
    for split, first in (("val", 0), ("test", rows)):
        labels = np.random.default_rng(first).integers(len(classes), size=rows)
        logits = 2.0 * random.standard_normal((rows, len(classes)))
        logits[np.arange(rows), labels] += 3.0
        probabilities = np.exp(logits * 1.6)
        probabilities = (1 - epsilon) * probabilities / probabilities.sum(1, keepdims=True) + epsilon / len(classes)
        table = pd.DataFrame(probabilities, columns=[f"prob_{name}" for name in classes])
        table.insert(0, "prediction", [classes[k] for k in probabilities.argmax(1)])
        table.insert(0, "label", [classes[k] for k in labels])
        table.insert(0, "row", np.arange(rows) + first)
        table.to_parquet(path / "predictions" / f"{split}.parquet", index=False)
        own = probabilities[np.arange(rows), labels]
        right = probabilities.argmax(1) == labels
        metrics[split] = {
            "nll": float(-np.log(own).mean()) + noise,
            "accuracy": float(right.mean()),
            "ece": float(abs(probabilities.max(1).mean() - right.mean())),
            "confidence_gap": float(probabilities.max(1).mean() - right.mean()),
            "aurc": float((1 - right).mean() / 4),
        }
    config = {
        "name": "medical",
        "seed": seed,
        "data": {"_target_": "smoothlab.data.TableData", "noise_rate": noise, "split_seed": seed},
        "net": {"hidden": [64, 64]},
        "smoothing": {"strength": {"_target_": "smoothlab.smoothing.Constant", "epsilon": epsilon}},
    }
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    (path / "status.json").write_text(json.dumps({"state": "done"}))
    results = {
        "format": 1,
        "name": "medical",
        "seed": seed,
        "objective": {"name": "val/nll", "mode": "min", "value": metrics["val"]["nll"]},
        "metrics": metrics,
        "best_epoch": epochs // 2,
        "epochs": epochs,
        "seconds": {"fit": 0.2, "total": 1.25 + seed},
        "versions": {"python": "3.11.7", "torch": "2.13.0"},
        "machine": {"platform": "Linux", "device": "cpu", "threads": 1},
        "git": {"commit": None, "changed": False},
    }
    (path / "results.json").write_text(json.dumps(results))
    e = np.arange(epochs)
    falling = 0.8 * np.exp(-e / 1.5) + 0.01 * e + 0.02 * random.standard_normal(epochs)
    pd.DataFrame(
        {
            "epoch": e,
            "val/nll": metrics["val"]["nll"] + falling,
            "val/ece": metrics["val"]["ece"] + 0.01 * e,
            "val/accuracy": metrics["val"]["accuracy"] - 0.3 * np.exp(-e),
            "val/confidence_gap": metrics["val"]["confidence_gap"] - 0.2 * np.exp(-e) + 0.02 * e,
            "smoothing/epsilon": np.full(epochs, epsilon),
            "train/kl": np.exp(-e / 2.0),
        }
    ).to_csv(path / "metrics.csv", index=False)
    return path


def draw_comparison(records: Sequence[Any], baseline: str | None = None) -> Any:
    """A comparison whose means are true and whose statistics are made up."""
    from smoothlab.reports.comparison import COLUMNS, Arm, Check, Comparison, Verdict
    from smoothlab.reports.roles import roles_of
    from smoothlab.reports.verdict import Step

    class Drawn(Comparison):
        def to_json(self) -> dict[str, Any]:
            return {"arms": [arm.name for arm in self.arms], "table": self.table.to_dict("records")}

    done = [record for record in records if record.done]
    by_arm = {record.arm: [other for other in done if other.arm == record.arm] for record in done}
    names = list(dict.fromkeys(record.arm for record in done))
    first = baseline or names[0]
    better = {"nll": "min", "accuracy": "max", "ece": "min", "confidence_gap": "zero", "aurc": "min"}
    mean = {
        (arm, metric): float(np.mean([record.metrics("test")[metric] for record in done if record.arm == arm]))
        for arm in names
        for metric in better
    }
    rows = []
    for arm in names:
        for variant, share in (("raw", 1.0), ("temperature", 0.9)):
            for metric, way in better.items():
                value = mean[arm, metric] * (share if way == "min" else 1.0)
                own = arm == first
                gap = np.nan if own else value - mean[first, metric]
                wide = 0.01 + abs(gap) * 0.3
                numbers = (value, value - 0.01, value + 0.01, 3, gap, gap - wide, gap + wide)
                chance = (np.nan, np.nan) if own else (0.0004, 0.04)
                rows.append((arm, variant, metric, *numbers, *chance, 1 / len(names), way))
    best = min(names, key=lambda arm: mean[arm, "nll"])
    sentence = (
        f"{best} is better here: it lowers the negative log-likelihood from {mean[first, 'nll']:.3f} to "
        f"{mean[best, 'nll']:.3f}, beyond noise.",
        "Temperature scaling after plain training gets about half of the way.",
    )
    return Drawn(
        arms=tuple(
            Arm(arm, sum(record.arm == arm for record in done), arm == first, {}, roles_of(by_arm, first)[arm])
            for arm in names
        ),
        metrics=tuple(better),
        table=pd.DataFrame(rows, columns=list(COLUMNS)),
        verdict=Verdict(
            kind="helps",
            hero=best if best != first else None,
            difference=None,
            equivalence=None,
            margin=0.01,
            detectable=0.02,
            best=best,
            best_difference=None,
            arm=best,
            findings=sentence,
            steps=(Step(f"Use {best}.", "smoothlab train smoothing=standard"),),
            checks=(
                Check("accuracy", True, "accuracy is not lower beyond noise: +0.4 points, interval -0.2 to +1.0"),
                Check("aurc", False, "AURC is worse: 0.031 instead of 0.027, beyond noise"),
            ),
        ),
        notes=("ECE is biased upwards with few test samples: a calibrated model would show 0.02 here.",),
        classes=tuple(next(record for record in done).predictions("test").class_names),
    )
