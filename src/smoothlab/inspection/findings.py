"""All that an inspection finds: numbers first, words and warnings made from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from smoothlab.classes.tree import ClassTree
from smoothlab.inspection.epsilon import EpsilonCurve, over_confidence, over_progress
from smoothlab.inspection.parts import LearnedPart, described, learned_parts, trees
from smoothlab.inspection.probe import Probe
from smoothlab.inspection.soft_targets import SoftTargets
from smoothlab.smoothing import Smoother

MOMENTS = (0.0, 0.25, 0.5, 0.75, 1.0)
MATRIX_CELLS = 1 << 16  # of the matrix in the JSON file


@dataclass(frozen=True)
class Plan:
    """How long the training is planned to be, and what may end it earlier.

    Args:
        epochs: at most, or None for no end.
        earliest_stop: the first epoch after which early stopping may end it, or None.
    """

    epochs: int | None = None
    earliest_stop: int | None = None


@dataclass(frozen=True, eq=False)
class RunHistory:
    """What a run that was trained says of its smoothing.

    Args:
        path: the run directory.
        checkpoint: the checkpoint file that the learned state is from.
        epoch: its epoch, counted from 0.
        start: the soft targets of the strategy as it was before the training, at the same progress.
        columns: columns of metrics.csv that begin with ``smoothing/``, by name without that, and ``epoch``.
    """

    path: str
    checkpoint: str
    epoch: int
    start: SoftTargets
    columns: Mapping[str, Sequence[float]]

    @property
    def epsilon(self) -> EpsilonCurve | None:
        """The epsilon that was used, by epoch; None where metrics.csv does not say."""
        names = ("epoch", "epsilon", "epsilon_min", "epsilon_max")
        if any(name not in self.columns for name in names):
            return None
        return EpsilonCurve(*(list(map(float, self.columns[name])) for name in names))


@dataclass(frozen=True, eq=False)
class Inspection:
    """What a smoother does to the targets of a data set, without training.

    Args:
        smoother: bound to the classes; asked in evaluation mode.
        probe: the samples that it is asked about.
        class_names: K names.
        class_counts: K numbers of training rows.
        plan: of the training.
        parts: the loss, the penalties (by ``penalty.<name>``) and the mixing that are in use beside it, by key.
        history: of the run that is inspected, or None for a config.

    Raises:
        InvalidArgument: on the first look: the strategy does not fit the data.
    """

    smoother: Smoother
    probe: Probe
    class_names: Sequence[str]
    class_counts: Sequence[int]
    plan: Plan = field(default_factory=Plan)
    parts: Mapping[str, Any] = field(default_factory=dict)
    history: RunHistory | None = None

    def __post_init__(self) -> None:
        self.smoother.eval()  # learners learn nothing from being asked

    @property
    def named_parts(self) -> dict[str, Any]:
        """Strength, prior and the parts beside them, by key."""
        return {
            "smoothing.strength": self.smoother.strength,
            "smoothing.prior": self.smoother.prior,
            **self.parts,
        }

    @cached_property
    def epsilon(self) -> EpsilonCurve:
        """Epsilon over the progress of the training."""
        return over_progress(self.smoother, self.probe)

    @cached_property
    def by_confidence(self) -> dict[str, EpsilonCurve]:
        """Epsilon over the model's confidence, where it is right and where it is wrong; empty where neither matters."""
        curves = {
            name: over_confidence(self.smoother, self.probe, self.shown_at, right=name == "right")
            for name in ("right", "wrong")
        }
        if all(one.is_flat for one in curves.values()) and curves["right"].mean[0] == curves["wrong"].mean[0]:
            return {}
        return curves

    @cached_property
    def shown_at(self) -> float:
        """Progress of the targets that are shown: where the mean epsilon is farthest from 0."""
        return self.epsilon.strongest

    @cached_property
    def targets(self) -> SoftTargets:
        """The soft targets that are shown."""
        return SoftTargets.of(self.smoother, self.probe, self.shown_at)

    @cached_property
    def moments(self) -> list[SoftTargets]:
        """Soft targets from the beginning of the training to its end; one where nothing changes."""
        every = [SoftTargets.of(self.smoother, self.probe, one) for one in sorted({*MOMENTS, self.shown_at})]
        same = all(torch.allclose(one.matrix, every[0].matrix, atol=1e-9) for one in every)
        return every[:1] if same else every

    @cached_property
    def learned(self) -> list[LearnedPart]:
        """The parts that learn, with their present state."""
        return learned_parts(self.named_parts)

    @cached_property
    def trees(self) -> dict[str, ClassTree]:
        """Class trees in use, by the key of their part."""
        return trees(self.named_parts)

    @cached_property
    def sentences(self) -> list[str]:
        """What the strategy does, in words."""
        from smoothlab.inspection.words import sentences

        return sentences(self)

    @cached_property
    def warnings(self) -> list[str]:
        """What its user may not have meant."""
        from smoothlab.inspection.cautions import cautions

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
            "epsilon_over_confidence": {n: _curve(one, "confidence") for n, one in self.by_confidence.items()} or None,
            "over_training": [
                {"progress": one.progress} | {name: _plain(one.mean(value)) for name, value in _columns(one).items()}
                for one in self.moments
            ],
            "soft_targets": self._table(shown),
            "soft_targets_before_training": self._table(history.start) if history else None,
            "trees": {key: str(tree) for key, tree in self.trees.items()},
            "learners": [one.json() for one in self.learned],
            "run": None
            if history is None
            else {
                "path": history.path,
                "checkpoint": history.checkpoint,
                "epoch": history.epoch,
                "by_epoch": {name: [_plain(one) for one in column] for name, column in history.columns.items()},
            },
        }

    def _table(self, targets: SoftTargets) -> dict[str, Any]:
        columns = {name: value.tolist() for name, value in _columns(targets).items()}
        classes = [
            {"name": self.class_names[k], "rows": self.class_counts[k]}
            | {name: _plain(values[place]) for name, values in columns.items()}
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


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _curve(curve: EpsilonCurve, x: str) -> dict[str, list[float]]:
    return {x: curve.x, "mean": curve.mean, "min": curve.low, "max": curve.high}
