"""How samples come in batches."""

from __future__ import annotations

import math
from dataclasses import dataclass

from smoothlab.data.parts.keys import check_least, check_seed
from smoothlab.errors import InvalidArgument

AUTO = "auto"
LEAST, MOST = 32, 1024  # samples of a step that ``auto`` chooses
STEPS = 64  # of an epoch between them, about


@dataclass(frozen=True)
class Loading:
    """Sizes of batches, and the order of training; see ``conf/data/part/loading.yaml``."""

    batch_size: int | str = 32
    eval_batch_size: int = 1024
    shuffle_seed: int = 0

    def __post_init__(self) -> None:
        if self.batch_size != AUTO and (not _is_whole(self.batch_size) or int(self.batch_size) < 1):
            raise InvalidArgument("batch_size", self.batch_size, "an integer of at least 1, or auto")
        check_least("eval_batch_size", self.eval_batch_size, 1)
        check_seed("shuffle_seed", self.shuffle_seed)

    def samples_of_a_batch(self, samples: int, ranks: int) -> int:
        """Samples of a rank's training batch.

        ``auto`` makes a step, which all ranks take together, of the power of two that is nearest to a 64th of the
        training samples, from 32 to 1024. benchmarks/results/batch_sizes.md has what that is worth.

        Args:
            samples: for training; 0: not known, and taken for few.
            ranks: processes that share a step.
        """
        if not isinstance(self.batch_size, str):
            return self.batch_size
        nearest = int(2 ** round(math.log2(max(samples, 1) / STEPS)))
        return -(-min(max(nearest, LEAST), MOST) // ranks)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
