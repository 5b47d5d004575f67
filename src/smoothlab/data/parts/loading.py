"""How samples come in batches."""

from __future__ import annotations

from dataclasses import dataclass

from smoothlab.data.parts.keys import check_seed
from smoothlab.errors import InvalidArgument


@dataclass(frozen=True)
class Loading:
    """Sizes of batches, and the order of training; see ``conf/data/part/loading.yaml``."""

    batch_size: int = 32
    eval_batch_size: int = 1024
    shuffle_seed: int = 0

    def __post_init__(self) -> None:
        for name in ("batch_size", "eval_batch_size"):
            if getattr(self, name) < 1:
                raise InvalidArgument(name, getattr(self, name), "an integer of at least 1")
        check_seed("shuffle_seed", self.shuffle_seed)
