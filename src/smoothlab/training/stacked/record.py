"""What the losses of an epoch were, of nets that share calls; kept as tensors until the epoch is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from smoothlab.tasks.loss_meter import LossMeter

Number = float | Tensor


@dataclass
class EpochRecord:
    """The losses of an epoch's steps of n nets that share calls.

    Args:
        losses: a step's sums ``(n,)``.
        penalties: likewise, by name.
        entropies: of the targets, summed over a step's rows: one number for each net, or ``(n,)``.
        epsilons: the same of the strengths.
        least: of the strengths of a step, ``(n,)`` or a number.
        greatest: likewise.
    """

    losses: list[Tensor] = field(default_factory=list)
    penalties: dict[str, list[Tensor]] = field(default_factory=dict)
    entropies: list[Number] = field(default_factory=list)
    epsilons: list[Number] = field(default_factory=list)
    least: list[Number] = field(default_factory=list)
    greatest: list[Number] = field(default_factory=list)

    def add(self, loss: Tensor, penalties: Mapping[str, Tensor], entropy: Number, epsilon: tuple[Number, ...]) -> None:
        """Add a step."""
        self.losses.append(loss.detach())
        for name, penalty in penalties.items():
            self.penalties.setdefault(name, []).append(penalty.detach())
        self.entropies.append(entropy)
        for place, values in enumerate((self.epsilons, self.least, self.greatest)):
            values.append(epsilon[place])

    def tell(self, meters: list[LossMeter], counts: list[int], step: int) -> list[BaseException | None]:
        """Hand the sums to the nets' meters, and begin anew.

        Args:
            meters: of the n nets.
            counts: samples of each net's epoch.
            step: number of the epoch's first step.

        Returns:
            What a meter found to be no number, by net.
        """
        losses = torch.stack(self.losses, 1)
        penalties = {name: torch.stack(values, 1) for name, values in self.penalties.items()}
        entropies, epsilons = (_total(values, len(meters)) for values in (self.entropies, self.epsilons))
        least = _spread(self.least, len(meters)).amin(0).tolist()
        greatest = _spread(self.greatest, len(meters)).amax(0).tolist()
        errors: list[BaseException | None] = []
        for place, (meter, count) in enumerate(zip(meters, counts, strict=True)):
            own = {name: values[place] for name, values in penalties.items()}
            strength = (epsilons[place], least[place], greatest[place])
            try:
                meter.add_sums(losses[place], count, entropies[place], strength, step, own)
                errors.append(None)
            except RuntimeError as error:
                errors.append(error)
        self.__init__()  # type: ignore[misc]
        return errors


def _spread(values: list[Number], nets: int) -> Tensor:
    """Numbers of steps ``(T, n)``."""
    return torch.stack([torch.as_tensor(value, dtype=torch.float64).expand(nets) for value in values])


def _total(values: list[Number], nets: int) -> list[float]:
    if all(isinstance(value, float) for value in values):
        return [float(sum(values))] * nets
    totals: list[float] = _spread(values, nets).sum(0).tolist()
    return totals
