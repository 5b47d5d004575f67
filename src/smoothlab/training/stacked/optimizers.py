"""One step of torch's optimizers for the weights of several nets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

# In each group of parameters: what a schedule may change from step to step.
CHANGING = ("lr", "momentum", "betas")


@dataclass
class Settings:
    """How a net's weights are optimized.

    Args:
        make: makes the optimizer of given parameters.
        own: the net's own optimizer, whose schedule says what holds now; it never takes a step itself.
        alike: equal for nets whose settings are the same in every step.
    """

    make: Callable[[Iterable[Tensor]], Optimizer]
    own: Optimizer
    alike: str


class StackedOptimizer:
    """Optimizers of torch over rows of stacked weights: one for all nets whose settings are alike.

    An optimizer that treats each weight by itself takes for a stack of weights the very step that it takes for each.

    Args:
        weights: of the stack, by name ``(S, ...)``; those of nets with settings alike stand side by side.
        settings: of each net.
    """

    def __init__(self, weights: Mapping[str, Tensor], settings: Sequence[Settings]) -> None:
        self._parts: list[_Part] = []
        start = 0
        for stop in range(1, len(settings) + 1):
            if stop == len(settings) or settings[stop].alike != settings[start].alike:
                self._parts.append(_Part(settings[start], start, stop, weights))
                start = stop

    def step(self, gradients: Sequence[Tensor]) -> None:
        """Take a step.

        Args:
            gradients: of the weights, in their order.
        """
        for part in self._parts:
            part.step(gradients)

    def keep(self, places: Tensor, weights: Mapping[str, Tensor]) -> None:
        """Go on with the nets at ``places``, whose weights are now ``weights``."""
        parts, start = [], 0
        for part in self._parts:
            mine = places[(places >= part.start) & (places < part.stop)] - part.start
            if len(mine):
                parts.append(part.of(mine, start, weights))
                start += len(mine)
        self._parts = parts

    def state(self, place: int) -> dict[str, Any]:
        """The state of one net's optimizer, as its own would have it."""
        part = next(part for part in self._parts if part.start <= place < part.stop)
        return part.state(place - part.start)


class _Part:
    def __init__(self, settings: Settings, start: int, stop: int, weights: Mapping[str, Tensor]) -> None:
        self.start, self.stop, self._settings = start, stop, settings
        self.parameters = [weight.detach()[start:stop] for weight in weights.values()]
        self.optimizer = settings.make(self.parameters)

    def step(self, gradients: Sequence[Tensor]) -> None:
        now, group = self._settings.own.param_groups[0], self.optimizer.param_groups[0]
        for name in CHANGING:
            if name in now:
                group[name] = now[name]
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            # a fused step reads both as they lie in memory; vmap gives the gradient of a matrix transposed
            parameter.grad = gradient[self.start : self.stop].contiguous()
        self.optimizer.step()

    def of(self, places: Tensor, start: int, weights: Mapping[str, Tensor]) -> _Part:
        made = _Part(self._settings, start, start + len(places), weights)
        for old, new in zip(self.parameters, made.parameters, strict=True):
            state = self.optimizer.state.get(old, {})
            made.optimizer.state[new] = {
                name: value.index_select(0, places) if _by_net(value, old) else value for name, value in state.items()
            }
        return made

    def state(self, place: int) -> dict[str, Any]:
        content = self._settings.own.state_dict()
        content["state"] = {
            index: {
                name: value[place].clone() if _by_net(value, parameter) else value
                for name, value in self.optimizer.state.get(parameter, {}).items()
            }
            for index, parameter in enumerate(self.parameters)
        }
        return content


def _by_net(value: Any, parameter: Tensor) -> bool:
    return isinstance(value, torch.Tensor) and value.shape == parameter.shape
