"""Several commands on one study in a database, here SQLite's; `make cluster-test` has PostgreSQL and real kills."""

from __future__ import annotations

import json
import threading

import pytest
from simulated_trials import BOWL, NLL, Here, Killed, bowl, floats

from smoothlab.errors import UserMistake
from smoothlab.rundir.directory import RunDirectory
from smoothlab.sweeps.claims import Claims
from smoothlab.sweeps.ledger import Entry, Ledger
from smoothlab.sweeps.pool import Planned
from smoothlab.sweeps.search.databases import open_database, refuse_password, shown
from smoothlab.sweeps.search.loop import run_trials
from smoothlab.sweeps.search.pool_runner import PoolRunner
from smoothlab.sweeps.search.pruners import make_pruner
from smoothlab.sweeps.search.samplers import sampler_factory
from smoothlab.sweeps.search.shared import MOST_TRIES, SharedStudy
from smoothlab.sweeps.search.space import Space
from smoothlab.sweeps.search.stored import all_well, as_text, stored_trials
from smoothlab.sweeps.search.study import DONE, FAILED, RUNNING, Ended, Trial


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def command(tmp_path):
    """Open the study ``ours/bowl`` as one more command."""

    def open_study(*, total=8, sampler="random", params=BOWL, clock=None, grace_s=10.0, **more):
        space = Space.read(params)
        study = SharedStudy(
            open_database(f"sqlite:///{tmp_path}/search.db"),
            space,
            sampler=sampler_factory(sampler, {}, space, objectives=1, seed=0),
            pruner=make_pruner("none", {}, objectives=1, epochs=None),
            objectives=[NLL],
            total=total,
            grid=sampler == "grid",
            folder=tmp_path,
            grace_s=grace_s,
            clock=clock or Clock(),
            **{"name": "ours/bowl", "settings": {"objectives": ["val/nll min"]}, **more},
        )
        study.look_seconds = 0.01
        return study

    return open_study


def tried(study):
    return [trial.overrides for trial in study.trials()]


def test_commands_share_the_trials_out_and_try_what_one_would_try_alone(command, tmp_path):
    studies = [command() for _ in range(3)]
    runners = [Here(bowl) for _ in studies]
    threads = [threading.Thread(target=run_trials, args=pair) for pair in zip(studies, runners, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = command(name="alone")
    run_trials(alone, Here(bowl))
    assert [trial.state for trial in studies[0].trials()] == [DONE] * 8
    assert tried(studies[0]) == tried(alone)
    started = [trial.overrides for runner in runners for trial in runner.started]
    assert sorted(started) == sorted(tried(alone))
    assert studies[0].best()[0].values == alone.best()[0].values


def test_a_trial_of_a_command_without_a_sign_of_life_is_tried_again_in_its_place(command, tmp_path):
    clock = Clock()
    dead, alive = command(total=2), command(total=2, clock=clock)
    lost = dead.ask()
    runner = Here(bowl)
    done = alive.ask()
    assert alive.ask() is None
    alive.tell(done.number, [0.5])
    alive.keep_alive()
    clock.seconds = 9.0
    alive.keep_alive()
    assert alive.ask() is None
    assert alive.waits()
    clock.seconds = 12.0
    alive.keep_alive()
    assert run_trials(alive, runner)
    assert [trial.overrides for trial in runner.started] == [lost.overrides]
    assert [trial.state for trial in alive.trials()] == [DONE, DONE]
    assert tried(alive)[0] == lost.overrides
    late = dead.tell(lost.number, [0.1])  # it was not dead: what it says comes too late
    assert late.state == FAILED
    assert "gave no sign of life" in late.reason
    assert next(trial.values for trial in alive.trials()) == (bowl(**floats(lost)),)
    trials, total = stored_trials("ours/bowl", f"sqlite:///{tmp_path}/search.db")
    assert all_well(trials, total)
    assert "2 of 2 trials: 2 done; machines: 1" in as_text(trials, total)


def test_a_sign_of_life_keeps_a_trial(command):
    clock = Clock()
    slow, watcher = command(total=1, clock=clock), command(total=1, clock=clock)
    slow.ask()
    for clock.seconds in range(0, 60, 3):
        slow.keep_alive()
        watcher.keep_alive()
    assert [trial.state for trial in watcher.trials()] == [RUNNING]


def test_what_a_stopped_command_let_go_is_taken_at_once_and_counts_as_no_try(command):
    for _ in range(MOST_TRIES + 2):
        stopped = command(total=1)
        stopped.keep_alive()
        assert stopped.ask() is not None
        stopped.let_all_go()
    last = command(total=1)
    assert run_trials(last, Here(bowl))
    assert [trial.state for trial in last.trials()] == [DONE]


def test_a_trial_whose_commands_die_is_given_up_for_good(command):
    clock = Clock()
    for _ in range(MOST_TRIES + 1):
        dying = command(total=1, clock=clock)
        dying.keep_alive()
        clock.seconds += 11
        dying.keep_alive()

        def dies(x, y):
            raise Killed

        with pytest.raises(Killed):
            run_trials(dying, Here(dies))
    last = command(total=1, clock=clock)
    last.keep_alive()
    clock.seconds += 11
    assert run_trials(last, Here(bowl))
    assert [(trial.state, "no sign of life" in trial.reason) for trial in last.trials()] == [(FAILED, True)]


def test_a_point_of_a_grid_is_given_once(command):
    params = {"x": [1, 2, 3], "y": [1, 2]}
    first, second = (command(params=params, sampler="grid", total=6) for _ in range(2))
    asked = [study.ask().overrides for study in (first, second) * 3]
    assert asked == [(f"x={x}", f"y={y}") for x in (1, 2, 3) for y in (1, 2)]
    assert first.ask() is None


def test_the_largest_total_holds_for_all(command):
    small, large = command(total=1), command(total=3)
    for study in (small, small, small):
        study.tell(study.ask().number, [0.0])
    assert small.ask() is None
    assert small.total == large.total == command(total=2).total == 3


def test_other_settings_are_refused(command):
    command(settings={"config.data.rows": 100})
    with pytest.raises(UserMistake, match=r"config\.data\.rows: 100 -> 200"):
        command(settings={"config.data.rows": 200})


def test_a_claimed_run_is_no_others_until_it_is_given_back(tmp_path):
    mine, theirs = Claims(tmp_path), Claims(tmp_path)
    assert mine.take("run")
    assert mine.take("run")
    assert not theirs.take("run")
    mine.close()
    assert theirs.take("run")
    with mine.turn():
        pass
    theirs.close()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:secret@host/search",
        "postgresql://me:${oc.env:P}x@host/search",
        "postgresql://host/search?password=x",
        "redis://:secret@host",
    ],
)
def test_a_password_that_was_typed_is_refused_and_never_shown(url):
    with pytest.raises(UserMistake, match=r"holds a password.*oc\.env") as mistake:
        refuse_password(url)
    assert "secret" not in str(mistake.value) + shown(url)


