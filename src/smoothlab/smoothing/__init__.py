"""Smoothers: how much mass leaves the label (strength), and where it goes (prior)."""

from smoothlab.smoothing.priors import Exclusive, Uniform
from smoothlab.smoothing.schedules import Cosine, Exponential, Linear, Schedule, Stepwise
from smoothlab.smoothing.smoother import Smoother
from smoothlab.smoothing.step import Step
from smoothlab.smoothing.strengths import Constant

__all__ = [
    "Constant",
    "Cosine",
    "Exclusive",
    "Exponential",
    "Linear",
    "Schedule",
    "Smoother",
    "Step",
    "Stepwise",
    "Uniform",
]
