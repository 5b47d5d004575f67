"""Learning rates that differ within a net."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, runtime_checkable

from torch import nn

RATE = "rate"  # what a group's learning rate is multiplied by


@runtime_checkable
class HasRates(Protocol):
    """A module some of whose parameters learn at a rate of their own."""

    def rates(self) -> Iterator[tuple[nn.Parameter, float]]:
        """Those parameters, and what the learning rate is multiplied by for each."""


def by_rate(module: nn.Module) -> Iterable[Any]:
    """The parameters of a module as an optimizer takes them: in groups by their rate, where some have one.

    The first group has those that learn at the rate of the optimizer.
    """
    of_parts = [part.rates() for part in module.modules() if isinstance(part, HasRates)]
    rates = {id(parameter): rate for pairs in of_parts for parameter, rate in pairs}
    if not rates:
        return module.parameters()
    groups: dict[float, list[nn.Parameter]] = {1.0: []}
    for parameter in module.parameters():
        groups.setdefault(rates.get(id(parameter), 1.0), []).append(parameter)
    return [{"params": parameters, RATE: rate} for rate, parameters in groups.items() if parameters]