@pytest.mark.parametrize(
    "url", ["postgresql://me@host/search", "${oc.env:SEARCH}", "mysql://me:${oc.env:P}@host/x", "sqlite:////tmp/x.db"]
)
def test_a_url_without_a_password_passes(url):
    refuse_password(url)
    assert shown("mysql://me:pass:w@rd@host/x") == "mysql://me:***@host/x"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql+pg8000://me@host/x", r"driver is not installed.*pip install 'smoothlab\[databases\]'"),
        ("excel://host", r"expected postgresql://, mysql://, redis:// or sqlite:///"),
        ("sqlite:////no/such/folder/x.db", r"no answer \(.*unable to open"),
    ],
)
def test_a_database_that_cannot_be_reached_is_one_line(url, message):
    with pytest.raises(UserMistake, match=message):
        open_database(url)


def test_commands_that_open_an_empty_database_at_once_all_open_it(tmp_path, monkeypatch):
    import sqlalchemy
    from optuna.storages import RDBStorage

    opened, make = [], RDBStorage.__init__

    def slower(self, url, **options):
        opened.append(url)
        if len(opened) == 1:  # as SQLite says it to the second of two
            message = "UNIQUE constraint failed: alembic_version.version_num"
            raise sqlalchemy.exc.IntegrityError("INSERT", {}, Exception(message))
        make(self, url, **options)

    monkeypatch.setattr(RDBStorage, "__init__", slower)
    monkeypatch.setattr("smoothlab.sweeps.search.databases.time.sleep", lambda seconds: None)
    open_database(f"sqlite:///{tmp_path}/search.db")
    assert len(opened) == 2


def test_an_unknown_study_names_those_that_are_there(command, tmp_path):
    command()
    with pytest.raises(UserMistake, match=r"other: no such study in sqlite.*studies there: ours/bowl"):
        stored_trials("other", f"sqlite:///{tmp_path}/search.db")
    with pytest.raises(UserMistake, match=r"storage = sqlite.*none\.db: no such file"):
        stored_trials("other", f"sqlite:///{tmp_path}/none.db")
    assert not (tmp_path / "none.db").exists()


def test_a_run_that_another_command_trains_is_waited_for_and_not_trained_twice(tmp_path):
    class Pool:
        def submit(self, planned, directory):
            raise AssertionError("trained twice")

        def wait_any(self, seconds):
            return []

    ledger = Ledger(tmp_path, {})
    planned = Planned({}, ("x=1",))
    theirs, mine = Claims(tmp_path), Claims(tmp_path)
    runner = PoolRunner(
        Pool(),
        ledger,
        [NLL],
        compose=lambda overrides: planned,
        place=lambda planned: Entry("run", planned.overrides, "a" * 64),
        pruning=False,
        size=1,
        claims=mine,
    )
    assert theirs.take("run")
    assert runner.start(Trial(0, RUNNING, ("x=1",))) == "run"
    assert runner.wait(0.001) == []
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    run.status.write_text('{"state": "done"}')
    results = {"objective": {"name": "val/nll", "mode": "min", "value": 0.25}, "metrics": {"val": {"nll": 0.25}}}
    run.results.write_text(json.dumps(results))
    theirs.close()
    assert runner.wait(0.001) == [Ended(0, DONE, (0.25,))]
    assert theirs.take("run")
    theirs.close()
