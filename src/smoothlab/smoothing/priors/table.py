"""A small tensor that never changes, kept on each device that asks for it."""

from __future__ import annotations

import torch
from torch import Tensor

from smoothlab.step import Step
from smoothlab.targets import PerClass


class Table:
    """Numbers of a strength or prior: made in float64, handed out in the step's precision on the step's device.

    Not a buffer, since it follows from the config and the data: it needs no place in a checkpoint, and a net in half
    precision must not round it to rows that no longer sum to 1.

    Args:
        values: float tensor of any shape.
    """

    def __init__(self, values: Tensor) -> None:
        self.values = values.detach().to("cpu", torch.float64)
        self._copies: dict[tuple[torch.device, torch.dtype], tuple[Tensor, PerClass | None]] = {}

    def at(self, step: Step) -> Tensor:
        """The values: float64 where the step's logits or labels are, else float32; copied once a device."""
        return self._copy(step)[0]

    def per_class(self, step: Step) -> PerClass:
        """The values, ``(K, K)``, as a prior whose row the label picks."""
        matrix = self._copy(step)[1]
        assert matrix is not None
        return matrix

    def _copy(self, step: Step) -> tuple[Tensor, PerClass | None]:
        key = (step.labels.device, step.dtype)
        if key not in self._copies:
            copy = self.values.to(*key)
            self._copies[key] = (copy, PerClass(copy) if copy.ndim == 2 else None)
        return self._copies[key]

    def __getstate__(self) -> dict[str, Tensor]:
        return {"values": self.values}  # copies are made again where they are needed

    def __setstate__(self, state: dict[str, Tensor]) -> None:
        self.__init__(state["values"])  # type: ignore[misc]
