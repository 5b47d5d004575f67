"""Which of a study's trials count: each place has its first trial, or what that was replaced by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

POINT = "smoothlab:point"
REPLACED = "smoothlab:replaced"
SURPLUS = "smoothlab:surplus"


def in_places(trials: Sequence[Any]) -> list[Any]:
    """Optuna's trials in the order of their places.

    Commands that work on one study at the same time may give a place twice, or a trial two that replace it: the one
    with the lower number counts, whoever looks.

    Args:
        trials: all of a study, by number.
    """
    replacements: dict[int, Any] = {}
    for trial in trials:
        if REPLACED in trial.user_attrs and SURPLUS not in trial.user_attrs:
            replacements.setdefault(trial.user_attrs[REPLACED], trial)
    places, points = [], set()
    for trial in trials:
        point = trial.user_attrs.get(POINT)
        if REPLACED in trial.user_attrs or SURPLUS in trial.user_attrs or (point is not None and point in points):
            continue
        points.add(point)
        places.append(_last(trial, replacements))
    return places


def place_of(trial: Any, trials: Sequence[Any]) -> int:
    """The place of a trial, from 0; that of the one that it replaces."""
    number = trial.number
    while REPLACED in trials[number].user_attrs:
        number = trials[number].user_attrs[REPLACED]
    firsts = [each.number for each in trials if REPLACED not in each.user_attrs and SURPLUS not in each.user_attrs]
    return sum(first < number for first in firsts)


def _last(trial: Any, replacements: dict[int, Any]) -> Any:
    while (following := replacements.get(trial.number)) is not None:
        trial = following
    return trial
