"""What the ranks of a training tell each other beside gradients, a few times an epoch."""

from __future__ import annotations

from typing import TypeVar

import torch

Value = TypeVar("Value")


def of_all_ranks(value: Value) -> list[Value]:
    """The value of each rank, in their order; of one process a list of one. Each rank must call it.

    Args:
        value: plain values, which are pickled.
    """
    group = torch.distributed
    if not (group.is_available() and group.is_initialized()) or group.get_world_size() == 1:
        return [value]
    values: list[Value] = [value] * group.get_world_size()
    group.all_gather_object(values, value)
    return values
