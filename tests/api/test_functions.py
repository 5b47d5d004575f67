"""The commands as functions: tables, mappings and keywords in, objects that show themselves out."""

from __future__ import annotations

import warnings

import pandas as pd
import pytest

import smoothlab
from smoothlab.api.words import words_of
from smoothlab.config.overrides import overrides_of
from smoothlab.errors import UserMistake

QUICK = {"logger": "csv", "figures": False, "progress": "none"}


def test_settings_of_python_are_overrides():
    words = overrides_of(
        {"optimizer": {"lr": 0.1}, "smoothing": {"strength": "cosine"}, "penalty": ["margin", "confidence"]},
        {"trainer__max_epochs": 3, "calibrator": None, "data": {"class_weight": {"a b": 2.0, "c": 1}}},
        ["seed=1"],
        "name=x",
        {"data.path": "it's.csv", "compile": True, "data__fold": None},
    )
    assert words == [
        "optimizer.lr=0.1",
        "smoothing/strength=cosine",
        "penalty=['margin','confidence']",
        "trainer.max_epochs=3",
        "calibrator=none",
        "data.class_weight={a\\ b:2.0,c:1}",
        "seed=1",
        "name=x",
        r"data.path='it\'s.csv'",
        "compile=true",
        "data.fold=null",
    ]


def test_settings_reach_the_config():
    from smoothlab.config.compose import compose_config, plain

    words = overrides_of(
        {"smoothing": {"strength": "cosine"}, "penalty": ["margin", "confidence"], "data": "table"},
        {"data": {"class_weight": {"a b": 2.0, "c": 1}, "target": ["x,y", "1"], "path": "a=b.csv"}},
    )
    values = plain(compose_config("train", words))
    assert values["smoothing"]["strength"]["_target_"].endswith("Cosine")
    assert set(values["penalty"]) == {"margin", "confidence"}
    assert values["data"]["class_weight"] == {"a b": 2.0, "c": 1}
    assert values["data"]["target"] == ["x,y", "1"]
    assert values["data"]["path"] == "a=b.csv"


def test_a_table_is_kept_by_its_content_so_that_a_run_of_it_can_be_scored_again(graded, tmp_path):
    words = words_of(graded, (), {"target": "grade", "output_root": str(tmp_path)})
    again = words_of(graded.copy(), (), {"target": "grade", "output_root": str(tmp_path)})
    assert words == again
    pd.testing.assert_frame_equal(pd.read_parquet(words[0]), graded, check_dtype=False)


def test_a_run_of_a_table_shows_what_came_of_it(graded_run):
    assert graded_run.status["state"] == "done"
    assert "done; test: nll 0." in repr(graded_run)
    assert "<th>test nll</th>" in graded_run._repr_html_()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        again = smoothlab.evaluate(graded_run)
    assert not [warning for warning in seen if "Lightning" in str(warning.message) or "workers" in str(warning.message)]
    assert again["test"] == pytest.approx(graded_run.results["metrics"]["test"], abs=1e-6)


def test_a_run_predicts_and_is_scored_on_new_tables(graded, graded_run, capsys):
    made = smoothlab.predict(graded_run, graded.drop(columns="grade").iloc[10:20], conformal="split", alpha=0.2)
    assert list(made.index) == list(range(10, 20))
    assert {"prediction", "prob_bad", "prob_good", "set"} <= set(made)
    evaluated = smoothlab.evaluate(graded_run.path, graded.iloc[:50])
    assert evaluated.new_rows.rows == 50
    assert set(evaluated.table.columns) == {"new", "test"}
    assert "nll" in repr(evaluated)
    assert "<table" in evaluated._repr_html_()
    assert capsys.readouterr().out == ""


def test_a_question_mark_is_missing_in_tables_of_python_too(graded, graded_run):
    marked = graded.head(20).assign(size=graded["size"].head(20).astype(object).fillna("?"))
    pd.testing.assert_frame_equal(smoothlab.predict(graded_run, marked), smoothlab.predict(graded_run, graded.head(20)))
    assert smoothlab.evaluate(graded_run, marked).new_rows.metrics == (
        smoothlab.evaluate(graded_run, graded.head(20)).new_rows.metrics
    )
    assert (marked["size"] == "?").any()  # the caller's own
    described = smoothlab.describe(graded.assign(size=graded["size"].astype(object).fillna("?")), target="grade")
    assert described.columns.loc["size", "missing"] == graded["size"].isna().sum()


def test_a_report_of_runs(graded_run, tmp_path, capsys):
    made = smoothlab.report(graded_run, out=tmp_path / "page")
    assert made.path.is_file()
    assert "nll" in set(made.table["metric"])
    assert str(made.path) in repr(made)
    assert capsys.readouterr().out == ""


def test_a_comparison_of_a_table(graded, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    settings = {"take": ["none", "standard"], "seeds": 2, "folds": "none", "n_jobs": 1, "debug": "quick", **QUICK}
    settings.pop("figures")
    made = smoothlab.compare(graded, target="grade", name="<b>mine", **settings)
    assert made.report.is_file()
    assert set(made.table["arm"]) == {"none", "standard"}
    assert made.verdict["kind"]
    assert "none" in repr(made)
    assert made.failed == []
    assert "<b>" not in made._repr_html_()
    assert capsys.readouterr().out == ""


def test_a_description_of_a_table_writes_nothing(graded, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = smoothlab.describe(graded.assign(**{"<i>": 1.5}), target="grade")
    assert made.columns.loc["day", "kind"] == "date"
    assert list(made.classes.index) == ["bad", "good"]
    assert "colour" in repr(made)
    assert "<i>" not in made._repr_html_()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda frame: smoothlab.train(frame), "data.target: missing"),
        (lambda frame: smoothlab.train(frame, target="no_such"), "no_such"),
        (lambda frame: smoothlab.train(frame, target="grade", smothing="none"), "smothing"),
        (lambda frame: smoothlab.train(3), "expected a table"),
        (lambda frame: smoothlab.train(frame, 3), "3: expected an override"),
        (lambda frame: smoothlab.train(frame.iloc[:0], target="grade"), "no rows"),
        (lambda frame: smoothlab.train(frame.assign(x=[{1}] * len(frame)), target="grade"), "x"),
        (lambda frame: smoothlab.train("no_such.csv", target="grade"), "no_such.csv"),
        (lambda frame: smoothlab.compare(frame, target="grade", seeds=1), "seeds = 1"),
        (lambda frame: smoothlab.evaluate("no_such"), "no_such"),
        (lambda frame: smoothlab.predict("no_such", frame), "no_such"),
        (lambda frame: smoothlab.report("no_such"), "no_such"),
        (lambda frame: smoothlab.report(), "expected runs"),
        (lambda frame: smoothlab.describe(frame, target="no_such"), "no_such"),
        (lambda frame: smoothlab.describe("breast_cancer", nonsense=3), "nonsense"),
    ],
)
def test_a_mistake_is_one_line_and_no_exit(graded, tmp_path, monkeypatch, call, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserMistake, match=says) as caught:
        call(graded)
    assert "\n" not in str(caught.value)
