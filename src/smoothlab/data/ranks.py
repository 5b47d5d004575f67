"""Which of a training's processes this one is, so that a loader gives it its share of the samples."""

from __future__ import annotations

from typing import TypedDict

import torch


class Share(TypedDict):
    """A loader's arguments: the number of this process, from 0, and how many there are."""

    rank: int
    ranks: int


def this_rank() -> Share:
    """The rank of this process in a training that is going on; rank 0 of 1 where it is alone."""
    group = torch.distributed
    if group.is_available() and group.is_initialized():
        return {"rank": group.get_rank(), "ranks": group.get_world_size()}
    return {"rank": 0, "ranks": 1}
