"""The losses of stacked nets in as few calls as there are kinds of target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor

from smoothlab.classes import NeedsClasses
from smoothlab.data.batch import Batch
from smoothlab.learner import learners_in
from smoothlab.losses import soft_cross_entropy
from smoothlab.losses.small import DENSE_ELEMENTS
from smoothlab.losses.weights import accumulator
from smoothlab.smoothing import Smoother
from smoothlab.step import Step
from smoothlab.targets import SoftTarget
from smoothlab.tasks.classification import ClassificationTask
from smoothlab.tasks.task import WEIGHT, Task
from smoothlab.training.stacked.record import EpochRecord, Number

PLAIN = (int, float, str, bool, type(None), tuple)


def shared_kind(task: Task) -> str | None:
    """A text that is equal for tasks whose losses may be taken in one call; None for one that goes by itself.

    Those go together whose smoother, loss and penalties look at each row by itself and know nothing beside their
    settings: neither what they have learned nor what the data told them.
    """
    smoother = task.smoother
    if not isinstance(task, ClassificationTask) or type(smoother) is not Smoother or learners_in(smoother):
        return None
    parts = [smoother.strength, smoother.prior, *([] if task.loss is None else [task.loss]), *task.penalties.values()]
    if smoother.excluded.classes or not all(_knows_settings_only(part) for part in parts):
        return None
    shown = [f"{type(part).__qualname__} {part!r}" for part in parts]
    return "\n".join([*shown, f"{task.loss is None}", *task.penalties])


def _knows_settings_only(part: Any) -> bool:
    return (
        type(part).__module__.startswith("smoothlab.")
        and is_dataclass(part)
        and not isinstance(part, NeedsClasses | torch.nn.Module)
        and all(isinstance(getattr(part, field.name), PLAIN) for field in fields(part))
    )


class SharedLosses:
    """The losses of nets of one kind, in one call each.

    Args:
        tasks: of the nets.
        places: which nets of the stack they are.
    """

    def __init__(self, tasks: Sequence[Task], places: Sequence[int]) -> None:
        self.tasks, self.places = list(tasks), list(places)
        self.record = EpochRecord()

    def __call__(self, logits: Sequence[Tensor], seen: Sequence[Batch]) -> Tensor:
        """The sum over the nets of the mean loss of their rows; recorded.

        Args:
            logits: of each net ``(N_s, K)``.
            seen: what each has seen.
        """
        task, counts = self.tasks[0], [len(batch) for batch in seen]
        flat = torch.cat(list(logits))
        metadata = {name: torch.cat([batch.metadata[name] for batch in seen]) for name in seen[0].metadata}
        labels, rows = (torch.cat([getattr(batch, name) for batch in seen]) for name in ("labels", "rows"))
        known = rows if task.mixing is None else None
        step = Step(labels, flat.detach(), task.progress, known, metadata)
        target: SoftTarget = task.smoother.target(step)  # type: ignore[assignment]  # shared_kind looks
        if task.loss is None:
            losses = _cross_entropy(flat, target, max(counts))
        else:
            losses = task.loss(flat, target, step)
        total = _sums(losses, counts)
        penalties = {name: _sums(penalty(flat, target, step), counts) for name, penalty in task.penalties.items()}
        self._note(total, penalties, target, counts)
        shares = total.new_tensor([1 / count for count in counts])
        return (sum(penalties.values(), total) * shares).sum()

    def _note(self, loss: Tensor, penalties: dict[str, Tensor], target: SoftTarget, counts: list[int]) -> None:
        entropy = target.entropy(len(self.tasks[0].class_names))
        epsilon = target.epsilon
        sums: Number = _of_rows(entropy, counts)
        if isinstance(epsilon, Tensor) and epsilon.ndim:
            parts = epsilon.detach().double().split(counts)
            least, greatest = torch.stack([part.min() for part in parts]), torch.stack([part.max() for part in parts])
            self.record.add(loss, penalties, sums, (_of_rows(epsilon, counts), least, greatest))
        else:
            self.record.add(loss, penalties, sums, (_of_rows(epsilon, counts), epsilon, epsilon))


def _cross_entropy(logits: Tensor, target: SoftTarget, rows: int) -> Tensor:
    """The losses of rows ``(N,)``, by the formula that a net's own small batch of ``rows`` takes."""
    num_classes = logits.shape[1]
    if rows * num_classes > DENSE_ELEMENTS:
        return soft_cross_entropy(logits, target, reduction="none")
    dtype = accumulator(logits.dtype)
    return -(target.dense(num_classes, dtype=dtype) * torch.log_softmax(logits, 1, dtype)).sum(1)


def _sums(rows: Tensor, counts: Sequence[int]) -> Tensor:
    """The sums of each net's rows ``(n,)``."""
    if len(set(counts)) == 1:
        return rows.view(len(counts), -1).sum(1)
    return torch.stack([part.sum() for part in rows.split(list(counts))])


def _of_rows(value: Number, counts: Sequence[int]) -> Number:
    """The sum over each net's rows of what is one number, or one a row."""
    if isinstance(value, Tensor) and value.ndim:
        return _sums(value.detach().double(), counts)
    if len(set(counts)) == 1:
        return value * counts[0] if isinstance(value, Tensor) else float(value) * counts[0]
    return torch.as_tensor(value, dtype=torch.float64) * torch.tensor(counts, dtype=torch.float64)


class OwnLosses:
    """The losses of a net that goes by itself, as in a training of its own.

    Args:
        task: of the net.
        place: which net of the stack it is.
    """

    def __init__(self, task: Task, place: int) -> None:
        self.task, self.place = task, place

    def __call__(self, logits: Tensor, batch: Batch, seen: Batch) -> Tensor:
        """The mean loss of its rows; recorded."""
        return self.task.record(batch, *self.task.terms_of(logits, seen))


def is_weighted(batch: Batch) -> bool:
    """Whether rows have weights, which a shared call does not know."""
    return WEIGHT in batch.metadata
