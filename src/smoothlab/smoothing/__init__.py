"""Smoothers: how much mass leaves the label (strength), and where it goes (prior)."""

from smoothlab.classes.info import ClassInfo
from smoothlab.classes.tree import ClassTree
from smoothlab.smoothing.multilabel import MultilabelSmoother
from smoothlab.smoothing.priors.class_distance import ClassDistance
from smoothlab.smoothing.priors.class_frequency import ClassFrequency
from smoothlab.smoothing.priors.embeddings import Embeddings
from smoothlab.smoothing.priors.flow import Flow
from smoothlab.smoothing.priors.label_priors import Flip, Half, Prevalence
from smoothlab.smoothing.priors.learnable import Learnable
from smoothlab.smoothing.priors.mixture import Mixture
from smoothlab.smoothing.priors.neighbours import Neighbours
from smoothlab.smoothing.priors.online import Online
from smoothlab.smoothing.priors.ordinal import Ordinal
from smoothlab.smoothing.priors.prior import Exclusive, Uniform
from smoothlab.smoothing.priors.self_distilled import SelfDistilled
from smoothlab.smoothing.priors.similarity import Similarity
from smoothlab.smoothing.priors.sord import Sord
from smoothlab.smoothing.priors.spatial import Spatial
from smoothlab.smoothing.priors.tree import Tree
from smoothlab.smoothing.priors.vector import Vector
from smoothlab.smoothing.priors.zipf import Zipf
from smoothlab.smoothing.priors.zipf_of_predictions import ZipfOfPredictions
from smoothlab.smoothing.smoother import Smoother
from smoothlab.smoothing.strengths.accuracy import Accuracy
from smoothlab.smoothing.strengths.auto import Auto
from smoothlab.smoothing.strengths.by_class import ByClass
from smoothlab.smoothing.strengths.column import Column, ColumnTable
from smoothlab.smoothing.strengths.controller import Controller
from smoothlab.smoothing.strengths.negative import Negative
from smoothlab.smoothing.strengths.rules import Rules
from smoothlab.smoothing.strengths.schedules import Cosine, Exponential, Linear, Schedule, Stepwise
from smoothlab.smoothing.strengths.strength import Constant
from smoothlab.smoothing.strengths.uncertainty import Uncertainty
from smoothlab.smoothing.teacher import Teacher, TeacherConfidence
from smoothlab.step import Step

__all__ = [
    "Accuracy",
    "Auto",
    "ByClass",
    "ClassDistance",
    "ClassFrequency",
    "ClassInfo",
    "ClassTree",
    "Column",
    "ColumnTable",
    "Constant",
    "Controller",
    "Cosine",
    "Embeddings",
    "Exclusive",
    "Exponential",
    "Flip",
    "Flow",
    "Half",
    "Learnable",
    "Linear",
    "Mixture",
    "MultilabelSmoother",
    "Negative",
    "Neighbours",
    "Online",
    "Ordinal",
    "Prevalence",
    "Rules",
    "Schedule",
    "SelfDistilled",
    "Similarity",
    "Smoother",
    "Sord",
    "Spatial",
    "Step",
    "Stepwise",
    "Teacher",
    "TeacherConfidence",
    "Tree",
    "Uncertainty",
    "Uniform",
    "Vector",
    "Zipf",
    "ZipfOfPredictions",
]
