"""A prior by frequency rank: Zipf's law."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from smoothlab.classes.ranks import zipf_weights
from smoothlab.numbers import check_number
from smoothlab.smoothing.priors.count_prior import CountPrior
from smoothlab.smoothing.priors.distribution import checked_weights, normalised
from smoothlab.smoothing.priors.table import Table


class Zipf(CountPrior):
    """The mass goes to the classes by the rank of their frequency: ``pi_k ∝ 1 / rank_k ** power``.

    The most frequent class has rank 1; classes with the same count share the best of their ranks. The label's own class
    is included.

    Args:
        power: above 0; 1 is Zipf's law.
        counts: K numbers of training samples in the order of the logits, or None: those that the smoother is bound to.

    Raises:
        InvalidArgument: for arguments outside their range, on binding for another K than the data's, and in a step
            where neither counts nor data are known.

    Source: the law and its treatment of ties as in Liang et al., "Efficient One Pass Self-distillation with Zipf's
    Label Smoothing", ECCV 2022, who rank the model's logits of each sample where this prior ranks counts.
    """

    def __init__(self, power: float, counts: Sequence[float] | Tensor | None = None) -> None:
        self.power = check_number("power", power, above=0)
        self.take(counts)

    def table_of(self, counts: object) -> Table:
        """See :class:`CountPrior`."""
        return Table(normalised("counts", zipf_weights(checked_weights("counts", counts, 1), self.power)))

    def __repr__(self) -> str:
        return f"Zipf(power={self.power})"
