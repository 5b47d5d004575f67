"""What a comparison says to type: the arm with its chosen settings, its temperature scaled, more runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from smoothlab.comparing.advice import advice_of
from smoothlab.comparing.answer import Chosen
from smoothlab.comparing.arm import read_arms
from smoothlab.comparing.choosing import Tried
from smoothlab.comparing.plan import Plan, PlannedRun
from smoothlab.comparing.planning import Level
from smoothlab.comparing.question import Judging, Question
from smoothlab.comparing.repetition import Repetition
from smoothlab.reports.records import RunRecord

ARMS = {
    "none": ["smoothing=none"],
    "standard": {"overrides": ["smoothing=standard"], "grid": {"smoothing.strength.epsilon": [0.1, 0.05]}},
    "boosting": ["model=boosting", "smoothing=none"],
    "boosting_temperature": {"made_of": {"temperature": "boosting"}},
    "temperature": {"made_of": "temperature"},
    "ensemble": {"made_of": "ensemble"},
}
TYPED = ("experiment=medical", "budget=quick", "take=[none,standard]", "net.hidden=[8]", "folds=none")


def advised(folds=None, foldable=True, runs=5):
    units = [(seed, None) for seed in range(runs)] if folds is None else [(0, fold) for fold in range(folds)]
    settings = {"none": {}, "standard": {"smoothing.strength.epsilon": 0.05}, "boosting": {}}
    by_arm = {
        name: Tried(
            of_arm, tuple(PlannedRun(name, of_arm, seed, fold, f"{name}{seed}{fold}") for seed, fold in units), 0.1
        )
        for name, of_arm in settings.items()
    }
    question = Question(
        folder=Path("folder"),
        arms=read_arms(ARMS),
        repetition=Repetition(0, runs, None),
        grid=2,
        required=(),
        n_jobs=1,
        judging=Judging(0.95, 0.02),
        title="medical",
        signature="",
        typed=TYPED,
    )
    plan = Plan([run for point in by_arm.values() for run in point.runs], foldable=foldable)
    flat = {"data.fractions": [0.5, 0.25, 0.25]}
    results = {"seconds": {"total": 2.0}}
    records = [RunRecord(Path("run"), "done", None, "", "none", 0, None, {}, flat, results)]
    return advice_of(question, plan, Chosen(Level(), by_arm, {}, {}), records)


def test_an_arm_is_trained_with_its_chosen_settings_and_without_words_of_the_comparison():
    train = advised().train
    words = "smoothlab train experiment=medical 'net.hidden=[8]'"
    assert train["none"] == f"{words} smoothing=none"
    assert train["standard"] == f"{words} smoothing=standard smoothing.strength.epsilon=0.05"
    assert train["temperature"] == f"{words} smoothing=none calibrator=temperature"
    assert train["boosting_temperature"] == f"{words} model=boosting smoothing=none calibrator=temperature"
    assert "ensemble" not in train
    assert advised().scaled == train["temperature"]


def test_more_is_folds_where_rows_can_be_cut_else_more_seeds():
    folds = advised()
    assert folds.more.endswith("'net.hidden=[8]' seeds=5 folds=5")
    assert "budget=quick" in folds.more
    assert (folds.runs, folds.rows) == (1.0, pytest.approx(4.0))
    assert folds.seconds == pytest.approx(2.0 * 15)
    seeds = advised(foldable=False)
    assert seeds.more.endswith("folds=none seeds=20")
    assert (seeds.runs, seeds.rows) == (4.0, 1.0)
    assert seeds.seconds == pytest.approx(2.0 * 45)
    assert advised(folds=5).more.endswith("seeds=20 folds=5")
