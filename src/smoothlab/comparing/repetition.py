"""How often a comparison trains each arm: over seeds on one split, or over folds where test rows would be few."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from smoothlab.errors import UserMistake

if TYPE_CHECKING:
    from smoothlab.data.module import DataModule

AUTO = "auto"
FEW = 1000  # test rows of a single split below which folds are taken
FEWEST_FOLDS, MOST_FOLDS = 5, 10  # that ``auto`` makes
Values = dict[str, Any]
# The resolved config of: an arm's overrides, its settings, a level's overrides, seed and fold; folds as a keyword.
Resolve = Callable[..., Values]


@dataclass(frozen=True)
class Repetition:
    """What is asked.

    Args:
        seed: the first one.
        runs: of an arm.
        folds: how many, ``auto``, or None: seeds on one split.
    """

    seed: int
    runs: int
    folds: int | str | None


@dataclass(frozen=True)
class Settled:
    """What is done.

    Args:
        units: seed and fold of each run of an arm.
        resolve: gives the config of a run.
        foldable: whether the data can be cut into folds, as far as that is known.
        opened: the data of the first unit and the config that they were opened by, or None.
    """

    units: Sequence[tuple[int, int | None]]
    resolve: Resolve
    foldable: bool
    opened: tuple[Values, DataModule] | None = None


def units(seed: int, runs: int, folds: int | None) -> list[tuple[int, int | None]]:
    """Seed and fold of each run of an arm: as many seeds as runs, or as many on each fold as the runs suffice for.

    With folds there is one seed at least: ``max(folds, runs - runs % folds)`` runs.
    """
    if folds is None:
        return [(seed + number, None) for number in range(runs)]
    return [(seed + number, fold) for number in range(max(1, runs // folds)) for fold in range(folds)]


def folds_of(runs: int) -> int:
    """How many folds ``auto`` makes of so many runs: the fewest from 5 to 10 that use all of them, else 5."""
    whole = (folds for folds in range(FEWEST_FOLDS, MOST_FOLDS + 1) if runs % folds == 0)
    return next(whole, FEWEST_FOLDS)


def settle(asked: Repetition, resolve: Resolve, overrides: Sequence[str]) -> Settled:
    """Seeds or folds, and how many of each.

    ``auto`` takes folds where the data can be cut into them, by rows, and a single split has fewer than ``FEW`` test
    rows that have a label; seeds where test rows are given by the source, are the latest ones or whole groups, and
    where a class is too rare; and where there are fewer runs than ``FEWEST_FOLDS``.

    Args:
        asked: the numbers.
        resolve: gives the config of a run.
        overrides: of the condition's first level.

    Raises:
        UserMistake: the data cannot be used.
    """
    from smoothlab.config.opening import open_data
    from smoothlab.data.module import KnownData

    if asked.folds != AUTO:
        folds = asked.folds if isinstance(asked.folds, int) else None
        values = resolve((), {}, overrides, asked.seed, None)
        return Settled(units(asked.seed, asked.runs, folds), partial(resolve, folds=folds), _may_fold(values))
    values = resolve((), {}, overrides, asked.seed, None)
    data = open_data(values)
    known = data if isinstance(data, KnownData) else None  # of a stream the rows are not
    foldable = known is not None and _may_fold(values) and not known.test_is_given
    seeds = Settled(units(asked.seed, asked.runs, None), resolve, foldable, (values, data))
    if known is None or not foldable or asked.runs < FEWEST_FOLDS or known.count("test") >= FEW:
        return seeds
    folds = folds_of(asked.runs)
    of_folds = partial(resolve, folds=folds)
    try:
        first = of_folds((), {}, overrides, asked.seed, 0)
        opened = open_data(first)
    except UserMistake:  # a class that is rarer than the folds are many
        return Settled(seeds.units, resolve, False, seeds.opened)
    return Settled(units(asked.seed, asked.runs, folds), of_folds, True, (first, opened))


def _may_fold(values: Values) -> bool:
    """Whether a config lets its rows be cut into folds."""
    data = values["data"]
    drawn = data.get("split") == "random" and data.get("split_column") is None
    return "fold" in data and data["fold"] is None and drawn
