"""An inspection: what is found in numbers, and the words, warnings and JSON made from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from smoothlab.inspection.cautions import cautions
from smoothlab.inspection.epsilon import EpsilonCurve
from smoothlab.inspection.findings import MATRIX_CELLS, Findings, plain
from smoothlab.inspection.parts import described
from smoothlab.inspection.soft_targets import SoftTargets
from smoothlab.inspection.words import sentences


@dataclass(frozen=True, eq=False)
class Inspection(Findings):
    """What a smoother does to the targets of a data set, without training; arguments of :class:`Findings`."""

    @cached_property
    def sentences(self) -> list[str]:
        """What the strategy does, in words."""
        return sentences(self)

    @cached_property
    def warnings(self) -> list[str]:
        """What its user may not have meant."""
        return cautions(self)

    def json(self) -> dict[str, Any]:
        """All numbers as plain values; what has no finite value is null."""
        shown = self.targets
        history = self.history
        return {
            "format": 1,
            "strategy": {key: described(part) for key, part in self.named_parts.items()},
            "summary": self.sentences,
            "warnings": self.warnings,
            "training_rows": self.probe.num_rows,
            "rows_asked": len(self.probe.classes),
            "epochs": self.plan.epochs,
            "epsilon_over_progress": _curve(self.epsilon, "progress"),
            "epsilon_over_confidence": {k: _curve(v, "confidence") for k, v in self.by_confidence.items()} or None,
            "over_training": [
                {"progress": moment.progress, **{k: plain(moment.mean(v)) for k, v in _columns(moment).items()}}
                for moment in self.moments
            ],
            "soft_targets": self._table(shown),
            "soft_targets_before_training": self._table(history.start) if history else None,
            "trees": {key: str(tree) for key, tree in self.trees.items()},
            "learners": [part.json() for part in self.learned],
            "run": None
            if history is None
            else {
                "path": history.path,
                "checkpoint": history.checkpoint,
                "epoch": history.epoch,
                "by_epoch": {name: [plain(value) for value in column] for name, column in history.columns.items()},
            },
        }

    def _table(self, targets: SoftTargets) -> dict[str, Any]:
        columns = {name: value.tolist() for name, value in _columns(targets).items()}
        classes = [
            {"name": self.class_names[k], "rows": self.class_counts[k]}
            | {name: plain(values[place]) for name, values in columns.items()}
            for place, k in enumerate(targets.classes.tolist())
        ]
        small = targets.matrix.numel() <= MATRIX_CELLS
        return {
            "progress": targets.progress,
            "classes": classes,
            "class_names": list(self.class_names),
            "matrix": targets.matrix.tolist() if small else None,
        }


def _columns(targets: SoftTargets) -> dict[str, Tensor]:
    return {
        "epsilon": targets.epsilon,
        "label_keeps": targets.keeps,
        "best_confidence": targets.confidence,
        "smallest_logit_gap": targets.smallest_gap,
        "largest_logit_gap": targets.largest_gap,
        "loss_floor": targets.entropy,
    }


def _curve(curve: EpsilonCurve, x: str) -> dict[str, list[float]]:
    return {x: curve.x, "mean": curve.mean, "min": curve.low, "max": curve.high}
