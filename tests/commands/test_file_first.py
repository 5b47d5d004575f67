"""A file in front of the words is the data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from run_directories import only_run

from smoothlab.commands.file_first import named_by_data, with_file

SHORT = ("trainer.max_epochs=1", "logger=none", "figures=false", "progress=none")


def written(name: str) -> str:
    draw = np.random.default_rng(0)
    Path(name).write_text(
        "\n".join(["x,label", *(f"{value:.3f},{'ab'[int(value > 0)]}" for value in map(float, draw.normal(size=80)))])
    )
    return name


def test_a_table_is_trained_under_its_own_name(cli):
    code, _, err = cli("train", written("my data.csv"), "target=label", *SHORT)
    assert code == 0, err
    assert only_run().parent.name == "my_data"
    assert json.loads((only_run() / "results.json").read_text())["metrics"]


def test_what_is_given_wins(cli):
    code, _, err = cli("train", written("my.csv"), "data.target=label", "name=other", "split=fold", "folds=4", *SHORT)
    assert code == 0, err
    assert only_run().parent.name == "other"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a.npz"], ["data=arrays", "data.path='a.npz'", "name='a'"]),
        (["x/b.csv.gz", "target=y"], ["data=table", "data.path='x/b.csv.gz'", "name='b'", "data.target=y"]),
        (["seed=1", "a.csv"], ["seed=1", "a.csv"]),  # not the first word
        (["-m", "seed=1,2"], ["-m", "seed=1,2"]),
        (["-m", "a.csv", "target=y"], ["-m", "data=table", "data.path='a.csv'", "name='a'", "data.target=y"]),
        (["nothing"], ["nothing"]),
        (["~callbacks"], ["~callbacks"]),
        (["+a.csv", "seed=1"], ["+a.csv", "seed=1"]),
        (["~/a.csv"], ["data=table", "data.path='~/a.csv'", "name='a'"]),
    ],
)
def test_words_with_and_without_a_file(words, expected):
    assert with_file(words) == expected


def test_describe_takes_the_same_files(cli):
    np.savez("mine.npz", features=np.random.default_rng(0).normal(size=(60, 3)), labels=np.arange(60) % 2)
    code, out, err = cli("data", "describe", "mine.npz")
    assert code == 0, err
    assert "3 numeric" in out


def test_a_folder_is_one_of_images():
    Path("scans").mkdir()
    assert with_file(["scans", "seed=1"]) == ["data=images", "data.path='scans'", "name='scans'", "seed=1"]


def test_a_file_that_is_not_there_and_a_target_that_is_missing_are_one_line(cli):
    code, _, err = cli("train", "nowhere.csv", "target=y")
    assert (code, len(err.strip().splitlines())) == (2, 1)
    assert "no such file" in err
    code, _, err = cli("train", written("my.csv"))
    assert code == 2
    assert "data.target" in err
    assert not Path("outputs").exists()


def test_a_key_of_the_command_is_none_of_the_data(tmp_path):
    (tmp_path / "my.csv").write_text("x,y\n1,2\n")
    words = with_file([str(tmp_path / "my.csv"), "target=y", "folds=none", "fold=1"], "compare")
    assert words[3:] == ["data.target=y", "folds=none", "data.fold=1"]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["data=table", "data.path=a/my rows.csv.gz"], "my_rows"),
        (["data=table", "data.path='a/it\\'s.csv'", "seed=0,1"], "it_s"),
        (["data.path=a.csv", "name=b"], None),
        (["data.path=a.csv", "experiment=retail"], None),
        (["data.path=a.csv,b.csv"], None),
        (["data=wheat_seeds"], "wheat_seeds"),
        (["data=table", "data.path={train: a.csv, test: b.csv}"], "table"),
        (["data=wheat_seeds,sp500"], None),
        (["seed=1"], None),
    ],
)
def test_a_run_has_the_name_of_its_data(words, name):
    assert named_by_data(words) == [*words, *([] if name is None else [f"name='{name}'"])]
