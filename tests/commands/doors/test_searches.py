"""A search's storage that others may have written chooses among the values of the search, and nothing else."""

import json
import random
import sqlite3
from pathlib import Path

import pytest

pytest.importorskip("optuna", reason="the extra search is not installed")

SMALL = [
    "data=synthetic_medical",
    "data.rows=60",
    "data.val_rows=30",
    "data.test_rows=30",
    "logger=none",
    "smoothing=standard",
]
SHORT = [*SMALL, "trainer.max_epochs=1", "callbacks=none", "progress=none", "figures=false", "hydra.launcher.n_jobs=1"]
SEARCH = ["train", "-m", "hydra/sweeper=smoothlab", "hydra.launcher.name=mine", *SHORT]
CHOICES = ["smoothing.strength.epsilon=choice(0.1,0.2)"]
SECRET = "hunter2-canary"


@pytest.fixture
def journal(cli, monkeypatch):
    """A search that was cut off in its first trial."""
    monkeypatch.setenv("SMOOTHLAB_SECRET", SECRET)
    assert cli(*SEARCH, *CHOICES, "hydra.sweeper.n_trials=1")[0] == 0
    (file,) = Path("outputs").rglob("search.journal")
    return file


def again(cli) -> tuple[int, str]:
    code, out, err = cli(*SEARCH, *CHOICES, "hydra.sweeper.n_trials=2")
    assert code in (0, 1, 2), err
    assert "Traceback" not in err
    assert SECRET not in out + err
    assert not Path("canary").exists()
    assert not any(SECRET.encode() in path.read_bytes() for path in Path().rglob("*") if path.is_file())
    return code, err


@pytest.mark.parametrize("value", ["${oc.env:SMOOTHLAB_SECRET}", "0.1 code=payload.py", "{_target_: os.system}"])
def test_a_value_that_is_none_of_the_searchs_is_not_taken(cli, journal, value):
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    unfinished = []
    for line in lines:
        if "distribution" in line:
            distribution = json.loads(line["distribution"])
            distribution["attributes"]["choices"] = [value, value + " "]
            line["distribution"] = json.dumps(distribution)
        if line.get("state") != 1:  # the end of the trial: it seems to run
            unfinished.append(line)
    journal.write_text("".join(json.dumps(line) + "\n" for line in unfinished))
    code, err = again(cli)
    assert code == 2, err
    assert "search.journal" in err or "mine" in err


@pytest.mark.parametrize("how", ["bits", "values", "cut off"])
def test_a_damaged_journal_is_one_line(cli, journal, how):
    whole, draw = journal.read_bytes(), random.Random(0)
    for _ in range(4):
        content = bytearray(whole)
        if how == "bits":
            content[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        elif how == "values":
            place = draw.choice([place for place, letter in enumerate(whole) if chr(letter).isdigit()])
            content[place : place + 1] = draw.choice([b"null", b"[]", b"999999", b'"x"'])
        else:
            del content[draw.randrange(len(whole)) :]
        journal.write_bytes(content)
        again(cli)


def test_a_damaged_database_is_one_line(cli):
    words = (*SEARCH, *CHOICES, "hydra.sweeper.storage=sqlite")
    assert cli(*words, "hydra.sweeper.n_trials=1")[0] == 0
    (file,) = Path("outputs").rglob("search.db")
    whole = file.read_bytes()
    for content in (b"", b"\0" * 4096, whole[:5000], whole[:-4096] + b"\xff" * 4096):
        file.write_bytes(content)
        code, _, err = cli(*words, "hydra.sweeper.n_trials=1")
        assert code in (0, 2)
        assert "Traceback" not in err
    file.write_bytes(whole)
    with sqlite3.connect(file) as database:
        database.execute("update trial_params set distribution_json = '{}'")
        database.execute("update trials set state = 'RUNNING'")
    code, _, err = cli(*words, "hydra.sweeper.n_trials=2")
    assert code == 2, err
    assert len(err.strip().splitlines()) == 1, err
