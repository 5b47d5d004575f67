"""A prior by how often each class occurs."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_number
from smoothlab.smoothing.priors.count_prior import CountPrior
from smoothlab.smoothing.priors.distribution import checked_weights, normalised
from smoothlab.smoothing.priors.table import Table


class ClassFrequency(CountPrior):
    """The mass goes to the classes by their frequency: ``pi_k ∝ (count_k + pseudo_count) ** power``.

    Power 1 is the unigram prior of translation and speech, 0 is uniform, and -1 sends most to rare classes. The label's
    own class is included, as in the original.

    Args:
        power: a number.
        pseudo_count: added to each count, >= 0; above 0 where a class may have none.
        counts: K numbers of training samples in the order of the logits, or None: those that the smoother is bound to.

    Raises:
        InvalidArgument: for arguments outside their range, on binding for another K than the data's, and in a step
            where neither counts nor data are known.

    Source: Chorowski and Jaitly, "Towards better decoding and language model integration in sequence to sequence
    models", Interspeech 2017; Pereyra et al., ICLR workshop 2017; the pseudo-count is espresso's.
    """

    def __init__(self, power: float, pseudo_count: float, counts: Sequence[float] | Tensor | None = None) -> None:
        self.power = check_number("power", power)
        self.pseudo_count = check_number("pseudo_count", pseudo_count, at_least=0)
        self.take(counts)

    def table_of(self, counts: object) -> Table:
        """See :class:`CountPrior`."""
        weights = (checked_weights("counts", counts, 1) + self.pseudo_count) ** self.power
        if not bool(weights.isfinite().all()):
            expected = "counts above 0, or a pseudo_count above 0, for a power that is so far from 1"
            raise InvalidArgument("counts", counts, expected)
        return Table(normalised("counts", weights))

    def __repr__(self) -> str:
        return f"ClassFrequency(power={self.power}, pseudo_count={self.pseudo_count})"
