"""The training of a stack: epochs of all nets side by side, until each has ended in its own way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from smoothlab.data.batch import Batch
from smoothlab.data.loader import EpochOrder, MemoryLoader
from smoothlab.training.stacked.losses import OwnLosses, SharedLosses, is_weighted, shared_kind
from smoothlab.training.stacked.member import Member
from smoothlab.training.stacked.nets import StackedNets
from smoothlab.training.stacked.optimizers import StackedOptimizer
from smoothlab.training.stacked.validation import NAMES, stacked_metrics

PART_VALUES = 2**23  # features that are put in the order of an epoch at once
Ended = Callable[[Member, dict[str, Tensor], dict[str, Tensor], dict[str, object]], None]


class Stack:
    """Runs whose nets train as one.

    Args:
        members: of one architecture, optimizer and number of batches, those with settings alike side by side.
        ended: is told of each run that has ended: its last and its best weights, and its optimizer's state; of one
            whose ``error`` is set, that it has to be trained alone.
    """

    def __init__(self, members: Sequence[Member], ended: Ended) -> None:
        settings = {id(member): member.settings(f" {place}") for place, member in enumerate(members)}
        self.members = sorted(members, key=lambda member: settings[id(member)].alike)
        self._ended = ended
        self.nets = StackedNets([member.task.net for member in self.members])
        self._optimizer = StackedOptimizer(self.nets.weights, [settings[id(member)] for member in self.members])
        self._best = {name: weight.detach().clone() for name, weight in self.nets.weights.items()}
        self.generators = [member.random for member in self.members]
        self._loaders = [member.prepared.data.train_dataloader() for member in self.members]
        dtype = next(iter(self.nets.weights.values())).dtype
        self._dtype = dtype
        self._train = [_ready(loader, dtype) for loader in self._loaders]
        self._val = [_ready(member.prepared.data.val_dataloader(), dtype) for member in self.members]
        self._sort_losses()

    def _sort_losses(self) -> None:
        kinds: dict[str, list[int]] = {}
        self._own: list[OwnLosses] = []
        for place, member in enumerate(self.members):
            kind = None if is_weighted(self._train[place]) else shared_kind(member.task)
            if kind is None:
                self._own.append(OwnLosses(member.task, place))
            else:
                length = f"{member.max_epochs} {member.task.mixing is None} {sorted(self._train[place].metadata)}"
                kinds.setdefault(f"{kind}\n{length}", []).append(place)
        self._shared = [
            SharedLosses([self.members[place].task for place in places], places) for places in kinds.values()
        ]

    def train(self, each_epoch: Callable[[Stack], None]) -> None:
        """Train all to their ends.

        Args:
            each_epoch: is called after each epoch with this stack.
        """
        for member in self.members:
            member.begin()
        while self.members:
            self._epoch()
            self._validate()
            self._close()
            each_epoch(self)

    # An epoch ---------------------------------------------------------------------------------------------------------

    def _epoch(self) -> None:
        first = self.members[0].trainer
        for batches in self._batches(first.current_epoch):
            self._step(batches)
            for member in self.members:
                member.stepped()
        counts = [len(batch) for batch in self._train]
        for shared in self._shared:
            meters = [task.train_loss for task in shared.tasks]
            step = first.global_step - self.members[0].batches
            errors = shared.record.tell(meters, [counts[place] for place in shared.places], step)
            for place, error in zip(shared.places, errors, strict=True):
                self.members[place].error = self.members[place].error or error

    def _batches(self, epoch: int) -> Iterator[list[Batch]]:
        """Each step's batches of all nets, in the order that each run's own seed draws."""
        orders = []
        for loader in self._loaders:
            loader.set_epoch(epoch)
            orders.append(list(loader.order))
        width = max(1, self._train[0].features[0].numel())
        size = max(len(positions) for positions in orders[0])
        together = max(1, PART_VALUES // (len(orders) * size * width))
        for start in range(0, len(orders[0]), together):
            parts = [order[start : start + together] for order in orders]
            taken = [train.take(torch.cat(part)) for train, part in zip(self._train, parts, strict=True)]
            begin = [0] * len(taken)
            for step in range(len(parts[0])):
                batches = []
                for place, part in enumerate(parts):
                    stop = begin[place] + len(part[step])
                    batches.append(taken[place].take(slice(begin[place], stop)))
                    begin[place] = stop
                yield batches

    def _step(self, batches: list[Batch]) -> None:
        seen = [self._seen(place, batch) for place, batch in enumerate(batches)]
        counts = [len(batch) for batch in seen]
        logits = self.nets(_side_by_side([batch.features for batch in seen]), training=True).unbind(0)
        of_rows = [rows[:count] for rows, count in zip(logits, counts, strict=True)]
        total: Tensor | None = None
        for shared in self._shared:
            places = shared.places
            loss = shared([of_rows[place] for place in places], [seen[place] for place in places])
            total = loss if total is None else total + loss
        for own in self._own:
            loss = self._own_loss(own, of_rows[own.place], batches[own.place], seen[own.place])
            total = loss if total is None else total + loss
        assert total is not None
        self._optimizer.step(torch.autograd.grad(total, list(self.nets.weights.values())))

    def _seen(self, place: int, batch: Batch) -> Batch:
        """What a net sees of its batch; what is drawn for that comes from the run's own generator."""
        task = self.members[place].task
        if task.mixing is None:
            return batch
        around = torch.get_rng_state()
        torch.set_rng_state(self.generators[place])
        try:
            return task.seen_of(batch)
        finally:
            self.generators[place] = torch.get_rng_state()
            torch.set_rng_state(around)

    def _own_loss(self, own: OwnLosses, logits: Tensor, batch: Batch, seen: Batch) -> Tensor:
        member = self.members[own.place]
        if member.error is None:
            try:
                return own(logits, batch, seen)
            except (RuntimeError, ValueError) as error:  # such as a training that has left the finite numbers
                member.error = error
        return logits.sum() * 0.0

    # Validation and the epoch's end -----------------------------------------------------------------------------------

    def _validate(self) -> None:
        better = []
        for place, (member, metrics) in enumerate(zip(self.members, self._metrics(), strict=True)):
            if member.error is None and not all(map(_finite, metrics.values())):
                member.error = RuntimeError("the logits of validation are no numbers")
            if member.error is not None:
                continue
            try:
                for learner in member.learners:
                    learner.end_validation()
                if member.validated(metrics):
                    better.append(place)
            except RuntimeError as error:
                member.error = error
        if better:
            index = torch.tensor(better)
            for name, weight in self.nets.weights.items():
                self._best[name].index_copy_(0, index, weight.detach().index_select(0, index))

    def _metrics(self) -> list[dict[str, float]]:
        with torch.inference_mode():
            features = _side_by_side([batch.features for batch in self._val])
            logits = self.nets(features, training=False)
        together = [place for place, member in enumerate(self.members) if self._usual(place, member)]
        metrics: list[dict[str, float]] = [{} for _ in self.members]
        if together:
            labels = _side_by_side([self._val[place].labels for place in together])
            counts = torch.tensor([len(self._val[place]) for place in together])
            counted = torch.arange(labels.shape[1]) < counts.unsqueeze(1)
            bins = self.members[0].task.num_bins
            rows = logits[together] if len(together) < len(self.members) else logits
            for place, values in zip(together, stacked_metrics(rows, labels, counted, bins), strict=True):
                metrics[place] = {f"val/{name}": value for name, value in values.items()}
        for place, member in enumerate(self.members):
            own, count = self._val[place], len(self._val[place])
            with torch.inference_mode():
                for learner in member.learners if member.error is None else ():
                    member.task.show(learner, logits[place, :count], own.labels)
            if not metrics[place]:
                metrics[place] = _all_metrics(member, logits[place, :count], own.labels)
        return metrics

    def _usual(self, place: int, member: Member) -> bool:
        """Whether a run's validation is judged by class indices, and what is monitored is among the few metrics."""
        labels = self._val[place].labels
        watched = [getattr(callback, "monitor", None) for callback in member.prepared.callbacks]
        watched.append(member.task.schedule.monitor if member.task.schedule else None)
        known = {None, *(f"val/{name}" for name in NAMES)}
        return labels.ndim == 1 and member.task.kind != "multilabel" and set(watched) <= known

    def _close(self) -> None:
        for member in self.members:
            if member.error is None:
                try:
                    member.end_epoch()
                except RuntimeError as error:
                    member.error = error
        leaving = [place for place, member in enumerate(self.members) if member.finished or member.error is not None]
        if not leaving:
            return
        for place in leaving:
            last = {name: weight.detach()[place].clone() for name, weight in self.nets.weights.items()}
            best = {name: weight[place].clone() for name, weight in self._best.items()}
            self._ended(self.members[place], last, best, self._optimizer.state(place))
        stay = [place for place in range(len(self.members)) if place not in set(leaving)]
        self._leave(stay)

    def _leave(self, stay: list[int]) -> None:
        if stay:
            places = torch.tensor(stay)
            self.nets.keep(places)
            self._optimizer.keep(places, self.nets.weights)
            self._best = {name: weight.index_select(0, places) for name, weight in self._best.items()}
        for name in ("members", "generators", "_loaders", "_train", "_val"):
            setattr(self, name, [getattr(self, name)[place] for place in stay])
        self._sort_losses()


