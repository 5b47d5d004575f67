"""What a reliability diagram shows; matplotlib's figures and the page's charts draw these numbers."""

from __future__ import annotations

from dataclasses import dataclass

from smoothlab.metrics.bins import ReliabilityBins, bins_of
from smoothlab.metrics.calibration_error import expected_error
from smoothlab.metrics.prediction import Prediction
from smoothlab.reports.band import calibrated_band

ROUNDING = 1e-9


@dataclass(frozen=True)
class Bin:
    """A bin that has samples.

    Args:
        lower: its edge; also ``upper``.
        confidence: mean over its samples; also ``accuracy``.
        count: samples.
        least: the lowest accuracy that chance gives a calibrated model here, 95% of the time.
        most: the highest one.
    """

    lower: float
    upper: float
    confidence: float
    accuracy: float
    count: float
    least: float
    most: float

    @property
    def over_confident(self) -> bool:
        """Whether confidence is above accuracy."""
        return self.confidence > self.accuracy

    @property
    def may_be_chance(self) -> bool:
        """Whether a calibrated model could show this accuracy."""
        return self.least - ROUNDING <= self.accuracy <= self.most + ROUNDING


@dataclass(frozen=True)
class Reliability:
    """Accuracy over confidence, of one run or of several together.

    Args:
        bins: counts are those of all runs.
        ece: mean over the runs of each run's own.
        gap: mean over the runs of mean confidence less accuracy.
        independent: the share of the counts that are different samples; 1 / R for R runs on one test set.
    """

    bins: ReliabilityBins
    ece: float
    gap: float
    independent: float = 1.0

    @classmethod
    def of(cls, prediction: Prediction, num_bins: int) -> Reliability:
        """The reliability of one run's predictions, in bins of equal width."""
        bins = bins_of(prediction.confidence, prediction.correct, prediction.weights, num_bins, "width")
        return cls(bins, expected_error(bins), prediction.mean(prediction.confidence - prediction.correct))

    @property
    def sign(self) -> str:
        """Which way the confidence is off."""
        return "over-confident" if self.gap > 0 else "under-confident"

    @property
    def filled(self) -> list[Bin]:
        """The bins that have samples."""
        return filled_bins(self.bins, self.independent)


def filled_bins(bins: ReliabilityBins, independent: float = 1.0) -> list[Bin]:
    """The bins that have samples, each with the band in which a calibrated model's accuracy would fall.

    Args:
        bins: of any kind of probability.
        independent: the share of the counts that are different samples.
    """
    filled = bins.count > 0
    confidence, count = bins.confidence[filled], bins.count[filled]
    least, most = calibrated_band(confidence, count * independent)
    columns = (bins.lower[filled], bins.upper[filled], confidence, bins.accuracy[filled], count, least, most)
    return [Bin(*map(float, row)) for row in zip(*columns, strict=True)]
