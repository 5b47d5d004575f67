"""What a training says at its end of its threshold."""

from __future__ import annotations

import pytest

from smoothlab.calibration.decision import Threshold
from smoothlab.training.train import _afterwards_lines


@pytest.mark.parametrize("positive", ["ill", "well"])
def test_the_line_on_the_threshold_names_the_positive_class(positive):
    decision = Threshold(["well", "ill"], positive=positive, threshold=0.4)
    point = decision.operating_point([[0.9, 0.1], [0.2, 0.8]], [0, 1])
    (line,) = _afterwards_lines({"decision": {"kind": "threshold", **decision.settings(), "test": point}})
    assert line.startswith(f"decision threshold (positive: {positive}): test accuracy 1.000, sensitivity 1.000")
