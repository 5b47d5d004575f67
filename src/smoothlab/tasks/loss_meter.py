"""The training loss of an epoch, kept on the device and read once in a while."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from smoothlab.errors import TrainingDiverged
from smoothlab.learner import widest
from smoothlab.tasks.ranks import of_all_ranks

READ_EVERY = 256  # steps between two looks at the device
STATE = (
    *("_filled", "_first_step", "_loss", "_entropy", "_epsilon", "_low", "_high", "_extremes"),
    *("_penalties", "_count"),
)  # of an epoch, beside the buffer


class LossMeter:
    """Sum losses, counts and target entropies over an epoch without waiting for the device.

    Each step writes one number into a buffer; the buffer is read when it is full and at the epoch's end. Sums are
    float64. Reading finds the first step whose loss is not finite.

    Of several ranks each adds its share of a step, and all add equally often: they read at the same steps, where they
    agree on the first bad one, and their sums are added up at the epoch's end.
    """

    def __init__(self) -> None:
        self._losses: Tensor | None = None
        self.seen = "the loss"  # what was not finite, once a bad step is found
        self.reset()

    def reset(self) -> None:
        """Start an epoch."""
        self._filled = 0
        self._first_step = 0
        self._loss = 0.0
        self._entropy: float | Tensor = 0.0
        self._epsilon: float | Tensor = 0.0
        self._low, self._high = float("inf"), float("-inf")  # of epsilons that are Python numbers
        self._extremes: Tensor | None = None  # (2,), of those that are tensors
        self._penalties: dict[str, float] = {}
        self._count = 0

    def add(
        self,
        loss: Tensor,
        count: int,
        entropy: float | Tensor,
        epsilon: float | Tensor,
        step: int,
        penalties: Mapping[str, Tensor] | None = None,
    ) -> int | None:
        """Record a step; returns the first bad step when this call read the buffer and found one.

        Args:
            loss: the sum of the batch's losses, a scalar, without penalties.
            count: samples in the batch.
            entropy: entropy of the targets, nats: one number for every sample, or one a sample; nan where it is not
                defined.
            epsilon: smoothing strength, likewise; or of several labels a sample, one a label or one each.
            step: number of the optimizer step.
            penalties: the sums of the batch's penalties by name, scalars.
        """
        if not self._penalties and penalties:
            self._penalties = dict.fromkeys(penalties, 0.0)
        rows = 1 + len(self._penalties)
        held = self._losses
        if held is None or (held.device, held.dtype, len(held)) != (loss.device, loss.dtype, rows):
            held = self._losses = torch.zeros(rows, READ_EVERY, dtype=loss.dtype, device=loss.device)
        if self._filled == 0:
            self._first_step = step
        held[0, self._filled] = loss.detach()
        for row, name in enumerate(self._penalties, start=1):
            held[row, self._filled] = penalties[name].detach()  # type: ignore[index]
        self._filled += 1
        self._count += count
        if isinstance(epsilon, Tensor):
            self._add_tensor(epsilon.detach(), count)
        else:
            self._epsilon = self._epsilon + epsilon * count
            self._low, self._high = min(self._low, epsilon), max(self._high, epsilon)
        if isinstance(entropy, Tensor):
            self._entropy = self._entropy + (entropy.detach().sum() if entropy.ndim else entropy.detach() * count)
        else:
            self._entropy = self._entropy + entropy * count
        return self.read() if self._filled == READ_EVERY else None

    def add_sums(
        self,
        losses: Tensor,
        count: int,
        entropy: float,
        epsilon: tuple[float, float, float],
        step: int,
        penalties: Mapping[str, Tensor],
    ) -> None:
        """Record several steps at once, of a net that trains in a stack of nets.

        Args:
            losses: the sums of the steps' losses ``(T,)``.
            count: samples of all of them.
            entropy: of the targets, summed over the samples.
            epsilon: its sum over the samples, its least and its greatest value.
            step: number of the first optimizer step.
            penalties: the sums of their penalties by name, ``(T,)`` each.

        Raises:
            TrainingDiverged: a sum is no finite number.
        """
        if not self._penalties and penalties:
            self._penalties = dict.fromkeys(penalties, 0.0)
        if not bool(losses.isfinite().all()) or not all(bool(each.isfinite().all()) for each in penalties.values()):
            raise TrainingDiverged(step, "it is found when the net trains alone")
        self._loss += float(losses.sum(dtype=widest(losses.device)))
        for name, each in penalties.items():
            self._penalties[name] += float(each.sum(dtype=widest(each.device)))
        self._count += count
        self._entropy = self._entropy + entropy
        self._epsilon = self._epsilon + epsilon[0]
        self._low, self._high = min(self._low, epsilon[1]), max(self._high, epsilon[2])

    def add_nothing(self, device: torch.device, step: int) -> int | None:
        """Record a step in which this rank has no sample, as :meth:`add` does one with some."""
        if self._losses is None:
            self._losses = torch.zeros(1 + len(self._penalties), READ_EVERY, device=device)
        if self._filled == 0:
            self._first_step = step
        self._losses[:, self._filled] = 0
        self._filled += 1
        return self.read() if self._filled == READ_EVERY else None

    def _add_tensor(self, epsilon: Tensor, count: int) -> None:
        self._epsilon = self._epsilon + epsilon.mean(dtype=widest(epsilon.device)) * count
        extremes = torch.stack(epsilon.aminmax())
        if self._extremes is not None:
            extremes = torch.stack(
                [torch.minimum(extremes[0], self._extremes[0]), torch.maximum(extremes[1], self._extremes[1])]
            )
        self._extremes = extremes

    def read(self) -> int | None:
        """Take what the device holds into the sums; returns the first step whose loss is not finite, on any rank."""
        if self._losses is None or self._filled == 0:
            return None
        held = self._losses[:, : self._filled].cpu().double()
        loss, *penalties = held.sum(1).tolist()
        self._loss += loss
        for name, penalty in zip(self._penalties, penalties, strict=True):
            self._penalties[name] += penalty
        bad = (~held.isfinite()).any(0).nonzero()
        if len(bad):
            names = ["the loss", *(f"the penalty {name}" for name in self._penalties)]
            rows = held[:, int(bad[0])].isfinite().logical_not().nonzero().flatten().tolist()
            self.seen = " and ".join(names[row] for row in rows)
        self._filled = 0
        first = [
            step for step in of_all_ranks(self._first_step + int(bad[0]) if len(bad) else None) if step is not None
        ]
        return min(first, default=None)

    def get_state(self) -> dict[str, Any]:
        """What the epoch has so far, plain values and tensors; the buffer as it is, so that sums stay the same."""
        held = None if self._losses is None else self._losses[:, : self._filled].clone()
        return {name: getattr(self, name) for name in STATE} | {"_losses": held}

    def set_state(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Go on with the epoch of ``get_state``, on this device."""
        for name in STATE:
            value = state[name]
            setattr(self, name, value.to(device) if isinstance(value, Tensor) else value)
        held = state["_losses"]
        if held is not None:
            self._losses = torch.zeros(len(held), READ_EVERY, dtype=held.dtype, device=device)
            self._losses[:, : self._filled] = held.to(device)

    def summary(self) -> dict[str, float]:
        """Means over the epoch's samples, on all ranks; call ``read`` first.

        ``train/loss`` has no penalties in it, so that ``train/kl``, the loss less the targets' entropy, has the floor 0
        whatever the penalties; they stand beside it as ``train/penalty/<name>``. Where targets have no entropy (nan:
        negative smoothing), neither it nor ``train/kl`` is there.
        """
        low, high = self._low, self._high
        if self._extremes is not None:
            low, high = min(low, float(self._extremes[0])), max(high, float(self._extremes[1]))
        sums = (self._loss, float(self._entropy), float(self._epsilon))
        ranks = of_all_ranks((self._count, sums, low, high, self._penalties))
        counts, all_sums, lows, highs, all_penalties = zip(*ranks, strict=True)
        count, low, high = max(sum(counts), 1), min(lows), max(highs)
        loss, entropy, epsilon = (sum(each) / count for each in zip(*all_sums, strict=True))
        names = dict.fromkeys(name for penalties in all_penalties for name in penalties)
        of_penalties = {name: sum(of_rank.get(name, 0.0) for of_rank in all_penalties) / count for name in names}
        of_entropy = {"train/kl": loss - entropy, "smoothing/target_entropy": entropy}
        return {
            "train/loss": loss,
            **({} if math.isnan(entropy) else of_entropy),
            "smoothing/epsilon": epsilon,
            "smoothing/epsilon_min": low,
            "smoothing/epsilon_max": high,
            **{f"train/penalty/{name}": mean for name, mean in of_penalties.items()},
        }
