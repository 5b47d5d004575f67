"""Runs report what their data call for: order, costs, ranking, drift; and refuse what does not fit."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from run_directories import SHORT, only_run
from sklearn.metrics import cohen_kappa_score

import smoothlab
from smoothlab import UserMistake
from smoothlab.metrics import cost_metrics, ordinal_metrics

RUN = [*SHORT, "threads=1", "progress=none", "data=table", "data.path=own.csv", "smoothing=standard"]
ORDINAL = [*RUN, "data.target=grade", "data.labels=ordinal", "data.order=[low,middle,high]"]


@pytest.fixture(autouse=True)
def own_table(tmp_path, monkeypatch):
    """400 rows with a grade, a region and a day; later rows are harder."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 3)).round(3)
    noisy = x[:, 0] + x[:, 1] + random.normal(size=400) * np.linspace(0.1, 2, 400)
    grade = np.array(["low", "middle", "high"])[(noisy > -0.7).astype(int) + (noisy > 0.7)]
    day = pd.date_range("2020-01-01", periods=400).strftime("%Y-%m-%d")
    frame = pd.DataFrame(x, columns=["a", "b", "c"])
    frame["region"], frame["day"], frame["grade"] = random.choice(["north", "south", "west"], 400), day, grade
    frame["tags"] = ["/".join(["red"] * int(a > 0) + ["blue"] * int(b > 0) + ["any"]) for a, b in x[:, :2]]
    frame.to_csv("own.csv", index=False)


def results(*words):
    smoothlab.train(list(words))
    return json.loads((only_run() / "results.json").read_text())


def predicted(run, split="test"):
    table = pd.read_parquet(run / "predictions" / f"{split}.parquet")
    names = [name for name in table.columns if name.startswith("prob_")]
    return table[names].to_numpy(), [names.index(f"prob_{label}") for label in table["label"]], table


def test_ordered_classes_bring_the_error_in_classes_and_kappa():
    results_of_run = results(*ORDINAL, "data.drop=[tags,day]", "callbacks.best_checkpoint.monitor=val/ordinal_mae")
    run = only_run()
    p, y, table = predicted(run)
    expected = ordinal_metrics(p, y, from_logits=False)
    test = results_of_run["metrics"]["test"]
    assert test["ordinal_mae"] == pytest.approx(expected["ordinal_mae"])
    order = ["low", "middle", "high"]
    kappa = cohen_kappa_score(table["label"], table["prediction"], labels=order, weights="quadratic")
    assert test["quadratic_kappa"] == pytest.approx(kappa)
    assert {"val/ordinal_mae", "val/quadratic_kappa"} <= set(pd.read_csv(run / "metrics.csv"))
    assert "slices" not in results_of_run
    assert "by_label" not in results_of_run


def test_costs_are_reported_and_monitored():
    costs = "task.costs={low: {middle: 1, high: 2}, middle: {low: 1, high: 1}, high: {low: 10, middle: 5}}"
    monitor = "callbacks.best_checkpoint.monitor=val/expected_cost"
    test = results(*ORDINAL, "data.drop=[tags,day]", "task.ordered=false", costs, monitor)["metrics"]["test"]
    p, y, _ = predicted(only_run())
    expected = cost_metrics(p, y, [[0, 1, 2], [1, 0, 1], [10, 5, 0]], from_logits=False)
    assert {name: test[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert test["expected_cost"] < test["expected_cost_of_argmax"]
    assert "ordinal_mae" not in test


def test_a_split_by_time_is_told_apart_by_time():
    time = ["data.split=time", "data.split_column=day", "data.drop=[tags]", "task.num_slices=4"]
    slices = results(*ORDINAL, *time)["slices"]
    assert slices["column"] == "day"
    for split, rows in (("val", 64), ("test", 80)):
        assert sum(part["rows"] for part in slices[split]) == rows
    parts = slices["test"]
    assert [part["rows"] for part in parts] == [20] * 4
    assert all(part["to"] < other["from"] for part, other in pairwise(parts))
    p, y, table = predicted(only_run())
    first = (table["row"].sort_values().index[:20]).to_numpy()
    assert parts[0]["accuracy"] == pytest.approx(np.mean(p[first].argmax(1) == np.array(y)[first]))
    assert parts[-1]["to"] == "2021-02-03"  # the last of 400 days
    assert set(parts[0]) == {"from", "to", "rows", "nll", "accuracy", "ece", "confidence_gap"}
    assert (only_run() / "figures" / "slices_test.png").is_file()


def test_any_metadata_column_tells_the_metrics_apart():
    slices = results(*ORDINAL, "data.drop=[tags,day]", "data.metadata=[region]", "task.slices=region")["slices"]
    assert [part["value"] for part in slices["test"]] == ["north", "south", "west"]


def test_several_labels_a_sample_are_ranked_and_told_apart():
    labels = ["data.target=tags", "data.labels=multilabel", "data.label_separator=/", "data.drop=[day,grade]"]
    run_results = results(*RUN, *labels, "task=multilabel", "smoothing=multilabel", "trainer.max_epochs=2")
    test = run_results["metrics"]["test"]
    assert {"macro_map", "micro_map", "ranking_loss", "coverage_error", "ranking_precision"} < set(test)
    assert set(run_results["by_label"]["test"]) == {"any", "blue", "red"}
    apart = run_results["by_label"]["test"]
    assert np.mean([label["ece"] for label in apart.values()]) == pytest.approx(test["ece_labelwise"])
    assert "val/macro_map" in set(pd.read_csv(only_run() / "metrics.csv"))


MULTILABEL = ["data.target=tags", "data.labels=multilabel", "data.label_separator=/", "data.drop=[day,grade]"]
SINGLE = ["data.target=grade", "data.drop=[day,tags]"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (MULTILABEL, "task: classification, but the data have several labels a sample; take task=multilabel"),
        (
            [*SINGLE, "task=multilabel", "smoothing=multilabel"],
            "task: multilabel, but the data have one label a sample",
        ),
        (
            [*SINGLE, "task.slices=region"],
            "task.slices = 'region': expected a metadata column of the data; they have none",
        ),
        ([*SINGLE, "task.costs={low: {high: 1}}"], "task.costs.high = \"no 'low'\": expected the cost of each wrong"),
        ([*SINGLE, "task.costs=[[1]]"], "task.costs = [[1]]: expected 3 rows of 3 finite numbers"),
        ([*SINGLE, "task.num_slices=0"], "task.num_slices = 0: expected an integer of at least 1"),
        ([*SINGLE, "mixing=mixup", "data.categories=codes"], "mixing: the features have category codes"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(words, message):
    with pytest.raises(UserMistake) as caught:
        smoothlab.train([*RUN, *words])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_inspect_shows_several_labels_a_sample(capsys):
    from smoothlab.commands import main

    assert main(["inspect", *RUN[2:], *MULTILABEL, "task=multilabel", "smoothing=multilabel"]) == 0
    assert "Where the mass goes" in capsys.readouterr().out
