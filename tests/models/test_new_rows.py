"""A run is scored on new rows: by its own classes, beside its test rows, with what has moved since training."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from run_directories import only_run

from smoothlab.commands import main
from smoothlab.data import breast_cancer
from smoothlab.errors import UserMistake
from smoothlab.models.checkpoint import read_checkpoint
from smoothlab.models.loading import load
from smoothlab.models.new_rows import new_labels


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("trained")
    assert main(["train", "logger=csv", "trainer.max_epochs=2", "figures=false", f"output_root={root}"]) == 0
    return only_run(root)


def evaluate(run: Path, frame: pd.DataFrame, folder: Path, capsys) -> tuple[dict, str]:
    frame.to_csv(folder / "new.csv", index=False)
    capsys.readouterr()
    assert main(["evaluate", f"run={run}", f"input={folder / 'new.csv'}", f"output={folder / 'found.json'}"]) == 0
    output = capsys.readouterr()
    return json.loads((folder / "found.json").read_text()), output.out + output.err


def test_the_test_rows_as_a_new_file_have_the_metrics_of_the_test_rows(run, tmp_path, capsys):
    rows = pd.read_parquet(run / "predictions" / "test.parquet")["row"]
    evaluated, output = evaluate(run, breast_cancer().iloc[rows], tmp_path, capsys)
    results = json.loads((run / "results.json").read_text())
    assert evaluated["metrics"] == pytest.approx(results["metrics"]["test"], abs=1e-5)
    assert evaluated["test"] == results["metrics"]["test"]
    assert evaluated["intervals"]["nll"] == pytest.approx(evaluated["test_intervals"]["nll"], abs=1e-5)
    assert evaluated["rows"] == len(rows)
    assert not any(column["noted"] for column in evaluated["columns"])
    assert "drift from the training rows in 0 of 30 columns" in output


def test_what_moved_is_named_first_and_rows_without_a_label_are_left_out(run, tmp_path, capsys):
    new = breast_cancer()
    new["worst area"] *= 2
    malignant = new["diagnosis"] == "malignant"
    new["diagnosis"] = new["diagnosis"].where(malignant | (new.index % 2 == 0))
    evaluated, output = evaluate(run, new, tmp_path, capsys)
    assert evaluated["columns"][0]["column"] == "worst area"
    assert evaluated["columns"][0]["noted"]
    assert evaluated["label_shift"]["index"] > evaluated["label_shift"]["chance"]
    left_out = int(new["diagnosis"].isna().sum())
    assert evaluated["rows"] == len(new) - left_out
    assert f"{left_out} rows without a label are left out" in output
    shares = {entry["class"]: entry["new"] for entry in evaluated["classes"]}
    assert shares["malignant"] == pytest.approx(malignant.sum() / evaluated["rows"])
    logits = load(run).logits(new[new["diagnosis"].notna()].reset_index(drop=True))
    predicted = {entry["class"]: entry["predicted"] for entry in evaluated["classes"]}
    assert predicted["malignant"] == pytest.approx(float(torch.softmax(logits, 1)[:, 1].mean()), abs=1e-5)


def test_an_old_checkpoint_says_what_it_lacks(run, tmp_path, capsys):
    import shutil

    old = tmp_path / "old"
    shutil.copytree(run, old)
    content = read_checkpoint(old / "checkpoints" / "best.ckpt")
    del content["smoothlab"]["class_counts"], content["smoothlab"]["encoder"]["summary"]
    torch.save(content, old / "checkpoints" / "best.ckpt")
    (old / "results.json").unlink()
    evaluated, output = evaluate(old, breast_cancer(), tmp_path, capsys)
    assert evaluated["columns"] is None
    assert evaluated["label_shift"] is None
    assert evaluated["test"] == {}
    for message in ("keeps no summaries of its training rows", "keeps no class counts", "no results.json"):
        assert message in output


def test_classes_that_the_model_does_not_know_are_named_in_one_line(run, tmp_path, capsys):
    new = breast_cancer()
    new.loc[:4, "diagnosis"] = ["borderline", "unclear", "borderline", "unclear", "unclear"]
    new.to_csv(tmp_path / "new.csv", index=False)
    assert main(["evaluate", f"run={run}", f"input={tmp_path / 'new.csv'}"]) == 2
    output = capsys.readouterr().err
    assert "2 classes that the model does not know: 'borderline', 'unclear' (5 labels)" in output
    assert output.count("\n") == 1
    new.drop(columns="diagnosis").to_csv(tmp_path / "new.csv", index=False)
    assert main(["evaluate", f"run={run}", f"input={tmp_path / 'new.csv'}"]) == 2
    assert "no column 'diagnosis' with the label" in capsys.readouterr().err


def test_labels_are_read_as_the_run_read_its_own():
    frame = pd.DataFrame({"kind": ["1", "x", None, "3"], "tags": ["b;a", "c", "", None]})
    data = {"target": "kind", "classes": {"1": "one"}, "rare_classes": 5}
    values, rows = new_labels(frame, data, ["one", "other"], "classification")
    assert values.tolist() == [0, 1, 1]
    assert rows.tolist() == [0, 1, 3]
    data = {"target": "tags", "labels": "multilabel", "label_separator": ";", "classes": {"a": "first"}}
    values, rows = new_labels(frame, data, ["first", "b", "c", "never here"], "multilabel")
    assert values.tolist()[:2] == [[1, 1, 0, 0], [0, 0, 1, 0]]
    assert rows[:2].tolist() == [0, 1]
    votes = pd.DataFrame({"no": [3, 0], "yes": [1, 0]})
    values, rows = new_labels(votes.iloc[:1], {"target": ["no", "yes"], "labels": "votes"}, ["no", "yes"], "")
    assert values.numpy() == pytest.approx(np.array([[0.75, 0.25]]))
    with pytest.raises(UserMistake, match="'c' \\(1 labels\\); it knows 'a', 'b'"):
        new_labels(frame.iloc[:2], {"target": "tags", "labels": "multilabel", "label_separator": ";"}, ["a", "b"], "")
