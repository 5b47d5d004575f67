"""What the pixels of images are brought to, and where they are kept."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from smoothlab.data.images.decoding import Fit
from smoothlab.data.parts.keys import check_choice, settle
from smoothlab.errors import InvalidArgument

Channels = Literal["auto", "grey", "rgb"]
Storage = Literal["auto", "memory", "files"]
LARGEST = 8192  # pixels a side


@dataclass(frozen=True)
class Pixels:
    """Size, colours and place of pixels; see ``conf/data/images.yaml``."""

    size: int | Sequence[int] | None = None
    channels: Channels = "auto"
    fit: Fit = "stretch"
    keep: Storage = "auto"
    memory_gib: float = 4.0
    workers: int | None = None

    def __post_init__(self) -> None:
        for name, kind in (("channels", Channels), ("fit", Fit), ("keep", Storage)):
            check_choice(name, getattr(self, name), kind)
        if not self.memory_gib > 0:
            raise InvalidArgument("memory_gib", self.memory_gib, "a number above 0")
        if self.workers is not None and self.workers < 0:
            raise InvalidArgument("workers", self.workers, "null or an integer of at least 0")
        settle(self, size=height_and_width(self.size), workers=_workers() if self.workers is None else self.workers)


def _workers() -> int:
    """A core is left for training."""
    return max(1, min(8, (os.cpu_count() or 2) - 1))


def height_and_width(size: int | Sequence[int] | None) -> tuple[int, int] | None:
    """Height and width; a number is both."""
    if size is None:
        return None
    both = [size, size] if isinstance(size, int) else list(size)
    if len(both) != 2 or any(isinstance(side, bool) or not isinstance(side, int) or side < 1 for side in both):
        raise InvalidArgument("size", size, "null, a number of pixels, or [height, width]")
    if max(both) > LARGEST:
        raise InvalidArgument("size", size, f"at most {LARGEST} pixels a side")
    return both[0], both[1]
