"""AdaFocal: a focal loss whose gamma follows the calibration of each range of confidence."""

from __future__ import annotations

import torch
from torch import Tensor

from smoothlab.learner import Learner
from smoothlab.losses.by_row import by_row
from smoothlab.losses.confidence_sketch import ConfidenceSketch
from smoothlab.losses.focal import power
from smoothlab.losses.probabilities import probabilities
from smoothlab.losses.weights import accumulator
from smoothlab.numbers import check_number, check_whole
from smoothlab.step import Step
from smoothlab.targets import SoftTarget, check_tensor


class AdaFocal(Learner):
    """``(1 - p_y)^gamma (-log p_y)`` for gamma > 0, else ``(1 + p_y)^|gamma| (-log p_y)``, with the gamma of p_y's bin.

    After each validation the bins are made anew, with the same number of validation samples each by confidence (the
    largest probability), and each bin's gamma follows its gap, mean confidence - accuracy:

        gamma <- gamma * exp(rate * gap)      for gamma > 0, else gamma * exp(-rate * gap)

    so that an over-confident bin is held back more. Where ``|gamma| < switch`` the sign turns, from focal to inverse
    focal loss or back, and gamma starts again from ``switch``. At last it is clipped. Before the first validation the
    bins have equal widths. Each class of a soft target has the gamma of its own probability and is weighed by its
    share q_k, as in the rest of the focal family. The choice of the bin has no gradient.

    The state has a fixed size: gamma a bin, the edges between bins, and while a validation goes on the sums of a
    :class:`ConfidenceSketch` (150 kB), which ranks add up. An edge is exact where no two confidences share a cell of
    the sketch; else it is off by less than a 256th of its distance to 1. The gaps are those of the bins as they are.

    Args:
        num_bins: at least 1; the authors take 15.
        rate: how fast gamma follows the gap, a finite number >= 0; the authors' lambda, 1.
        gamma: of every bin at the start, within its bounds; the authors take 1.
        switch: the |gamma| below which the sign turns, a finite number >= 0; the authors take 0.2. 0 never turns.
        gamma_min: <= 0; the authors take -2. With 0 the loss is never inverse focal.
        gamma_max: >= 0; the authors take 20.

    The published code sums over the rows; here the caller does. In its validation a bin does not hold its lower edge,
    and in training it does, so that the least confident sample counts in no bin and the bins of the two differ
    by a sample; here a bin holds its lower edge always.

    Raises:
        InvalidArgument: for an argument outside its range.

    Source: Ghosh, Schaaf and Gormley, "AdaFocal: Calibration-aware Adaptive Focal Loss", NeurIPS 2022.
    """

    def __init__(
        self,
        num_bins: int = 15,
        rate: float = 1.0,
        gamma: float = 1.0,
        switch: float = 0.2,
        gamma_min: float = -2.0,
        gamma_max: float = 20.0,
    ) -> None:
        super().__init__()
        check_whole("num_bins", num_bins, 1)
        check_number("rate", rate, at_least=0)
        check_number("switch", switch, at_least=0)
        check_number("gamma_min", gamma_min, at_most=0)
        check_number("gamma_max", gamma_max, at_least=0)
        check_number("gamma", gamma, at_least=gamma_min, at_most=gamma_max)
        self.num_bins = num_bins
        self.rate = rate
        self.gamma = gamma
        self.switch = switch
        self.gamma_min = gamma_min
        self.gamma_max = gamma_max
        self.kept["gammas"] = torch.full((num_bins,), float(gamma), dtype=torch.float64)
        self.kept["edges"] = torch.linspace(0, 1, num_bins + 1, dtype=torch.float64)[1:-1]
        self.validated |= ConfidenceSketch.empty()

    @by_row
    def forward(self, logits: Tensor, target: SoftTarget, step: Step | None = None) -> Tensor:
        """The loss of each row, ``(...)`` in float32 or wider, from logits ``(..., K)``."""
        if target.is_index and isinstance(target.epsilon, float) and target.epsilon == 0:
            # one class a row counts, so that only its bin is looked for
            label = target.base.unsqueeze(-1)
            log_p = torch.log_softmax(logits.to(accumulator(logits.dtype)), -1).gather(-1, label).squeeze(-1)
            return -self._weight(log_p.exp(), log_p) * log_p
        q, p, log_p = probabilities(logits, target)
        return -(q * self._weight(p, log_p) * log_p).sum(-1)

    def _weight(self, p: Tensor, log_p: Tensor) -> Tensor:
        gammas, edges = (self.kept[name].to(p.device, p.dtype) for name in ("gammas", "edges"))
        gamma = gammas[torch.bucketize(p.detach(), edges, right=True)]
        return power(torch.where(gamma > 0, -torch.expm1(log_p), 1 + p), gamma.abs())

    def validate(self, logits: Tensor, labels: Tensor) -> None:
        """Add confidences and hits; the label of votes ``(N, K)`` is the most voted class."""
        check_tensor("labels", labels, "class indices (...) or votes (..., K)")
        if labels.is_floating_point():
            labels = labels.argmax(-1)
        ConfidenceSketch(self.validated).add(logits, labels)

    def learn_from_validation(self) -> None:
        """New edges, and the gammas by the gaps between them; nothing where no sample was seen."""
        edges, gaps = ConfidenceSketch(self.validated).equal_mass(self.num_bins)
        if edges is not None:
            self.kept["edges"] = edges
            self.follow(gaps)

    def follow(self, gaps: Tensor) -> None:
        """Move each bin's gamma by its gap (mean confidence - accuracy), ``(num_bins,)``."""
        gamma = self.kept["gammas"]
        gaps = gaps.to(gamma)
        moved = gamma * torch.exp(self.rate * torch.where(gamma > 0, gaps, -gaps))
        switch = gamma.new_tensor(self.switch)
        moved = torch.where(moved.abs() < switch, torch.where(moved > 0, -switch, switch), moved)
        self.kept["gammas"] = moved.clamp(self.gamma_min, self.gamma_max)

    def record(self) -> dict[str, float]:
        """Mean, smallest and largest gamma."""
        gammas = self.kept["gammas"].cpu()
        return {
            "gamma_mean": gammas.mean().item(),
            "gamma_min": gammas.min().item(),
            "gamma_max": gammas.max().item(),
        }

    def extra_repr(self) -> str:
        """The settings."""
        names = ("num_bins", "rate", "gamma", "switch", "gamma_min", "gamma_max")
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)
