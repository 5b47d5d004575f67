"""How strongly each arm smooths, as its runs were told or as they strengths it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from smoothlab.reports.page.material import Material
from smoothlab.reports.roles import SMOOTHING

if TYPE_CHECKING:
    from smoothlab.reports.records import RunRecord

STRENGTH = "smoothing.strength."


def strengths_of(material: Material) -> dict[str, str]:
    """By arm, of those that smooth: ``epsilon 0.1``, ``epsilon 0.2 to 0``, ``epsilon 0.004 to 0.03, found``."""
    strengths = {}
    by_arm = material.by_arm
    for arm in material.comparison.arms:
        if arm.role == SMOOTHING and (text := _strength(by_arm.get(arm.name, []))):
            strengths[arm.name] = text
    return strengths


def _strength(records: Sequence[RunRecord]) -> str:
    ends = [end for record in records if isinstance(end := _mapping(record.results).get("epsilon"), int | float)]
    if ends:  # of a strength that finds itself
        low, high = f"{min(ends):.2g}", f"{max(ends):.2g}"
        return f"epsilon {low}, found" if low == high else f"epsilon {low} to {high}, found"
    flat: Any = next((record.flat for record in records), {})
    numbers = {key.removeprefix(STRENGTH): value for key, value in flat.items() if key.startswith(STRENGTH)}
    for first, last in (("epsilon", ""), ("start", "end"), ("low", "high")):
        values = [numbers.get(name) for name in (first, last) if name]
        if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            return f"epsilon {' to '.join(f'{value:g}' for value in values)}"
    return ""


def _mapping(results: Any) -> dict[str, Any]:
    value = results.get("smoothing")
    return value if isinstance(value, dict) else {}
