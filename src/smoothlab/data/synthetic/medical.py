"""Synthetic medicine: diagnoses from measurements and findings."""

from __future__ import annotations

from smoothlab.data.synthetic.class_conditional import ClassConditional


class Diagnosis(ClassConditional):
    """A synthetic diagnosis: each disease has typical measurements and findings, and some are rare."""

    class_word = "diagnosis"
    group_word = "organ"
    numeric_word = "measurement"
    categorical_word = "finding"
