"""What a smoother does to samples with several labels: what present and absent labels become, and where mass goes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from smoothlab.classes.hierarchy import Hierarchy
from smoothlab.data.batch import Batch
from smoothlab.inspection.findings import MATRIX_CELLS, MOMENTS, Plan, plain
from smoothlab.inspection.parts import described
from smoothlab.inspection.probe import CELLS, MOST_ROWS, USUAL
from smoothlab.smoothing import MultilabelSmoother
from smoothlab.step import Step

EXAMPLES = 4
NO_CHANGE = 1e-9


@dataclass(frozen=True, eq=False)
class LabelInspection:
    """What a multi-label smoother does to the training samples of a data set, without training.

    Strengths that look at the model see one that gives each known answer, present or absent, 0.9.

    Args:
        smoother: bound to the labels; asked in evaluation mode.
        batch: the samples that it is asked about, labels ``(N, K)``.
        num_rows: of the training data.
        class_names: K names of the labels.
        class_counts: K numbers of training rows in which a label is present.
        plan: of the training.
        parts: the loss, the penalties (by ``penalty.<name>``) and the mixing that are in use beside it, by key.
        run: the run that is inspected, or None for a config.

    Raises:
        InvalidArgument: on the first look: the strategy does not fit the data.
    """

    smoother: MultilabelSmoother
    batch: Batch
    num_rows: int
    class_names: Sequence[str]
    class_counts: Sequence[int]
    plan: Plan = field(default_factory=Plan)
    parts: Mapping[str, Any] = field(default_factory=dict)
    run: str | None = None

    def __post_init__(self) -> None:
        self.smoother.eval()  # learners learn nothing from being asked

    @classmethod
    def of(cls, smoother: MultilabelSmoother, batch: Batch, class_names: Sequence[str], *rest: Any) -> LabelInspection:
        """Of all rows where they and their labels are few, else of evenly spaced ones."""
        most = min(MOST_ROWS, max(64, CELLS // len(class_names)), len(batch))
        chosen = torch.arange(most) * len(batch) // most
        return cls(smoother, batch.take(chosen), len(batch), class_names, *rest)

    @property
    def hierarchy(self) -> Hierarchy | None:
        """Labels and tree, if there is one."""
        return self.smoother.hierarchy

    @cached_property
    def labels(self) -> Tensor:
        """``(N, K)`` in float64, closed under the tree; negative where unknown."""
        labels = self.batch.labels.double()
        return labels if self.hierarchy is None else self.hierarchy.close(labels)

    def soft(self, progress: float) -> tuple[Tensor, Tensor]:
        """Soft labels and epsilons ``(N, K)`` at a moment of the training."""
        answers = (self.labels > 0.5).double() * 2 - 1
        logits = answers * math.log(USUAL / (1 - USUAL))
        batch = self.batch
        with torch.no_grad():
            made = self.smoother.target(
                Step(batch.labels.double(), logits, progress, batch.rows, batch.metadata, batch.features)
            )
        return made.values.double(), torch.as_tensor(made.epsilon).double().expand(self.labels.shape)

    @cached_property
    def over_training(self) -> list[tuple[float, float]]:
        """Progress and the mean epsilon of the known labels, from the beginning to the end."""
        known = self.labels >= 0
        return [(progress, float(self.soft(progress)[1][known].mean())) for progress in MOMENTS]

    @cached_property
    def shown_at(self) -> float:
        """Progress of the targets that are shown: where the mean epsilon is largest, the earliest such moment."""
        return max(self.over_training, key=lambda moment: moment[1])[0]

    @cached_property
    def values(self) -> Tensor:
        """Soft labels ``(N, K)`` that are shown; negative where unknown."""
        return self.soft(self.shown_at)[0]

    @cached_property
    def epsilon(self) -> Tensor:
        """The mean epsilon of each label ``(K,)``; nan where it is never known."""
        return _mean(self.soft(self.shown_at)[1], self.labels >= 0)

    @cached_property
    def present(self) -> Tensor:
        """What a present label becomes, the mean ``(K,)``; nan where it is never present."""
        return _mean(self.values, self.labels > 0.5)

    @cached_property
    def absent(self) -> Tensor:
        """What an absent label becomes, the mean ``(K,)``; nan where it is never absent."""
        return _mean(self.values, (self.labels >= 0) & (self.labels <= 0.5))

    @cached_property
    def floor(self) -> Tensor:
        """The mean entropy of each label's target in nats ``(K,)``, the least binary cross-entropy."""
        values = self.values.clamp(0, 1)
        return _mean(torch.special.entr(values) + torch.special.entr(1 - values), self.labels >= 0)

    @cached_property
    def flow(self) -> Tensor:
        """``(K, K)``: by how much label k rises or falls, the mean over the rows that have label j; nan without any.

        With a tree they are the rows in which j is one of the deepest labels.
        """
        having = self.labels > 0.5
        if self.hierarchy is not None:
            having = self.hierarchy.deepest(having.double()) > 0.5
        known = self.labels >= 0
        moved = (self.values - self.labels).where(known, 0)
        return (having.double().T @ moved) / (having.double().T @ known.double())

    @property
    def order(self) -> list[int]:
        """The labels as a tree has them, each below its parent; without one as they come."""
        if self.hierarchy is None:
            return list(range(len(self.class_names)))
        tree = self.hierarchy.tree
        walked, waiting = [], [0]
        while waiting:
            node = waiting.pop()
            walked.append(node)
            waiting += reversed(tree.children[node])
        place = {node: k for k, node in enumerate(self.hierarchy.nodes)}
        return [place[node] for node in walked if node in place]

    @cached_property
    def examples(self) -> list[int]:
        """Rows of the commonest sets of labels, one of each set."""
        sets, inverse, counts = (self.labels > 0.5).unique(dim=0, return_inverse=True, return_counts=True)
        common = [k for k in counts.argsort(descending=True, stable=True).tolist() if bool(sets[k].any())]
        return [int((inverse == k).nonzero()[0]) for k in common[:EXAMPLES]]

    @property
    def sentences(self) -> list[str]:
        """What the strategy does, in words."""
        known = self.labels >= 0
        moved = float((self.values - self.labels).abs()[known].mean())
        if moved < NO_CHANGE:
            return ["The targets stay as they are: 1 where a label is present, 0 where it is absent."]
        texts = [
            f"On average a present label becomes {_over(self.values, self.labels > 0.5)} and an absent one "
            f"{_over(self.values, known & (self.labels <= 0.5))}; a row has {_sum(self.labels):.3g} labels, and its "
            f"targets add up to {_sum(self.values):.3g}."
        ]
        closed = int(((self.labels > 0.5) & (self.batch.labels <= 0.5)).any(1).sum())
        if closed:
            texts.append(f"The tree adds labels to {closed:,} of {len(self.labels):,} rows: those above a present one.")
        return texts

    @property
    def warnings(self) -> list[str]:
        """What its user may not have meant."""
        texts = []
        lost = [name for name, count in zip(self.class_names, self.class_counts, strict=True) if not count]
        if lost:
            texts.append(f"no training row has {len(lost)} of the labels, such as {lost[0]!r}")
        turned = [self.class_names[k] for k in (self.absent >= self.present).nonzero().flatten().tolist()]
        if turned:
            texts.append(
                f"{len(turned)} labels are told no longer when present, such as {turned[0]!r}: epsilon is large"
            )
        return texts

    @property
    def named_parts(self) -> dict[str, Any]:
        """Strength, prior and the parts beside them, by key."""
        return {"smoothing.strength": self.smoother.strength, "smoothing.prior": self.smoother.prior, **self.parts}

    def json(self) -> dict[str, Any]:
        """All numbers as plain values; what has no finite value is null."""
        columns = {"epsilon": self.epsilon, "present": self.present, "absent": self.absent, "loss_floor": self.floor}
        flow = self.flow.tolist() if self.flow.numel() <= MATRIX_CELLS else None
        return {
            "format": 1,
            "strategy": {key: described(part) for key, part in self.named_parts.items()},
            "summary": self.sentences,
            "warnings": self.warnings,
            "training_rows": self.num_rows,
            "rows_asked": len(self.labels),
            "epochs": self.plan.epochs,
            "over_training": [{"progress": progress, "epsilon": epsilon} for progress, epsilon in self.over_training],
            "progress": self.shown_at,
            "labels": [
                {"name": name, "rows": self.class_counts[k]}
                | {key: plain(float(column[k])) for key, column in columns.items()}
                for k, name in enumerate(self.class_names)
            ],
            "flow": None if flow is None else [[plain(value) for value in row] for row in flow],
            "tree": None if self.hierarchy is None else str(self.hierarchy.tree),
            "examples": [
                {
                    "row": int(self.batch.rows[row]),
                    "labels": self.labels[row].tolist(),
                    "soft": self.values[row].tolist(),
                }
                for row in self.examples
            ],
            "run": self.run,
        }


def _mean(values: Tensor, where: Tensor) -> Tensor:
    """The mean of each column over some cells."""
    return values.where(where, 0).sum(0) / where.sum(0)


def _over(values: Tensor, where: Tensor) -> str:
    return f"{float(values[where].mean()):.3g}" if bool(where.any()) else "-"


def _sum(values: Tensor) -> float:
    return float(values.clamp_min(0).sum(1).mean())
