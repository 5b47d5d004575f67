"""The calibration errors that follow from bins and ranked groups, exact ones and streamed ones alike."""

from __future__ import annotations

from smoothlab.metrics.bins import ReliabilityBins, mass_bins
from smoothlab.metrics.calibration_error import expected_error, maximum_error
from smoothlab.metrics.groups import ConfidenceGroups
from smoothlab.metrics.smooth import smooth_error


def calibration_scores(bins: ReliabilityBins, groups: ConfidenceGroups) -> dict[str, float]:
    """``ece``, ``ece_equal_mass``, ``smece`` and ``mce`` of equal-width bins and of the same pairs in ranked groups."""
    return {
        "ece": expected_error(bins),
        "ece_equal_mass": expected_error(mass_bins(groups, len(bins.count))),
        "smece": smooth_error(groups),
        "mce": maximum_error(bins),
    }
