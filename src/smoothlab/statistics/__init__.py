"""How sure a difference is: over seeds, folds, test samples, arms and data sets. Functions of numpy arrays alone."""

from smoothlab.statistics.best import probability_of_best
from smoothlab.statistics.estimate import Estimate
from smoothlab.statistics.folds import cross_validated, nadeau_bengio
from smoothlab.statistics.holm import holm
from smoothlab.statistics.looks import cannot_win, levels_of_looks
from smoothlab.statistics.ranks import RankComparison, friedman_nemenyi
from smoothlab.statistics.samples import bootstrap_covariance, bootstrap_variance, paired_bootstrap, resample_counts
from smoothlab.statistics.seeds import errors_added, paired_t, variances_added
from smoothlab.statistics.simultaneous import luck_of_trainings, simultaneous_factor

__all__ = [
    "Estimate",
    "RankComparison",
    "bootstrap_covariance",
    "bootstrap_variance",
    "cannot_win",
    "cross_validated",
    "errors_added",
    "friedman_nemenyi",
    "holm",
    "levels_of_looks",
    "luck_of_trainings",
    "nadeau_bengio",
    "paired_bootstrap",
    "paired_t",
    "probability_of_best",
    "resample_counts",
    "simultaneous_factor",
    "variances_added",
]
