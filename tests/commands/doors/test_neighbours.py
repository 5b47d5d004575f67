"""A run directory that is damaged or hostile is named, and ends no command that only looks at its neighbours."""

import json
import os
import random
import shutil
from pathlib import Path
from pipes import make_pipe

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawn_runs import draw_run

from smoothlab.rundir.directory import RunDirectory


@pytest.fixture
def runs():
    """Three good runs of each of two arms, and a bad one to be."""
    for epsilon in (0.0, 0.1):
        for seed in range(3):
            RunDirectory(draw_run(Path("runs") / f"{epsilon}_{seed}", epsilon=epsilon, seed=seed)).write_sums()
    RunDirectory(draw_run(Path("runs") / "bad", epsilon=0.1, seed=9)).write_sums()
    return Path("runs")


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def of_text(path):
    ("x" + pd.read_parquet(path).astype(str)).to_parquet(path)


def of_nothing(path):
    pd.read_parquet(path).iloc[:0].to_parquet(path)


def without_numbers(path):
    table = pd.read_parquet(path)
    table.assign(**{name: np.nan for name in table if name.startswith("prob_")}).to_parquet(path)


def of_lists(path):
    table = pd.read_parquet(path)
    table["label"] = [[1]] * len(table)
    table.to_parquet(path)


def of_one_class(path):
    pd.read_parquet(path).drop(columns=["prob_malignant", "prob_unclear"]).to_parquet(path)


def with_a_column_twice(path):
    table = pq.read_table(path)
    pq.write_table(pa.Table.from_arrays([*table.columns, table["row"]], names=[*table.column_names, "row"]), path)


def a_bomb(path):
    zeros = pa.array(np.zeros(10**6))
    groups = pa.table({"row": zeros, "label": zeros, "prob_a": zeros, "prob_b": zeros})
    with pq.ParquetWriter(path, groups.schema, compression="zstd") as writer:
        for _ in range(60):
            writer.write_table(groups)


DAMAGE = {
    "cut off": lambda path: os.truncate(path, 200),
    "emptied": lambda path: os.truncate(path, 0),
    "zeros": lambda path: path.write_bytes(b"\0" * 5000),
    "a bit": flipped,
    "a giant": lambda path: os.truncate(path, 2**40),
    "a bomb": a_bomb,
    "text": of_text,
    "no rows": of_nothing,
    "no numbers": without_numbers,
    "lists": of_lists,
    "one class": of_one_class,
    "a column twice": with_a_column_twice,
    "a link to itself": lambda path: (path.unlink(), path.symlink_to(path.name)),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a pipe": lambda path: (path.unlink(), make_pipe(path)),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("known", [True, False], ids=["with sums", "of an old run"])
def test_damaged_predictions_are_named_and_the_others_reported(cli, runs, damage, known):
    if not known:
        (runs / "bad" / "SHA256SUMS").unlink()
        if damage == "a bit":
            pytest.skip("an old run has no sums")
    DAMAGE[damage](runs / "bad" / "predictions" / "test.parquet")
    code, _, err = cli("report", str(runs))
    assert (code, err) == (0, "")
    report = json.loads((runs / "report" / "report.json").read_text())
    assert [arm["runs"] for arm in report["arms"]] == [3, 3]
    page = (runs / "report" / "report.html").read_text()
    assert "runs/bad" in page[page.index('id="table-problems"') :].split("</table>")[0]


@pytest.mark.parametrize("name", ["results.json", "config.yaml", "metrics.csv"])
def test_a_changed_number_is_named(cli, runs, name):
    path = runs / "bad" / name
    draw, whole = random.Random(1), path.read_text()
    places = [place for place, letter in enumerate(whole) if letter.isdigit()]
    place = draw.choice(places)
    path.write_text(whole[:place] + str((int(whole[place]) + 1) % 10) + whole[place + 1 :])
    code, _, err = cli("report", str(runs))
    assert (code, err) == (0, "")
    page = (runs / "report" / "report.html").read_text()
    problems = page[page.index('id="table-problems"') :].split("</table>")[0]
    assert "runs/bad" in problems
    assert "not what was written" in problems


def test_an_ensemble_and_promises_take_no_changed_predictions(run, rows, cli, refused):
    other = next(Path("outputs/others").iterdir())
    words = ("predict", f"run={run}", f"input={rows}", "output=out.csv", "conformal=aps")
    assert cli(*words)[0] == 0
    flipped(run / "predictions" / "val.parquet")
    assert "not what was written" in refused(*words)
    assert "not what was written" in refused("ensemble", f"runs=[{run},{other}]", "output=both")


@pytest.mark.parametrize("column", ["row", "label", "prob_benign"])
def test_an_ensemble_of_predictions_with_other_columns_is_one_line(run, harmless, column):
    other = next(Path("outputs/others").iterdir())
    (run / "SHA256SUMS").unlink()
    for file in (run / "predictions").glob("*.parquet"):
        pd.read_parquet(file).drop(columns=column).to_parquet(file)
    line = harmless("ensemble", f"runs=[{run},{other}]", "output=both")
    assert column == "label" or f"no column {column!r}" in line


def test_evaluate_says_so_where_a_calibrated_runs_numbers_differ(run, cli):
    assert cli("evaluate", f"run={run}")[2] == ""
    results = json.loads((run / "results.json").read_text())
    results["metrics"]["test"]["nll"] = 9.0
    (run / "results.json").write_text(json.dumps(results))
    assert "results.json says 9.0000" in cli("evaluate", f"run={run}")[2]


def test_a_changed_ensemble_is_named(run, rows, cli, refused):
    other = next(Path("outputs/others").iterdir())
    assert cli("ensemble", f"runs=[{run},{other}]", "output=both")[0] == 0
    words = ("predict", "run=both", f"input={rows}", "output=out.csv")
    assert cli(*words)[0] == 0
    file = Path("both/ensemble.json")
    file.write_text(file.read_text().replace(other.name, run.name).replace("others", "runs"))
    assert "not what was written" in refused(*words)


def test_damaged_runs_of_a_sweep_are_shown_and_the_sweep_goes_on(cli):
    words = ("train", "-m", "seed=0,1", "hydra.launcher.name=two", "trainer.max_epochs=1", "logger=csv")
    assert cli(*words, "figures=false", "progress=none")[0] == 0
    place = Path("outputs/sweeps/medical/two")
    first, _ = sorted(path.parent for path in place.glob("*/results.json"))
    for name in ("predictions/test.parquet", "metrics.csv", "results.json", "status.json"):
        whole = (first / name).read_bytes()
        for content in (b"", b"\0" * 500, whole[:-20]):
            (first / name).write_bytes(content)
            code, out, err = cli("sweep", "status", str(place))
            assert code in (0, 1), err
            assert "2 runs" in out
            code, _, err = cli("sweep", "prune", str(place), "keep=none")
            assert code in (0, 2), err
        (first / name).write_bytes(whole)
    shutil.rmtree(place)
