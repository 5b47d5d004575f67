"""Synthetic agriculture: quality grades of a harvest."""

from __future__ import annotations

from smoothlab.data.synthetic.ordinal_threshold import OrdinalThreshold


class Grades(OrdinalThreshold):
    """Synthetic quality grades in an order, from measurements of the field, variety and soil."""

    class_word = "grade"
    numeric_word = "field"
    categorical_word = "kind"
