"""What strengths share that learn from the model's performance: sums by class, and an epsilon between two epochs."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from smoothlab.classes.info import ClassInfo
from smoothlab.errors import InvalidArgument
from smoothlab.learner import Learner
from smoothlab.numbers import check_choice, check_share
from smoothlab.smoothing.priors.distribution import check_classes
from smoothlab.smoothing.priors.table import Table
from smoothlab.smoothing.ranges import clamp_strength
from smoothlab.smoothing.strengths.by_class import epsilon_of_labels
from smoothlab.step import Step
from smoothlab.targets import IGNORED, check_tensor

Scope = Literal["global", "per_class"]
Source = Literal["running", "validation"]


class Feedback(Learner):
    """A strength whose epsilon, one for all or one a class, changes only where an epoch or a validation ends.

    A subclass says in ``sums`` what it counts, adds a batch to it in ``count``, and calls ``settle`` in ``learn``.

    Args:
        start: epsilon until there is something to learn from, in [0, 1).
        scope: ``"global"``: one epsilon; ``"per_class"``: one a class, taken by the label; for votes the expected one.
        source: ``"running"``: the training steps of the last epoch; ``"validation"``: the last validation.

    Raises:
        InvalidArgument: for an argument outside its range; on binding and in a step, for another K than before.
    """

    sums: tuple[str, ...] = ()

    def __init__(self, start: float, scope: Scope, source: Source) -> None:
        super().__init__()
        self.start = check_share("start", start)
        self.scope = check_choice("scope", scope, ("global", "per_class"))
        self.source = check_choice("source", source, ("running", "validation"))
        self._epsilon: float | Table = self.start  # a copy of the kept one, so that no step waits for a device

    # What a subclass overrides ----------------------------------------------------------------------------------------

    def count(self, sums: dict[str, Tensor], logits: Tensor, labels: Tensor) -> None:
        """Add to the sums, each ``(K,)`` in float64: logits ``(N, K)``, labels ``(N,)``, -1 for none."""
        raise NotImplementedError

    def learn(self, sums: dict[str, Tensor]) -> None:
        """Settle the epsilon that follows from the sums of all ranks."""
        raise NotImplementedError

    # What it does for them --------------------------------------------------------------------------------------------

    def settle(self, epsilon: Tensor, **others: Tensor) -> None:
        """Keep an epsilon, ``()`` or ``(K,)``, and other numbers beside it."""
        self.kept |= {"epsilon": clamp_strength(epsilon), **others}
        self._read()

    def allocate(self, num_classes: int) -> dict[str, Tensor]:
        """What is kept in the beginning; float64."""
        shape = (num_classes,) if self.scope == "per_class" else ()
        return {"epsilon": torch.full(shape, self.start, dtype=torch.float64)}

    def bind(self, info: ClassInfo) -> None:
        """Make the state for the data's classes; what has been learned stays."""
        sums = self._sums
        if sums:
            check_classes("state", len(next(iter(sums.values()))), info.class_names)
        else:
            self._allocate(len(info.class_names))

    def forward(self, step: Step) -> float | Tensor:
        """Epsilon: a number, or one a sample ``(...,)``."""
        return self._epsilon if isinstance(self._epsilon, float) else epsilon_of_labels(step, self._epsilon)

    def observe(self, step: Step) -> None:
        """Count a training step."""
        if self.source == "running":
            if step.logits is None:
                raise InvalidArgument("logits", None, "the model's output: the strength depends on its performance")
            self._count(step.logits, step.labels)

    def validate(self, logits: Tensor, labels: Tensor) -> None:
        """Count a validation batch."""
        if self.source == "validation":
            with torch.no_grad():
                self._count(logits, labels)

    def learn_from_training(self) -> None:
        """Learn from the epoch's training steps."""
        if self.source == "running" and self.seen:
            self.learn(self.seen)

    def learn_from_validation(self) -> None:
        """Learn from the validation."""
        if self.source == "validation" and self.validated:
            self.learn(self.validated)

    def set_extra_state(self, state: Any) -> None:
        """Take the state of a checkpoint."""
        super().set_extra_state(state)
        self._read()

    @property
    def _sums(self) -> dict[str, Tensor]:
        return self.seen if self.source == "running" else self.validated

    def _allocate(self, num_classes: int) -> None:
        self._sums.update({name: torch.zeros(num_classes, dtype=torch.float64) for name in self.sums})
        if not self.kept:
            self.kept = self.allocate(num_classes)

    def _count(self, logits: Tensor, labels: Tensor) -> None:
        check_tensor("logits", logits, "a float tensor of shape (..., K)")
        check_tensor("labels", labels, "class indices (...) or votes (..., K)")
        num_classes = logits.shape[-1]
        if not self._sums:
            self._allocate(num_classes)
        sums = self._sums
        for name, value in sums.items():
            if value.shape[0] != num_classes:
                raise InvalidArgument("logits", tuple(logits.shape), f"{value.shape[0]} classes, as before")
            if value.device != logits.device:  # once, where the smoother was not moved with the model
                sums[name] = value.to(logits.device)
        self.count(sums, logits.reshape(-1, num_classes), plain_labels(labels).reshape(-1))

    def _read(self) -> None:
        epsilon = self.kept.get("epsilon")
        if epsilon is not None:
            self._epsilon = Table(epsilon) if epsilon.ndim else float(epsilon)


def plain_labels(labels: Tensor) -> Tensor:
    """Class indices ``(...,)``: those that came, or the mode of votes ``(..., K)``; of equal ones the first.

    Votes that are filled with -100, as those of rows that are left out, have the label -100.
    """
    if not labels.is_floating_point():
        return labels
    return labels.argmax(-1).masked_fill(labels[..., 0] == IGNORED, IGNORED)
