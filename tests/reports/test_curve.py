import re

import numpy as np
import pytest

from smoothlab.metrics import RiskCoverage
from smoothlab.reports import figures
from smoothlab.reports.curve import Curve
from smoothlab.reports.page.charts.history import histories
from smoothlab.reports.page.charts.risk_coverage import risk_coverage
from smoothlab.reports.page.seen import Seen


def test_runs_share_the_places_that_all_of_them_have():
    runs = [
        (np.array([0.0, 1.0, 1.0, 2.0]), np.array([3.0, 9.0, 4.0, 5.0])),
        (np.array([1.0, 0.0]), np.array([2.0, 1.0])),
    ]
    curve = Curve.over_runs("arm", runs)
    assert curve.at.tolist() == [0, 1]
    assert [curve.value.tolist(), curve.low.tolist(), curve.high.tolist()] == [[2, 3], [1, 2], [3, 4]]
    assert len(Curve.over_runs("arm", [])) == 0
    assert len(Curve.over_runs("arm", [runs[0], (np.array([7.0]), np.array([1.0]))])) == 0


def test_points_are_summed_up_by_place():
    curve = Curve.of_points("arm", [0.2, 0.1, 0.2], [1.0, 5.0, 3.0])
    assert [curve.at.tolist(), curve.value.tolist()] == [[0.1, 0.2], [5, 2]]
    assert [curve.low.tolist(), curve.high.tolist()] == [[5, 1], [5, 3]]


def heights(chart, mark):
    """Of the points of the line with this mark, from the top in pixels."""
    *_, path = (element.get("d") for element in chart.root.iter() if element.get("class") == f"line {mark}")
    return np.array([float(y) for _, y in re.findall(r"[ML](\S+?) ([\d.]+)", path)])


def relative(values):
    return (values - values[0]) / (values[1] - values[0])


def test_the_page_and_matplotlib_draw_the_same_line_of_epochs():
    nll = [0.9, 0.4, 0.6]
    (axes,) = figures.calibration_over_epochs([0, 1, 2], {"nll": nll}).axes
    (chart,) = histories({"arm": [{"epoch": np.arange(3.0), "val/nll": np.array(nll)}]})
    assert relative(heights(chart, "arm0")) == pytest.approx(relative(axes.lines[0].get_ydata()), abs=0.01)


def test_the_page_and_matplotlib_draw_the_same_line_of_risk():
    """Ten samples of falling confidence, so that the errors of each coverage are known."""
    correct = np.array([1, 1, 1, 1, 0, 1, 0, 0, 1, 0])
    p = np.linspace(0.95, 0.55, 10)
    values = np.stack([p, 1 - p], axis=1)
    figure = figures.risk_coverage_curve(values, 1 - correct, from_logits=False)
    seen = Seen(
        1, 1000, None, Curve.of("risk", *RiskCoverage.of(values, 1 - correct, from_logits=False).curve(10)), 0.1, None
    )
    line = figure.axes[0].lines[0]
    assert line.get_ydata() == pytest.approx(np.cumsum(1 - correct) / np.arange(1, 11))
    pixels = heights(risk_coverage({"arm": seen}), "arm0")
    risen = (pixels[0] - pixels) / (pixels[0] - pixels[-1])
    assert risen == pytest.approx(line.get_ydata() / line.get_ydata()[-1], abs=0.01)
