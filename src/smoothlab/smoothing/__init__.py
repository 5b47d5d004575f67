"""Smoothers: how much mass leaves the label (strength), and where it goes (prior)."""

from smoothlab.classes.info import ClassInfo
from smoothlab.classes.tree import ClassTree
from smoothlab.smoothing.accuracy import Accuracy
from smoothlab.smoothing.auto import Auto
from smoothlab.smoothing.by_class import ByClass
from smoothlab.smoothing.class_distance import ClassDistance
from smoothlab.smoothing.class_frequency import ClassFrequency
from smoothlab.smoothing.column import Column, ColumnTable
from smoothlab.smoothing.controller import Controller
from smoothlab.smoothing.embeddings import Embeddings
from smoothlab.smoothing.flow import Flow
from smoothlab.smoothing.label_priors import Flip, Half, Prevalence
from smoothlab.smoothing.learnable import Learnable
from smoothlab.smoothing.mixture import Mixture
from smoothlab.smoothing.multilabel import MultilabelSmoother
from smoothlab.smoothing.negative import Negative
from smoothlab.smoothing.neighbours import Neighbours
from smoothlab.smoothing.online import Online
from smoothlab.smoothing.ordinal import Ordinal
from smoothlab.smoothing.priors import Exclusive, Uniform
from smoothlab.smoothing.rules import Rules
from smoothlab.smoothing.schedules import Cosine, Exponential, Linear, Schedule, Stepwise
from smoothlab.smoothing.self_distilled import SelfDistilled
from smoothlab.smoothing.similarity import Similarity
from smoothlab.smoothing.smoother import Smoother
from smoothlab.smoothing.sord import Sord
from smoothlab.smoothing.spatial import Spatial
from smoothlab.smoothing.strengths import Constant
from smoothlab.smoothing.teacher import Teacher, TeacherConfidence
from smoothlab.smoothing.tree import Tree
from smoothlab.smoothing.uncertainty import Uncertainty
from smoothlab.smoothing.vector import Vector
from smoothlab.smoothing.zipf import Zipf
from smoothlab.smoothing.zipf_of_predictions import ZipfOfPredictions
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
