"""The synthetic domains: agriculture, finance, medicine and retail, each in its own words."""

from __future__ import annotations

from smoothlab.data.synthetic.class_conditional import ClassConditional
from smoothlab.data.synthetic.ordinal_threshold import OrdinalThreshold


class Grades(OrdinalThreshold):
    """Synthetic quality grades in an order, from measurements of the field, variety and soil."""

    class_word = "grade"
    numeric_word = "field"
    categorical_word = "kind"


class Market(ClassConditional):
    """Synthetic moves of a market from weak signals whose meaning drifts with time."""

    class_word = "move"
    group_word = "regime"
    numeric_word = "signal"
    categorical_word = "state"


class Diagnosis(ClassConditional):
    """A synthetic diagnosis: each disease has typical measurements and findings, and some are rare."""

    class_word = "diagnosis"
    group_word = "organ"
    numeric_word = "measurement"
    categorical_word = "finding"


class Segments(ClassConditional):
    """Synthetic customers in segments; segments of one group behave alike, so that they are confused most."""

    class_word = "segment"
    group_word = "group"
    numeric_word = "spending"
    categorical_word = "habit"
