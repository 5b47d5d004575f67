"""Synthetic retail: segments of customers, in groups."""

from __future__ import annotations

from smoothlab.data.synthetic.class_conditional import ClassConditional


class Segments(ClassConditional):
    """Synthetic customers in segments; segments of one group behave alike, so that they are confused most."""

    class_word = "segment"
    group_word = "group"
    numeric_word = "spending"
    categorical_word = "habit"
