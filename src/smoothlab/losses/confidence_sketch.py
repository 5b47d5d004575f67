"""How confident a model was and how often right, in sums of a fixed size from which equal-mass bins can be made."""

from __future__ import annotations

import torch
from torch import Tensor

from smoothlab.targets import check_tensor

# Cells by the leading bits of 1 - confidence as a float32: 2^8 cells an octave, so that a cell is narrower than a 256th
# of its distance to 1; confidences nearer to 1 than 2^-24, where float32 ends, share one.
BITS, OCTAVES = 8, 24
CELLS = OCTAVES * 2**BITS + 1
SHIFT = 23 - BITS
LOWEST = (127 - OCTAVES) << BITS  # the leading bits of 2^-24


class ConfidenceSketch:
    """Counts, summed confidences and hits of samples, by cells of confidence that are finer towards 1.

    Args:
        sums: from :meth:`empty`; changed in place, and summed over ranks by their owner.
    """

    def __init__(self, sums: dict[str, Tensor]) -> None:
        self.sums = sums

    @staticmethod
    def empty() -> dict[str, Tensor]:
        """``count``, ``confidence`` and ``hits``, each ``(CELLS,)`` in float64, zeros."""
        return {name: torch.zeros(CELLS, dtype=torch.float64) for name in ("count", "confidence", "hits")}

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Add samples: logits ``(..., K)``, labels ``(...)``; not those with nan, or whose label is outside [0, K)."""
        check_tensor("logits", logits, "a float tensor of shape (..., K)")
        check_tensor("labels", labels, "class indices (...)")
        num_classes = logits.shape[-1]
        logits, labels = logits.reshape(-1, num_classes), labels.reshape(-1)
        log_p = torch.log_softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), -1)
        top, predicted = log_p.max(-1)
        counted = (labels >= 0) & (labels < num_classes) & top.isfinite()
        top = top.where(counted, 0)
        rest = (-torch.expm1(top)).float().clamp(2.0**-OCTAVES, 1.0)
        cell = (rest.view(torch.int32) >> SHIFT).long() - LOWEST
        wide = self.sums["count"].dtype
        values = {"count": counted, "confidence": top.to(wide).exp(), "hits": predicted == labels}
        for name, value in values.items():
            self.sums[name].index_add_(0, cell, value.to(wide) * counted)

    def equal_mass(self, num_bins: int) -> tuple[Tensor | None, Tensor]:
        """Edges and gaps of bins with the same number of samples each.

        The i-th edge is the order statistic of the confidences at rank ``i N / num_bins``, counted from 0 and
        interpolated between samples; a cell's samples all have its mean confidence. A bin holds its lower edge.

        Args:
            num_bins: B, at least 1.

        Returns:
            Inner edges ``(B - 1,)``, or None where there are no samples, and gaps ``(B,)``, the mean confidence less
            the accuracy, 0 for a bin without samples; float64, where the sums are.
        """
        # cells are in the order of 1 - confidence: turned round, confidences rise
        count, confidence, hits = (self.sums[name].flip(0) for name in ("count", "confidence", "hits"))
        filled = count > 0
        count, confidence, hits = count[filled], confidence[filled], hits[filled]
        if not len(count):
            return None, self.sums["count"].new_zeros(num_bins)
        means, up_to = confidence / count, count.cumsum(0)
        rank = torch.arange(1, num_bins, dtype=count.dtype, device=count.device) * (up_to[-1] / num_bins)
        low = means[torch.searchsorted(up_to, rank.floor(), right=True).clamp_max(len(means) - 1)]
        high = means[torch.searchsorted(up_to, rank.floor() + 1, right=True).clamp_max(len(means) - 1)]
        edges = low + (rank - rank.floor()) * (high - low)
        place = torch.bucketize(means, edges, right=True)
        in_bin = count.new_zeros(3, num_bins).index_add_(1, place, torch.stack([count, confidence, hits]))
        return edges, (in_bin[1] - in_bin[2]) / in_bin[0].clamp_min(1)
