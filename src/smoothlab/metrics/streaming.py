"""All classification metrics as one torchmetrics.Metric, whose states do not grow with the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.distributed import gather_all_tensors

from smoothlab.errors import InvalidArgument
from smoothlab.metrics.bins import ReliabilityBins, check_bins
from smoothlab.metrics.inputs import Array, read
from smoothlab.metrics.running_sums import RunningSums
from smoothlab.metrics.sketch import CAPACITY
from smoothlab.numbers import check_whole


def gather_from_cpu(state: Tensor, group: Any = None) -> list[Tensor]:
    """Gather a CPU state over ranks; where the backend speaks GPU only, by way of the GPU."""
    if torch.distributed.get_backend(group) != "nccl":
        return gather_all_tensors(state, group)
    device = torch.device("cuda", torch.cuda.current_device())
    return [gathered.cpu() for gathered in gather_all_tensors(state.to(device), group)]


def side_by_side(table: Tensor) -> Array:
    """The tables of all ranks as one: after a sync (ranks, 3, CAPACITY), else (3, CAPACITY)."""
    joined: Array = (table if table.ndim == 2 else torch.cat(list(table), 1)).numpy()
    return joined


class StreamingMetric(Metric):
    """A metric whose states are float64 tensors on the CPU, wherever the module goes that it belongs to.

    Args:
        from_logits: whether ``values`` are logits; never guessed.
        kwargs: those of torchmetrics.Metric.

    Raises:
        InvalidArgument: ``from_logits`` is no bool.
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False

    def __init__(self, from_logits: bool, **kwargs: Any) -> None:
        super().__init__(**{"dist_sync_fn": gather_from_cpu, **kwargs})
        if not isinstance(from_logits, bool):
            raise InvalidArgument("from_logits", from_logits, "True or False")
        self.from_logits = from_logits

    def _apply(self, *_: Any, **__: Any) -> Self:
        return self

    def add_sums(self, **shapes: Sequence[int]) -> None:
        """States by their shapes, which ranks add up."""
        for name, shape in shapes.items():
            self.add_state(name, torch.zeros(*shape, dtype=torch.float64), dist_reduce_fx="sum")

    def add_table(self) -> None:
        """The state ``table``, ``(3, CAPACITY)``, which is gathered."""
        self.add_state("table", torch.zeros(3, CAPACITY, dtype=torch.float64), dist_reduce_fx=None)


class ClassificationMetrics(StreamingMetric):
    """All metrics of ``smoothlab.metrics.NAMES``, batch by batch and over ranks.

    States are two float64 tensors on the CPU (they stay there: MPS has no float64, and a batch on a GPU is
    reduced to a few numbers a row before it leaves it). Their size depends on the number of classes alone.
    Ranks add up the one with the sums and gather the other one, 1.5 MiB each.

    Exact, to float rounding: all metrics up to 65,536 samples a rank, and without limit all but ``aurc``,
    ``ece_equal_mass`` and ``smece``, which depend on the ranking of all samples. Beyond, those come from
    atoms of samples next to one another in rank (see ``smoothlab.metrics.sketch``) and are within 1e-4 of
    exact. From 128 classes on, float32 logits are worked on in float32 and summed in float64, within 1e-6.

    Args:
        num_classes: K.
        num_bins: bins of the binned calibration errors.
        from_logits: whether ``values`` are logits; never guessed.
        by_class: whether what looks at each class is counted too (``smoothlab.metrics.BY_CLASS``), which costs a pass
            over N x K and K x num_bins numbers; a vocabulary can do without.
        kwargs: those of torchmetrics.Metric.

    Others: torchmetrics' CalibrationError keeps every confidence, gathers all of them, and sums in float32:
    8% off at 1e7 confident ones (benchmarks/results/metrics.md).
    """

    full_state_update = True  # the tables of two halves cannot be joined by a sum

    sums: Tensor
    table: Tensor

    def __init__(
        self, num_classes: int, num_bins: int = 15, from_logits: bool = True, by_class: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(from_logits, **kwargs)
        check_whole("num_classes", num_classes, 2)
        check_bins(num_bins)
        self.num_classes, self.num_bins = num_classes, num_bins
        self._counted = num_classes if by_class else 0
        self.add_sums(sums=(RunningSums.length(self._counted, num_bins),))
        self.add_table()

    def _running(self) -> RunningSums:
        table = side_by_side(self.table)
        return RunningSums(self.sums.numpy(), table, self._counted, self.num_bins)

    def update(self, values: Any, labels: Any, sample_weight: Any = None, mask: Any = None) -> None:
        """Count a batch.

        Args:
            values: ``(..., K)`` logits or probabilities, on any device and of any floating dtype.
            labels: ``(...)`` class indices, or ``(..., K)`` votes.
            sample_weight: ``(...)`` numbers >= 0; like that many copies of the sample.
            mask: ``(...)`` bools, False where a position does not count.

        Raises:
            InvalidArgument: NaN, a label outside [0, K), another number of classes; nothing is counted then.
        """
        batch = read(
            values,
            labels,
            from_logits=self.from_logits,
            sample_weight=sample_weight,
            mask=mask,
            allow_empty=True,
        )
        if batch.num_classes != self.num_classes:
            raise InvalidArgument("values", tuple(batch.values.shape), f"{self.num_classes} classes")
        if len(batch):
            self._running().add(batch)

    def compute(self) -> dict[str, float]:
        """All metrics over everything counted on all ranks; NaN where nothing was."""
        return self._running().metrics()

    def reliability_bins(self) -> ReliabilityBins:
        """The bins of the reliability diagram over what this rank counted."""
        return self._running().reliability_bins()
