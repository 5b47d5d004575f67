"""A search in this process, over a function in place of a training."""

from __future__ import annotations

import json
import math

import optuna
import pytest
from simulated_trials import BOWL, NLL, Here, Killed, bowl, floats

from smoothlab.errors import UserMistake
from smoothlab.sweeps.search.loop import run_trials
from smoothlab.sweeps.search.pruners import make_pruner
from smoothlab.sweeps.search.samplers import SAMPLERS, sampler_factory
from smoothlab.sweeps.search.space import Space
from smoothlab.sweeps.search.storage import open_storage
from smoothlab.sweeps.search.study import DONE, FAILED, PRUNED, RUNNING, Objective, Study


def study_in(folder, *, params=None, sampler="tpe", pruner="none", objectives=(NLL,), seed=0, total=12, **more):
    space = Space.read(params or BOWL)
    options = {"storage": "journal", "settings": {}, "pruner_options": {}} | more
    return Study(
        open_storage(folder, options["storage"]),
        space,
        sampler=sampler_factory(sampler, {}, space, objectives=len(objectives), seed=seed),
        pruner=make_pruner(pruner, options["pruner_options"], objectives=len(objectives), epochs=9),
        objectives=objectives,
        total=total,
        grid=sampler == "grid",
        settings=options["settings"],
    )


def summary(study):
    return [(trial.number, trial.state, trial.overrides, trial.values) for trial in study.trials()]


@pytest.mark.parametrize("storage", ["journal", "sqlite"])
@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "grid"])
def test_every_sampler_runs_as_many_trials_as_asked_and_none_more_when_started_again(tmp_path, sampler, storage):
    run_trials(study_in(tmp_path, sampler=sampler, storage=storage, total=7), Here(bowl, jobs=2))
    again = study_in(tmp_path, sampler=sampler, storage=storage, total=7)
    runner = Here(bowl)
    assert run_trials(again, runner)
    assert runner.started == []
    assert [trial.state for trial in again.trials()] == [DONE] * 7
    for trial in again.trials():
        assert trial.values == pytest.approx((bowl(**floats(trial)),), abs=0)
    assert len({trial.overrides for trial in again.trials()}) == 7


def test_more_trials_are_added_to_a_search_by_a_greater_total(tmp_path):
    run_trials(study_in(tmp_path, total=3), Here(bowl))
    study = study_in(tmp_path, total=5)
    runner = Here(bowl)
    run_trials(study, runner)
    assert [trial.number for trial in runner.started] == [3, 4]
    assert len(study.trials()) == 5


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "cmaes"])
def test_a_search_that_was_cut_off_ends_as_an_undisturbed_one(tmp_path, sampler):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    cut.mkdir()
    undisturbed = study_in(whole, sampler=sampler, total=16)
    run_trials(undisturbed, Here(bowl))

    calls = 0

    def dies(x, y):
        nonlocal calls
        calls += 1
        if calls in (5, 13):
            raise Killed
        return bowl(x, y)

    for _ in range(2):
        with pytest.raises(Killed):
            run_trials(study_in(cut, sampler=sampler, total=16), Here(dies))
    resumed = study_in(cut, sampler=sampler, total=16)
    assert [trial.state for trial in resumed.trials()].count(RUNNING) == 1
    runner = Here(bowl)
    run_trials(resumed, runner)
    assert runner.started[0].directory == f"trial-{runner.started[0].number}"
    assert summary(resumed) == summary(undisturbed)


def test_another_seed_tries_other_values_and_the_same_seed_the_same(tmp_path):
    overrides = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        study = study_in(tmp_path / name, seed=seed, total=4)
        run_trials(study, Here(bowl))
        overrides.append([trial.overrides for trial in study.trials()])
    assert overrides[0] == overrides[1]
    assert not set(overrides[0]) & set(overrides[2])


def test_tpe_finds_the_bottom_better_than_chance(tmp_path):
    best = {}
    for sampler in ("tpe", "random"):
        scores = []
        for seed in range(2):
            folder = tmp_path / f"{sampler}{seed}"
            folder.mkdir()
            study = study_in(folder, sampler=sampler, seed=seed, total=30)
            run_trials(study, Here(bowl))
            scores.append(study.best()[0].values[0])
        best[sampler] = sum(scores)
    assert best["tpe"] < best["random"]


