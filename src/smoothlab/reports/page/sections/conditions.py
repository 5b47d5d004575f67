"""Which settings the runs vary as a number, and how the metrics follow them: learning and noise curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from smoothlab.reports.arm_names import arm_names, tells
from smoothlab.reports.page.charts.conditions import condition_curve
from smoothlab.reports.page.material import Material
from smoothlab.reports.page.section import PAGE, Figures, Paragraph, Section

if TYPE_CHECKING:
    from smoothlab.reports.page.svg import Chart
    from smoothlab.reports.records import RunRecord

FEWEST = 3  # values that make a curve
MOST = 3  # settings that are shown
METRICS = ("nll", "accuracy", "ece")


def conditions(material: Material) -> Section | None:
    """Test metrics over each number that varies, those of the data first."""
    charts = tuple(_charts(material))
    if not charts:
        return None
    how = "Lines go through the means over the runs; each dot is a run."
    blocks = Paragraph(((how, ""),), only=PAGE), Figures(charts, "grid wide")
    return Section("conditions", "Along a varied setting", "Varied settings", blocks)


def _charts(material: Material) -> list[Chart]:
    comparison, records, arms = material.comparison, material.finished, material.order
    better = dict(zip(comparison.table["metric"], comparison.table["better"], strict=True))
    charts = []
    for place, key in enumerate(varied(records)[:MOST]):
        held = [record for record in records if _value(record, key) is not None]
        lines = _lines(held, key)
        places = {line: arms.index(record.arm) for line, record in reversed(list(zip(lines, held, strict=True)))}
        for line, record in zip(lines, held, strict=True):
            places[line] = min(places[line], arms.index(record.arm))
        order = sorted(places, key=lambda line: places[line])
        for metric in METRICS:
            points = pd.DataFrame(
                {
                    "arm": lines,
                    "condition": [_value(record, key) for record in held],
                    "value": [record.metrics("test").get(metric, math.nan) for record in held],
                }
            ).dropna()
            points = points[points.groupby("arm")["condition"].transform("nunique") >= FEWEST]
            if len(points):
                name = key.rsplit(".", 1)[-1]
                charts.append(condition_curve(points, name, metric, better.get(metric, "min"), order, place))
    return charts


def varied(records: Sequence[RunRecord]) -> list[str]:
    """Keys of the config that hold at least three different numbers over the runs, seeds aside."""
    keys = dict.fromkeys(key for record in records for key in record.flat)
    numbers = {key: {_value(record, key) for record in records} - {None} for key in keys if tells(key)}
    numeric = [key for key, values in numbers.items() if len(values) >= FEWEST]
    return sorted(numeric, key=lambda key: not key.startswith("data."))


def _lines(records: Sequence[RunRecord], key: str) -> list[str]:
    """The line that each run belongs to: its arm, or where every value is an arm of its own, the arm but for it."""
    values: dict[str, set[Any]] = {}
    for record in records:
        values.setdefault(record.arm, set()).add(_value(record, key))
    if any(len(own) > 1 for own in values.values()):
        return [record.arm for record in records]
    ends = [f", {_value(record, key):g}" for record in records]  # as a comparison names its arms under a condition
    if all(record.arm.endswith(end) for record, end in zip(records, ends, strict=True)):
        return [record.arm.removesuffix(end) for record, end in zip(records, ends, strict=True)]
    without = [{name: value for name, value in record.flat.items() if name != key} for record in records]
    return arm_names(without, [record.choices for record in records])


def _value(record: RunRecord, key: str) -> float | None:
    """The number at ``key``; the rate of a noise that is not there is 0, whatever stands in the config."""
    if key == "data.noise_rate" and record.flat.get("data.noise") == "none":
        return 0.0
    value = record.flat.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
