"""The sentence that a run ends with: what its test rows say of its confidence, and what to try."""

import numpy as np
import pytest

from smoothlab.reports.confidence import FITS, IN_PLACES, OVER, UNDER, UNKNOWN, Confidence
from smoothlab.scoring.scores import Scores

AUTO = {"strength": {"_target_": "smoothlab.smoothing.Auto"}}
STANDARD = {"strength": {"_target_": "smoothlab.smoothing.Constant", "epsilon": 0.1}}
NONE = {"strength": {"_target_": "smoothlab.smoothing.Constant", "epsilon": 0.0}}


def results(gap, ends, *, accuracy=0.8, ece=0.05, chance=0.1, rows=None, **more):
    uncertainty = {"rows": rows, "intervals": {"confidence_gap": ends}, "ece_of_a_calibrated_model": {"high": chance}}
    metrics = {"confidence_gap": gap, "accuracy": accuracy, "ece": ece}
    return {"metrics": {"test": metrics}, "uncertainty": {"test": uncertainty}, **more}


@pytest.mark.parametrize(
    ("results_of_arm", "kind", "sentence"),
    [
        (
            results(0.042, [0.011, 0.073]),
            OVER,
            "Over-confident by 4.2 points on test rows (95% interval 1.1 to 7.3).",
        ),
        (
            results(-0.042, [-0.073, -0.011]),
            UNDER,
            "Under-confident by 4.2 points on test rows (95% interval 1.1 to 7.3).",
        ),
        (
            results(0.003, [-0.004, 0.011]),
            FITS,
            "On test rows confidence fits accuracy to within 2 points (95% interval -0.4 to +1.1).",
        ),
        (
            results(0.003, [-0.004, 0.011], ece=0.2),
            IN_PLACES,
            "On test rows confidence is off in places, though not clearly on average (95% interval -0.4 to +1.1 "
            "points): the ECE is 0.200, and that of a calibrated model seldom above 0.100.",
        ),
        (
            results(0.03, [-0.01, 0.07]),
            UNKNOWN,
            "Whether the model is over- or under-confident, these test rows cannot tell: confidence less accuracy is "
            "+3.0 points (95% interval -1.0 to +7.0).",
        ),
    ],
)
def test_kinds_and_their_sentences(results_of_arm, kind, sentence):
    confidence = Confidence.of(results_of_arm, {"smoothing": NONE})
    assert (confidence.kind, confidence.sentence) == (kind, sentence)


def test_a_model_that_is_right_in_each_of_a_few_rows_is_not_called_under_confident():
    every = results(-0.02, [-0.03, -0.01], accuracy=1.0, rows=30)
    assert Confidence.of(every, {}).kind == UNKNOWN
    assert Confidence.of(results(-0.02, [-0.022, -0.018], accuracy=1.0, rows=30_000, ece=0.2), {}).kind == UNDER
    assert Confidence.of(results(-0.001, [-0.002, 0.0], accuracy=1.0, rows=30), {}).kind == UNKNOWN


@pytest.mark.parametrize(
    ("sign", "config", "remedy"),
    [
        (1, {"smoothing": NONE}, "smoothing=auto"),
        (1, {"smoothing": STANDARD}, "smoothing=auto"),
        (1, {"smoothing": AUTO}, "calibrator=temperature"),
        (-1, {"smoothing": STANDARD}, "smoothing=auto"),
        (-1, {"smoothing": NONE}, "calibrator=temperature"),
        (1, {"smoothing": AUTO, "calibrator": {"_target_": "x"}}, None),
        (1, {"smoothing": NONE, "model": {"_target_": "x"}}, "calibrator=temperature"),
    ],
)
def test_what_to_try(sign, config, remedy):
    ends = sorted([sign * 0.02, sign * 0.06])
    confidence = Confidence.of(results(sign * 0.04, ends), config)
    assert confidence.remedy == remedy
    assert confidence.advice.endswith(f"; try {remedy}." if remedy else "to 6.0).")


def test_nothing_is_tried_where_validation_rows_lean_the_other_way():
    made_results = results(0.04, [0.02, 0.06])
    made_results["metrics"]["val"] = {"confidence_gap": -0.01}
    confidence = Confidence.of(made_results, {"smoothing": NONE})
    assert confidence.remedy is None
    assert confidence.advice.endswith(
        "; validation rows, to which strengths and temperatures are fitted, lean the other way."
    )
    made_results["metrics"]["val"] = {"confidence_gap": 0.01}
    assert Confidence.of(made_results, {"smoothing": NONE}).remedy == "smoothing=auto"


def test_nothing_is_tried_where_logits_are_those_of_tokens_and_nothing_said_of_several_labels():
    made_results = results(0.04, [0.02, 0.06], task_kind="translation")
    assert Confidence.of(made_results, {"smoothing": STANDARD}).remedy is None
    assert Confidence.of({"metrics": {"test": {"nll": 0.1}}}, {}) is None
    assert Confidence.of({}, {}) is None


def test_a_calibrated_model_is_seldom_called_anything():
    draw = np.random.default_rng(0)
    wrong = 0
    for _ in range(20):
        logits, labels = calibrated(draw, 40)
        made = Scores.of([{"logits": logits, "labels": labels, "rows": labels}], Task(), None, "test")
        made_results = {"metrics": {"test": made.metrics}, "uncertainty": {"test": made.uncertainty()}}
        wrong += Confidence.of(made_results, {}).kind in (OVER, UNDER)
    assert wrong <= 2  # of 20 draws, of which 5% may be


class Task:
    """What scores ask of a task."""

    num_bins = 15

    def more_metrics(self):
        return []


def calibrated(draw, rows):
    """Logits ``(rows, 2)`` and labels that they are the truth about."""
    import torch

    logits = torch.tensor(draw.normal(0, 2, (rows, 2)))
    positive = torch.softmax(logits, -1)[:, 1].numpy()
    return logits, torch.tensor((draw.random(rows) < positive).astype(int))
