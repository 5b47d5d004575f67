"""A finished run can be scored again to the last digit, and used on raw rows."""

import json
from pathlib import Path

import pandas as pd
import pytest
from run_directories import SHORT, only_run

from smoothlab.data import breast_cancer


@pytest.fixture
def run(cli) -> Path:
    assert cli("train", *SHORT)[0] == 0
    return only_run()


def test_evaluate_repeats_the_numbers_of_training_to_the_last_digit(cli, run):
    code, out, _ = cli("evaluate", f"run={run}", "output=again.json")
    assert code == 0
    assert "accuracy" in out
    again = json.loads(Path("again.json").read_text())["metrics"]
    assert again == json.loads((run / "results.json").read_text())["metrics"]


def test_evaluate_says_where_the_data_or_the_results_changed(cli):
    breast_cancer().to_csv("own.csv", index=False)
    own = ("data=table", "data.path=own.csv", "data.target=diagnosis")
    assert cli("train", *SHORT, *own)[0] == 0
    run = only_run()
    assert cli("evaluate", f"run={run}")[2] == ""
    results = json.loads((run / "results.json").read_text())
    (run / "results.json").write_text(json.dumps(results | {"metrics": {"test": {"nll": 9.0}}}))
    code, _, err = cli("evaluate", f"run={run}")
    assert code == 0
    assert "results.json says 9.0000 (1 metrics differ)" in err
    assert "the data are those of the training" in err
    (run / "results.json").write_text(json.dumps(results))
    breast_cancer().sample(frac=1, random_state=3).to_csv("own.csv", index=False)
    code, _, err = cli("evaluate", f"run={run}")
    assert code == 0
    assert "test/nll is " in err
    assert "changed since the training: the splits may hold other rows" in err


def test_another_runs_checkpoint_is_not_this_runs(cli, run):
    assert cli("train", *SHORT, "seed=7", "name=other")[0] == 0
    (other,) = Path("outputs/other").iterdir()
    before = (run / "checkpoints" / "best.ckpt").read_bytes()
    (run / "checkpoints" / "best.ckpt").write_bytes((other / "checkpoints" / "best.ckpt").read_bytes())
    breast_cancer().head(3).to_csv("rows.csv", index=False)
    for words in (("evaluate", f"run={run}"), ("predict", f"run={run}", "input=rows.csv", "output=out.csv")):
        code, _, err = cli(*words)
        assert code == 2
        assert "a checkpoint of another run" in err
        assert len(err.strip().splitlines()) == 1
    assert cli("evaluate", f"run={run}", f"checkpoint={other}/checkpoints/best.ckpt")[0] == 0
    flipped = bytearray(before)
    flipped[len(flipped) // 2] ^= 4
    (run / "checkpoints" / "best.ckpt").write_bytes(flipped)
    assert "damaged" in cli("evaluate", f"run={run}")[2]


def test_evaluate_scores_the_splits_and_the_checkpoint_that_were_asked_for(cli, run):
    assert cli("evaluate", f"run={run}", "splits=[train]", "checkpoint=last", "output=train.json")[0] == 0
    metrics = json.loads(Path("train.json").read_text())["metrics"]
    assert set(metrics) == {"train"}


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_predict_reads_raw_rows_and_gives_what_training_gave(cli, run, ending):
    test = pd.read_parquet(run / "predictions" / "test.parquet")
    raw = breast_cancer().drop(columns="diagnosis").iloc[test["row"]]
    raw = raw[raw.columns[::-1]].assign(note="columns are found by name, others ignored")
    raw.to_csv("rows.csv", index=False) if ending == "csv" else raw.to_parquet("rows.parquet")
    code, _, err = cli("predict", f"run={run}", f"input=rows.{ending}", f"output=out.{ending}", "batch_size=50")
    assert code == 0
    assert "114 rows written" in err
    out = pd.read_csv("out.csv") if ending == "csv" else pd.read_parquet("out.parquet")
    assert out["prediction"].tolist() == test["prediction"].tolist()
    assert out["prob_malignant"].to_numpy() == pytest.approx(test["prob_malignant"].to_numpy(), abs=1e-6)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run=null"], "run = None: expected text"),
        (["run=7"], "run = 7: expected text"),
        (["run=[a]"], "run = ['a']: expected text"),
        (["run=''"], "run = '': expected text"),
        (["run=a", "checkpoint=null"], "checkpoint = None: expected text"),
        (["run=a", "output=3"], "output = 3: expected text"),
        (["run=a", "splits=[[test]]"], "splits = [['test']]: expected a list of train, val, test"),
        (["run=a", "splits=[{test: 1}]"], "splits = [{'test': 1}]: expected a list"),
        (["run=a", "splits=[1, null]"], "splits = [1, None]: expected a list"),
        (["run=a", "splits=test"], "splits = 'test': expected a list"),
    ],
)
def test_evaluate_refuses_in_one_line(cli, words, message):
    code, out, err = cli("evaluate", *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"smoothlab: {message}")
    assert err.count("\n") == 1


@pytest.mark.parametrize("key", ["run", "input", "output", "checkpoint"])
@pytest.mark.parametrize(("value", "shown"), [("null", "None"), ("7", "7"), ("''", "''"), ("' '", "' '")])
def test_predict_takes_text_only(cli, key, value, shown):
    words = {"run": "a", "input": "in.csv", "output": "out.csv"} | {key: value}
    code, _, err = cli("predict", *(f"{name}={value}" for name, value in words.items()))
    assert code == 2
    assert err == f"smoothlab: {key} = {shown}: expected text that is not empty\n"


@pytest.mark.parametrize("output", ["rows.csv", "./rows.csv", "sub/../rows.csv", "symbolic.csv", "hard.csv"])
def test_predict_never_writes_over_its_input(cli, output):
    rows = Path("rows.csv")
    rows.write_text("a\n1\n")
    Path("sub").mkdir()
    Path("symbolic.csv").symlink_to(rows)
    Path("hard.csv").hardlink_to(rows)
    code, _, err = cli("predict", "run=a", "input=rows.csv", f"output={output}")
    assert code == 2
    assert "is the input itself" in err
    assert err.count("\n") == 1
    assert rows.read_text() == "a\n1\n"