def _ready(loader: MemoryLoader, dtype: torch.dtype) -> Batch:
    """All samples of a loader, as the net takes them."""
    batch = loader.data.ready("cpu", dtype)
    if batch.features.is_floating_point() and batch.features.dtype != dtype:
        metadata = {
            name: column.to(dtype) if column.is_floating_point() else column for name, column in batch.metadata.items()
        }
        labels = batch.labels.to(dtype) if batch.labels.is_floating_point() else batch.labels
        return Batch(batch.features.to(dtype), labels, batch.rows, metadata)
    return batch


def loads_from_memory(member: Member) -> bool:
    """Whether a run's batches are taken out of tensors, each sample as it is."""
    data = member.prepared.data
    loaders = (data.train_dataloader(), data.val_dataloader())
    return all(
        type(loader) is MemoryLoader and type(loader.order) is EpochOrder and type(loader.data) is Batch
        for loader in loaders
    )


def _side_by_side(parts: Sequence[Tensor]) -> Tensor:
    """Rows of several nets ``(S, N, ...)``, N the most; those that have fewer are filled up with their first one."""
    most = max(len(part) for part in parts)
    if all(len(part) == most for part in parts):
        return torch.stack(list(parts))
    return torch.stack([torch.cat([part, part[:1].expand(most - len(part), *part.shape[1:])]) for part in parts])


def _all_metrics(member: Member, logits: Tensor, labels: Tensor) -> dict[str, float]:
    """What a run's own training would publish of a validation."""
    metrics = member.task.val_metrics
    member.task.count(metrics, logits, labels)
    values = {f"val/{name}": float(value) for each in metrics for name, value in each.compute().items()}
    for metric in metrics:
        metric.reset()
    return values


def _finite(value: float) -> bool:
    return value == value and abs(value) != float("inf")
