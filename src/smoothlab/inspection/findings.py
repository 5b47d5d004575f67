"""All that an inspection finds, in numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from smoothlab.classes.tree import ClassTree
from smoothlab.inspection.epsilon import EpsilonCurve, over_confidence, over_progress
from smoothlab.inspection.parts import LearnedPart, learned_parts, trees
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
class Findings:
    """What a smoother does to the targets of a data set, found without training: the numbers.

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
        if all(curve.is_flat for curve in curves.values()) and curves["right"].mean[0] == curves["wrong"].mean[0]:
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
        every = [SoftTargets.of(self.smoother, self.probe, progress) for progress in sorted({*MOMENTS, self.shown_at})]
        same = all(torch.allclose(targets.matrix, every[0].matrix, atol=1e-9) for targets in every)
        return every[:1] if same else every

    @cached_property
    def learned(self) -> list[LearnedPart]:
        """The parts that learn, with their present state."""
        return learned_parts(self.named_parts)

    @cached_property
    def trees(self) -> dict[str, ClassTree]:
        """Class trees in use, by the key of their part."""
        return trees(self.named_parts)


def plain(value: float) -> float | None:
    """A number as JSON has it: None where it is not finite."""
    return value if math.isfinite(value) else None
