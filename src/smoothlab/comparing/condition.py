"""What is varied beside the arms, or measured of them: a preset of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smoothlab.comparing.planning import NO_CONDITION, Level
from smoothlab.errors import UserMistake

SLICES, LATENCY, COST = "slices", "latency", "cost"
MEASURES = (SLICES, LATENCY, COST)


@dataclass(frozen=True)
class Condition:
    """A condition of a comparison.

    Args:
        name: of its folder.
        axis: what its levels are of, as tables and figures say it.
        levels: each a comparison of its own; at least one.
        measure: what is measured beside the metrics: ``slices`` (metrics by slice of the test data), ``latency``
            (of single samples and of batches) or ``cost`` (seconds and memory of the training); None: nothing.
    """

    name: str
    axis: str = ""
    levels: Sequence[Level] = NO_CONDITION
    measure: str | None = None


def read_condition(name: str, node: Any) -> Condition | None:
    """The condition of a config; None where nothing is varied.

    Args:
        name: the option of its group.
        node: ``axis``, ``levels`` (each with ``at`` and ``overrides``) and ``measure``.

    Raises:
        UserMistake: it is written otherwise.
    """
    if node is None:
        return None
    if not isinstance(node, Mapping) or set(node) - {"axis", "levels", "measure"}:
        raise UserMistake(f"vary = {node!r}: expected axis, levels and measure")
    levels = tuple(_level(level) for level in node.get("levels") or ())
    measure = node.get("measure")
    if measure not in (None, *MEASURES):
        raise UserMistake(f"vary.measure = {measure!r}: expected one of {', '.join(MEASURES)}")
    if len({level.name for level in levels}) < len(levels):
        raise UserMistake("vary.levels: two of them stand at the same place")
    return Condition(name, str(node.get("axis") or ""), levels or NO_CONDITION, measure)


def _level(node: Any) -> Level:
    if not isinstance(node, Mapping) or not isinstance(node.get("at"), int | float):
        raise UserMistake(f"vary.levels: {node!r}: expected at, a number, and overrides, a list")
    overrides = tuple(str(override) for override in node.get("overrides") or ())
    return Level(f"{node['at']:g}", float(node["at"]), overrides)
