"""A comparison that is looked at: what is left behind, what ends it, and what the last look keeps."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from smoothlab.comparing import looking
from smoothlab.comparing.arm import read_arms
from smoothlab.comparing.choosing import choose
from smoothlab.comparing.looking import Race, share_of
from smoothlab.comparing.plan import Plan, PlannedRun
from smoothlab.reports.verdict import NO_ANSWER, Interval

ARMS = read_arms(
    {
        "none": ["smoothing=none"],
        "standard": {"overrides": ["smoothing=standard"], "grid": {"epsilon": [0.1, 0.2]}},
        "auto": ["smoothing=auto"],
        "mixup": ["mixing=mixup"],
        "boosting": ["model=boosting"],
        "boosting_temperature": {"made_of": {"temperature": "boosting"}},
    }
)
SMOOTH = {"smoothing": {"strength": {"epsilon": 0.1}}}


@pytest.fixture
def plan(monkeypatch) -> Plan:
    """Five folds; mixup and standard's second setting are worse on every fold, boosting is best on average."""
    nll = {
        ("none", ""): [0.30, 0.31, 0.29, 0.30, 0.31],
        ("standard", "epsilon 0.1"): [0.31, 0.30, 0.30, 0.31, 0.30],
        ("standard", "epsilon 0.2"): [0.40, 0.41, 0.42, 0.41, 0.42],
        ("auto", ""): [0.33, 0.34, 0.32, 0.33, 0.33],
        ("mixup", ""): [0.40, 0.42, 0.41, 0.43, 0.41],
        ("boosting", ""): [0.20, 0.40, 0.20, 0.40, 0.20],
    }
    runs = {
        PlannedRun(arm, {"epsilon": float(at.split()[1])} if at else {}, 0, fold, f"{arm}{at}{fold}"): value
        for (arm, at), values in nll.items()
        for fold, value in enumerate(values)
    }
    monkeypatch.setattr(looking, "val_nll", lambda run, places: runs[run])
    monkeypatch.setattr("smoothlab.comparing.choosing.val_nll", lambda run, places: runs[run])
    values = {run.identity: SMOOTH if run.arm in ("standard", "auto") else {} for run in runs}
    return Plan(list(runs), values=values)


def test_what_is_worse_than_the_leaders_beyond_noise_is_left_behind(plan):
    race = Race(dict(ARMS))
    assert race.narrow(plan, "none", None, settle=False) == ["mixup"]
    assert race.gone == {("standard", "epsilon 0.2")}
    assert list(race.arms) == ["none", "standard", "auto", "boosting", "boosting_temperature"]


def test_smoothing_is_left_behind_only_where_it_is_worse_than_the_best_smoothing_too(plan):
    steady = [run for run in plan.runs if run.arm != "boosting"]  # the best of all is the baseline then
    race = Race({name: arm for name, arm in ARMS.items() if not name.startswith("boosting")})
    assert race.narrow(replace(plan, runs=steady), "none", None, settle=True) == ["auto", "mixup"]
    assert ("standard", "epsilon 0.2") in race.gone


def test_what_is_made_of_an_arm_goes_with_it_and_a_teacher_stays(plan):
    arms = ARMS | {"student": replace(ARMS["auto"], name="student", teacher="mixup")}
    race = Race(dict(arms))
    assert race.narrow(plan, "none", None, settle=False) == []
    worse = {"boosting": arms["boosting"], "boosting_temperature": arms["boosting_temperature"], "none": arms["none"]}
    race = Race(worse)
    runs = [run for run in plan.runs if run.arm in worse]
    assert race.narrow(replace(plan, runs=runs), "none", None, settle=True) == []


def test_a_setting_that_was_left_behind_stands_for_nothing(plan):
    """On the first folds it may be the best: its arm went on with another one."""
    early = [run for run in plan.runs if run.arm == "standard" and run.settings["epsilon"] == 0.1][:3]
    late = [run for run in plan.runs if run.arm == "standard" and run.settings["epsilon"] == 0.2]
    best, tried = choose([*early, *late], None)
    assert best.settings == {"epsilon": 0.2}
    assert [len(point.runs) for point in tried] == [3, 5]


def test_the_share_of_information_is_that_of_the_variance_which_the_most_runs_would_leave():
    """Of a variance of 4, 1 is of rows: a quarter of the runs leaves 4, all of them 1 + 3 / 4."""
    seen = replace(NO_ANSWER, detectable=0.04, difference=Interval(0.02, -0.03, 0.07, 0.02, 0.95, endless=0.02))
    assert share_of(seen, 0.25, ()) == pytest.approx((1 + 3 / 4) / 4)
    assert share_of(seen, 0.5, (0.7,)) == pytest.approx(0.71)  # each look adds
    assert share_of(seen, 1.0, ()) == 1
    rows = replace(seen, difference=replace(seen.difference, endless=0.0399))
    assert share_of(rows, 0.25, ()) == 1  # more runs would tell no more
    assert share_of(replace(seen, difference=None), 0.25, ()) == 0.25


def test_looks_end_with_the_verdict_and_the_same_command_trains_nothing(cli, tmp_path):
    """Where the margin is huge, the first look tells that no difference is larger."""
    words = ("compare", "data=synthetic_medical", "data.rows=200", "data.val_rows=100", "data.test_rows=400")
    words += ("net.hidden=[8]", "trainer.max_epochs=2", "budget=auto", "seeds=8", "looks=[4]", "margin=0.9", "grid=2")
    words += ("take=[none,standard]", "n_jobs=2", f"output_root={tmp_path}")
    code, out, err = cli(*words)
    assert code == 0, err
    assert "look 1 of at most 2, 4 runs an arm: the verdict is clear" in err
    folder = tmp_path / "comparisons" / "synthetic_medical"
    content = json.loads((folder / "comparison.json").read_text())
    assert content["looks"] == 1
    assert content["verdict"]["kind"] == "no_difference"
    assert 0.95 <= content["verdict"]["difference"]["level"] < 1
    assert max(point["runs"] for point in content["tried"]["standard"]) == 4
    assert "Look 1 of at most 2" in (folder / "report" / "report.html").read_text()
    code, again, err = cli(*words)
    assert (code, again) == (0, out)
    assert "all of them done before" in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["looks=[10,5]"], "looks = [10, 5]: expected rising integers of at least 2"),
        (["looks=soon"], "looks = 'soon': expected rising integers"),
        (["budget=auto", "condition=noisy_labels"], "expected looks=null, or another budget"),
    ],
)
def test_looks_that_cannot_be_are_one_line(cli, tmp_path, words, says):
    code, _, err = cli("compare", "experiment=medical", *words, f"output_root={tmp_path}")
    assert code == 2
    assert says in err
    assert not list(Path(tmp_path).iterdir())