def test_the_next_trial_is_asked_for_as_soon_as_one_ends(tmp_path):
    study = study_in(tmp_path, total=6)
    seen = []
    runner = Here(bowl, jobs=3)
    run_trials(study, runner, ended=lambda trial: seen.append((trial.number, len(runner.started))))
    assert runner.most == 3
    assert seen == [(0, 3), (1, 4), (2, 5), (3, 6), (4, 6), (5, 6)]


def test_failed_trials_keep_their_reason_and_nan_is_never_told_as_a_value(tmp_path):
    outcomes = iter([RuntimeError("loss is not a number"), math.nan, None, math.inf, 1.0, 2.0])

    def objective(x, y):
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return (outcome,)

    study = study_in(tmp_path, total=6)
    run_trials(study, Here(objective))
    assert [trial.state for trial in study.trials()] == [FAILED] * 4 + [DONE] * 2
    reasons = [trial.reason for trial in study.trials()]
    assert reasons == ["loss is not a number", "val/nll is nan", "val/nll is missing", "val/nll is inf", None, None]
    assert study.best()[0].number == 4
    # what Optuna itself has stored
    stored = optuna.load_study(study_name=None, storage=open_storage(tmp_path, "journal")).trials
    assert [trial.value for trial in stored] == [None] * 4 + [1.0, 2.0]


def test_failed_trials_stay_failed_unless_they_are_to_be_tried_again_in_their_place(tmp_path):
    broken = True

    def objective(x, y):
        if broken and x > 0:
            raise RuntimeError("disk full")
        return bowl(x, y)

    run_trials(study_in(tmp_path, total=8), Here(objective))
    first = study_in(tmp_path, total=8)
    failed = [trial.overrides for trial in first.trials() if trial.state == FAILED]
    assert 0 < len(failed) < 8
    runner = Here(objective)
    run_trials(first, runner)
    assert runner.started == []

    broken = False
    again, runner = study_in(tmp_path, total=8), Here(objective)
    run_trials(again, runner, retry_failed=True)
    assert [trial.overrides for trial in runner.started] == failed
    assert [trial.state for trial in again.trials()] == [DONE] * 8


def test_a_trial_that_was_interrupted_alone_is_gone_on_with_by_the_next_start(tmp_path):
    calls = 0

    def objective(x, y):
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return bowl(x, y)

    study = study_in(tmp_path, total=3)
    assert not run_trials(study, Here(objective))
    assert [trial.state for trial in study.trials()] == [DONE, RUNNING, DONE]
    again, runner = study_in(tmp_path, total=3), Here(objective)
    assert run_trials(again, runner)
    assert [trial.number for trial in runner.started] == [1]
    assert [trial.state for trial in again.trials()] == [DONE] * 3


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_grid_has_each_point_once_in_order_also_when_it_is_continued(tmp_path, jobs):
    params = {"x": {"low": 0.0, "high": 0.4, "step": 0.2}, "y": [1, 2]}
    expected = [f"x={x} y={y}" for x in (0.0, 0.2, 0.4) for y in (1, 2)]
    calls = 0

    def dies(x, y):
        nonlocal calls
        calls += 1
        if calls == 4:
            raise Killed
        return x

    with pytest.raises(Killed):
        run_trials(study_in(tmp_path, params=params, sampler="grid", total=6), Here(dies, jobs=jobs))
    study = study_in(tmp_path, params=params, sampler="grid", total=99)
    run_trials(study, Here(lambda x, y: x, jobs=jobs))
    assert [" ".join(trial.overrides) for trial in study.trials()] == expected
    assert [trial.state for trial in study.trials()] == [DONE] * 6


def test_the_pareto_front_is_what_nothing_beats(tmp_path):
    objectives = (NLL, Objective("val/accuracy", "max"))
    study = study_in(tmp_path, sampler="nsga2", objectives=objectives, total=30)
    run_trials(study, Here(lambda x, y: (x**2 + y**2, -((x - 0.5) ** 2)), jobs=2))
    done = study.trials()
    by_hand = {
        a.number
        for a in done
        if not any(b.values[0] <= a.values[0] and b.values[1] >= a.values[1] and b.values != a.values for b in done)
    }
    assert {trial.number for trial in study.best()} == by_hand
    assert 1 < len(by_hand) < 30
    stored = optuna.load_study(study_name=None, storage=open_storage(tmp_path, "journal"))
    assert {trial.number for trial in stored.best_trials} == by_hand


