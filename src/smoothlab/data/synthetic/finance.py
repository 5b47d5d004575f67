"""Synthetic finance: moves of a market that changes."""

from __future__ import annotations

from smoothlab.data.synthetic.class_conditional import ClassConditional


class Market(ClassConditional):
    """Synthetic moves of a market from weak signals whose meaning drifts with time."""

    class_word = "move"
    group_word = "regime"
    numeric_word = "signal"
    categorical_word = "state"
