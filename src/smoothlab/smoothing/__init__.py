"""Smoothers: how much mass leaves the label (strength), and where it goes (prior)."""

from smoothlab.smoothing.by_class import ByClass
from smoothlab.smoothing.class_info import ClassInfo
from smoothlab.smoothing.column import Column, ColumnTable
from smoothlab.smoothing.priors import Exclusive, Uniform
from smoothlab.smoothing.schedules import Cosine, Exponential, Linear, Schedule, Stepwise
from smoothlab.smoothing.smoother import Smoother
from smoothlab.smoothing.step import Step
from smoothlab.smoothing.strengths import Constant
from smoothlab.smoothing.uncertainty import Uncertainty

__all__ = [
    "ByClass",
    "ClassInfo",
    "Column",
    "ColumnTable",
    "Constant",
    "Cosine",
    "Exclusive",
    "Exponential",
    "Linear",
    "Schedule",
    "Smoother",
    "Step",
    "Stepwise",
    "Uncertainty",
    "Uniform",
]