@pytest.mark.parametrize("pruner", ["median", "hyperband", "asha"])
def test_hopeless_trials_are_pruned_and_the_best_ones_are_not(tmp_path, pruner):
    def curve(epoch, x, y):
        return bowl(x, y) + 1 / epoch

    study = study_in(tmp_path, sampler="random", pruner=pruner, total=30)
    runner = Here(lambda x, y: bowl(x, y), jobs=2, curve=curve, epochs=9)
    run_trials(study, runner, pruning=True)
    trials = study.trials()
    pruned = [trial for trial in trials if trial.state == PRUNED]
    assert pruned
    assert {trial.state for trial in trials} == {DONE, PRUNED}
    assert all(trial.reason.startswith("no hope after epoch ") for trial in pruned)
    best = min(bowl(**floats(trial)) for trial in trials)
    assert study.best()[0].values == (best,)
    worse = sum(bowl(**floats(trial)) for trial in pruned) / len(pruned)
    assert worse > sum(trial.values[0] for trial in trials if trial.state == DONE) / (len(trials) - len(pruned))


def test_reports_of_before_an_interruption_are_not_reported_twice(tmp_path, recwarn):
    study = study_in(tmp_path, total=1, pruner="median")
    trial = study.ask()
    study.report(trial.number, 1, 0.5)
    again = study_in(tmp_path, total=1, pruner="median")
    (trial,) = again.unfinished()
    assert not again.report(trial.number, 1, 0.7)
    assert not again.report(trial.number, 2, math.nan)
    again.report(trial.number, 2, 0.4)
    again.tell(trial.number, [0.4])
    stored = optuna.load_study(study_name=None, storage=open_storage(tmp_path, "journal")).trials[0]
    assert stored.intermediate_values == {1: 0.5, 2: 0.4}
    assert not list(recwarn)


def test_other_settings_are_refused_with_the_difference(tmp_path):
    study_in(tmp_path, settings={"seed": 0, "space": {"x": (1, 2)}})
    study_in(tmp_path, settings={"seed": 0, "space": {"x": [1, 2]}})
    with pytest.raises(UserMistake, match=r"begun with other settings \(seed: 0 -> 1\)"):
        study_in(tmp_path, settings={"seed": 1, "space": {"x": [1, 2]}})


@pytest.mark.parametrize("storage", ["journal", "sqlite"])
def test_a_damaged_storage_is_one_line(tmp_path, storage):
    name = {"journal": "search.journal", "sqlite": "search.db"}[storage]
    (tmp_path / name).write_text("no storage\nat all\n")
    with pytest.raises(UserMistake) as mistake:
        study_in(tmp_path, storage=storage)
    assert name in str(mistake.value)
    assert "\n" not in str(mistake.value)


def test_a_journal_whose_last_line_was_cut_off_and_whose_lock_was_left_goes_on(tmp_path):
    run_trials(study_in(tmp_path, total=3), Here(bowl))
    journal = tmp_path / "search.journal"
    with open(journal, "a") as file:
        file.write(json.dumps({"op_code": 4})[:-5])
    (tmp_path / "search.journal.lock").symlink_to(journal)
    study = study_in(tmp_path, total=5)
    run_trials(study, Here(bowl))
    assert [trial.state for trial in study.trials()] == [DONE] * 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sampler": "tpa"}, r"sampler = 'tpa': expected one of tpe, random, grid, qmc, nsga2, cmaes"),
        ({"pruner": "medium"}, r"pruner = 'medium': expected one of none, median, hyperband, asha"),
        ({"pruner": "median", "objectives": (NLL, NLL)}, r"several objectives cannot prune"),
        ({"pruner": "median", "pruner_options": {"patience": 2}}, r"pruner_options\.patience: median takes no such"),
        ({"sampler": "cmaes", "objectives": (NLL, NLL)}, r"'cmaes': one objective only"),
        ({"sampler": "cmaes", "params": {"x": "a,b", "y": "interval(0,1)"}}, r"'cmaes': x is a choice"),
        ({"sampler": "cmaes", "params": {"x": "interval(0,1)"}}, r"at least two numbers"),
        ({"sampler": "grid"}, r"x: a grid needs a step"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(tmp_path, change, message):
    with pytest.raises(UserMistake, match=message):
        study_in(tmp_path, **change)


def test_the_parameter_that_matters_is_the_important_one(tmp_path):
    study = study_in(tmp_path, sampler="random", total=30)
    run_trials(study, Here(lambda x, y: 10 * x**2 + 0.01 * y))
    importance = study.importance()
    assert importance["x"] > importance["y"]
    (tmp_path / "few").mkdir()
    assert study_in(tmp_path / "few").importance() is None
