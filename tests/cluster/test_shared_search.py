"""Four commands search on one study in a PostgreSQL, are killed at random, and end as one command alone."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time

import optuna
import pytest
from postgres import PASSWORD
from runs import SMOOTHLAB

from smoothlab.sweeps.search.databases import open_database
from smoothlab.sweeps.search.places import SURPLUS
from smoothlab.sweeps.search.shared import GIVEN_UP
from smoothlab.sweeps.search.study import DIRECTORY

TRIALS = int(os.environ.get("SMOOTHLAB_TRIALS", "16"))
KILLS = int(os.environ.get("SMOOTHLAB_KILLS", "2"))
URL = "${oc.env:SEARCH_STORAGE}"
WORDS = [
    *("train", "-m", "hydra/sweeper=smoothlab", "smoothing=standard", "hydra.launcher.name=mine", "logger=none"),
    *("data=synthetic_medical", "data.rows=60", "data.val_rows=30", "data.test_rows=30", "trainer.max_epochs=1"),
    *("callbacks=none", "progress=none", "figures=false", "threads=1"),
    *("optimizer.lr=tag(log,interval(1e-4,1e-1))", "smoothing.strength.epsilon=interval(0,0.3)"),
    *("hydra.sweeper.sampler=random", f"hydra.sweeper.n_trials={TRIALS}", "hydra.sweeper.grace_s=20"),
    f"hydra.sweeper.storage={URL}",
]


@pytest.fixture
def begin(database, tmp_path):
    """Start a command of the search on a machine: in a folder of its own."""
    environment = {**os.environ, "SEARCH_STORAGE": database.url}
    begun = []

    def start(machine, *words):
        folder = tmp_path / machine
        folder.mkdir(exist_ok=True)
        with (tmp_path / f"{machine}.log").open("ab") as log:
            process = subprocess.Popen([SMOOTHLAB, *WORDS, *words], cwd=folder, env=environment, stdout=log, stderr=log)
        begun.append(process)
        return process

    yield start
    for process in begun:
        process.kill()
        process.wait()


@pytest.fixture
def storage(database):
    made = open_database(database.url)
    yield made
    made.remove_session()
    made.engine.dispose()


def ended_trials(storage, name):
    try:
        study = optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        return 0
    return len(study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,)))


def test_commands_that_are_killed_lose_no_trial_and_find_what_one_finds(database, storage, begin, tmp_path):
    machines = ["first", "first", "second", "second"]
    commands = [begin(machine) for machine in machines]
    chance = random.Random(0)
    for kill in range(KILLS):
        target = (kill + 1) * TRIALS // (KILLS + 2)
        until = time.monotonic() + 600
        while ended_trials(storage, "synthetic_medical/mine") < target:
            assert time.monotonic() < until, (tmp_path / "first.log").read_text()[-3000:]
            time.sleep(0.5)
        time.sleep(chance.random())
        place = chance.randrange(len(commands))
        commands[place].send_signal(signal.SIGKILL)
        commands[place].wait()
        commands[place] = begin(machines[place])
    assert [command.wait(1800) for command in commands] == [0] * 4, (tmp_path / "first.log").read_text()[-3000:]

    stored = optuna.load_study(study_name="synthetic_medical/mine", storage=storage).trials
    states = optuna.trial.TrialState
    done = [trial for trial in stored if trial.state == states.COMPLETE]
    assert len(done) == TRIALS
    assert len({tuple(sorted(trial.params.items())) for trial in done}) == TRIALS
    others = [trial for trial in stored if trial.state != states.COMPLETE]
    assert all((GIVEN_UP in trial.user_attrs) != (SURPLUS in trial.user_attrs) for trial in others)
    killed = [trial for trial in others if GIVEN_UP in trial.user_attrs]
    assert len(killed) <= KILLS
    assert sum(DIRECTORY in trial.user_attrs for trial in stored) <= TRIALS + KILLS  # none ran twice but those

    environment = {**os.environ, "SEARCH_STORAGE": database.url}
    words = [SMOOTHLAB, "sweep", "status", "synthetic_medical/mine", f"storage={URL}", "--json"]
    answer = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert answer.returncode == 0, answer.stderr
    seen = json.loads(answer.stdout)
    assert len(seen) == TRIALS
    assert {trial["directory"].split("/")[-6] for trial in seen} == {"first", "second"}

    alone = begin("alone", "hydra.sweeper.study=alone")
    assert alone.wait(3600) == 0
    whole = optuna.load_study(study_name="alone", storage=storage)
    assert sorted(trial.value for trial in done) == sorted(trial.value for trial in whole.trials)
    print(f"{len(stored)} trials stored, {len(done)} done, {len(killed)} killed, best {whole.best_value:.6f} of both")

    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in written if PASSWORD.encode() in path.read_bytes()] == []
