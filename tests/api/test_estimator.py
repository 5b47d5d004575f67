"""SmoothClassifier: scikit-learn's own checks, its searches and pipelines, and the numbers of ``smoothlab train``."""

from __future__ import annotations

import os
import pickle
import random
import threading
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

import smoothlab
from smoothlab.commands import main
from smoothlab.errors import UserMistake
from smoothlab.models.checkpoint import read_checkpoint

QUICK = {"trainer__max_epochs": 2}
QUIET = ["logger=csv", "figures=false", "progress=none"]
OF_TABLE = ["data=table", "data.path=my.parquet", "data.target=grade", *QUIET]
OF_ARRAYS = ["data=arrays", "data.path=my.npz", "data.target=label", *QUIET]


def numbers(rows: int = 90, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.arange(rows) % 3
    return generator.normal(size=(rows, 4)) + labels[:, None], labels


def table(rows: int = 120, seed: int = 0) -> tuple[pd.DataFrame, pd.Series]:
    """Words, dates, numbers, and cells that are missing."""
    generator = np.random.default_rng(seed)
    labels = np.arange(rows) % 2
    size = generator.normal(size=rows) + labels
    frame = pd.DataFrame(
        {
            "size": np.where(np.arange(rows) % 7 == 3, np.nan, size),
            "colour": np.where(labels == 1, "red", generator.choice(["blue", "green"], rows)),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(generator.integers(0, 400, rows), "D"),
        }
    )
    frame.loc[5, "colour"] = None
    return frame, pd.Series(np.where(labels == 1, "good", "bad"), name="grade")


@pytest.fixture(scope="module")
def fitted() -> tuple[smoothlab.SmoothClassifier, pd.DataFrame, pd.Series]:
    frame, labels = table()
    return smoothlab.SmoothClassifier(**QUICK).fit(frame, labels), frame, labels


def name_of(check) -> str:
    return getattr(check, "func", check).__name__


CHECKS = list(estimator_checks_generator(smoothlab.SmoothClassifier(trainer__max_epochs=12), mark=None))


@pytest.mark.parametrize(
    "check", [check for _, check in CHECKS], ids=lambda check: getattr(check, "func", check).__name__
)
def test_every_check_of_scikit_learn_passes(check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(smoothlab.SmoothClassifier(trainer__max_epochs=12))


def test_a_row_s_answer_does_not_depend_on_the_other_rows():
    features, labels = numbers(300)
    made = smoothlab.SmoothClassifier(trainer__max_epochs=30, optimizer__lr=0.03, net__hidden=[256]).fit(
        features, labels
    )
    alone = np.vstack([made.decision_function(row[None]) for row in features])
    assert np.abs(alone).max() > 3  # of such size float32 has steps of 2e-7
    np.testing.assert_allclose(alone, made.decision_function(features), rtol=0, atol=1e-12)


def test_a_table_equals_smoothlab_train_to_the_digit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame, labels = table()
    frame.assign(grade=labels).to_parquet("my.parquet")
    run = smoothlab.train([*OF_TABLE, "smoothing=auto", "trainer.max_epochs=3", "calibrator=temperature", "seed=4"])
    given = {"data__fractions": [0.64, 0.16, 0.2], "calibrator": "temperature", "random_state": 4}
    made = smoothlab.SmoothClassifier(trainer__max_epochs=3, **given).fit(frame, labels)
    assert made.results_["metrics"] == run.results["metrics"]
    saved = read_checkpoint(made.save(tmp_path / "saved") / "checkpoints" / "best.ckpt")["state_dict"]
    trained = read_checkpoint(run.directory.best_checkpoint)["state_dict"]
    weights = {name: value for name, value in trained.items() if isinstance(value, torch.Tensor)}
    assert weights
    assert all(torch.equal(saved[name], value) for name, value in weights.items())
    predicted = run.model().predict(frame)
    assert list(made.classes_) == ["bad", "good"]
    # the estimator's net answers in float64, that of `smoothlab predict` in float32
    np.testing.assert_allclose(made.predict_proba(frame)[:, 1], predicted["prob_good"], rtol=0, atol=1e-6)
    assert list(made.predict(frame)) == list(predicted["prediction"])


def test_arrays_as_given_equal_smoothlab_train(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    features, labels = numbers()
    np.savez("my.npz", features=features, label=labels)
    run = smoothlab.train([*OF_ARRAYS, "smoothing=standard", "smoothing.strength.epsilon=0.2", "trainer.max_epochs=3"])
    given = {"smoothing": "standard", "smoothing__strength__epsilon": 0.2, "data__fractions": [0.64, 0.16, 0.2]}
    made = smoothlab.SmoothClassifier(rows="as_given", trainer__max_epochs=3, **given).fit(features, labels)
    assert made.results_["metrics"] == run.results["metrics"]


def test_the_rows_of_validation_stand_for_the_test_rows(fitted):
    made, _, _ = fitted
    assert made.results_["metrics"]["test"]["nll"] == pytest.approx(made.results_["metrics"]["val"]["nll"], abs=1e-6)


def test_eval_set_is_what_smoothlab_train_validates_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame, labels = table()
    whole = frame.assign(grade=labels)
    parts = {"train": whole.iloc[:80], "val": whole.iloc[80:], "test": whole.iloc[80:]}
    for split, part in parts.items():
        part.to_parquet(f"{split}.parquet")
    paths = "{train: train.parquet, val: val.parquet, test: test.parquet}"
    run = smoothlab.train(
        ["data=table", f"data.path={paths}", "data.target=grade", "smoothing=none", "trainer.max_epochs=2", *QUIET]
    )
    made = smoothlab.SmoothClassifier(smoothing=None, **QUICK)
    made.fit(frame.iloc[:80], labels.iloc[:80], eval_set=[(frame.iloc[80:], labels.iloc[80:])])
    assert made.results_["metrics"] == run.results["metrics"]


def test_a_grid_search_over_epsilon():
    features, labels = numbers()
    base = smoothlab.SmoothClassifier(smoothing="standard", **QUICK)
    search = GridSearchCV(base, {"smoothing__strength__epsilon": [0.0, 0.3]}, cv=2, n_jobs=2, scoring="neg_log_loss")
    search.fit(features, labels)
    assert search.best_params_.keys() == {"smoothing__strength__epsilon"}
    assert search.cv_results_["mean_test_score"][0] != search.cv_results_["mean_test_score"][1]


def test_pipelines_cross_validation_and_calibration():
    features, labels = numbers()
    pipeline = make_pipeline(StandardScaler(), smoothlab.SmoothClassifier(**QUICK))
    pipeline.set_params(smoothclassifier__optimizer__lr=0.01)
    assert cross_val_score(pipeline, features, labels, cv=2).shape == (2,)
    calibrated = CalibratedClassifierCV(smoothlab.SmoothClassifier(**QUICK), cv=2).fit(features, labels)
    np.testing.assert_allclose(calibrated.predict_proba(features).sum(1), 1, atol=1e-6)


def test_it_is_cloned_and_pickled_with_its_settings(fitted):
    made, frame, _ = fitted
    assert clone(made).get_params() == made.get_params()
    again = pickle.loads(pickle.dumps(made))
    np.testing.assert_array_equal(again.predict_proba(frame), made.predict_proba(frame))
    assert "trainer__max_epochs=2" in repr(made)


def test_it_fits_in_a_thread():
    features, labels = numbers()
    made = smoothlab.SmoothClassifier(**QUICK)
    thread = threading.Thread(target=made.fit, args=(features, labels))
    thread.start()
    thread.join()
    assert made.score(features, labels) > 0


def test_nothing_is_printed_written_or_drawn(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("PL_GLOBAL_SEED", raising=False)
    features, labels = numbers()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002 - the generator that others share
    expected = random.random(), np.random.rand(), float(torch.rand(()))  # noqa: NPY002
    random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
    smoothlab.SmoothClassifier(**QUICK).fit(features, labels).predict(features)
    assert (random.random(), np.random.rand(), float(torch.rand(()))) == expected  # noqa: NPY002
    assert capfd.readouterr() == ("", "")
    assert os.listdir(tmp_path) == []
    assert "PL_GLOBAL_SEED" not in os.environ


def test_whole_weights_are_repeated_rows_and_the_order_of_rows_changes_nothing():
    features, labels = numbers(30)
    weights = np.arange(30) % 3
    repeated = smoothlab.SmoothClassifier(**QUICK).fit(features.repeat(weights, axis=0), labels.repeat(weights))
    order = np.random.default_rng(0).permutation(30)
    weighted = smoothlab.SmoothClassifier(**QUICK).fit(features[order], labels[order], sample_weight=weights[order])
    np.testing.assert_array_equal(repeated.predict_proba(features), weighted.predict_proba(features))


def test_weights_of_a_table_are_those_of_data_weight(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame, labels = table()
    weights = 0.5 + np.arange(len(frame)) % 4
    frame.assign(grade=labels, w=weights).to_parquet("my.parquet")
    run = smoothlab.train([*OF_TABLE, "data.weight=w", "smoothing=none", "trainer.max_epochs=2"])
    made = smoothlab.SmoothClassifier("none", data__fractions=[0.64, 0.16, 0.2], **QUICK)
    made.fit(frame, labels, sample_weight=weights)
    assert made.results_["metrics"] == run.results["metrics"]


def test_a_saved_estimator_is_a_run_and_a_run_is_an_estimator(fitted, tmp_path, cli):
    made, frame, labels = fitted
    saved = made.save(tmp_path / "saved")
    frame.assign(grade=labels).to_parquet(tmp_path / "new.parquet")
    code, _, err = cli("predict", f"run={saved}", f"input={tmp_path / 'new.parquet'}", f"output={tmp_path / 'out.csv'}")
    assert code == 0, err
    np.testing.assert_allclose(
        pd.read_csv(tmp_path / "out.csv")["prob_good"], made.predict_proba(frame)[:, 1], atol=1e-6
    )
    code, out, err = cli("evaluate", f"run={saved}", f"input={tmp_path / 'new.parquet'}")
    assert code == 0, err
    assert "nll" in out
    code, _, err = cli("evaluate", f"run={saved}")
    assert code == 2
    assert "handed over from Python" in err
    assert err.count("\n") == 1
    again = smoothlab.SmoothClassifier.load(saved)
    assert again.get_params() == made.get_params()
    np.testing.assert_array_equal(again.predict_proba(frame), made.predict_proba(frame))
    assert list(again.history_.columns)[:2] == list(made.history_.columns)[:2]
    with pytest.raises(UserMistake, match="something already"):
        made.save(saved)


def test_whole_number_labels_come_back_as_they_were(tmp_path):
    features, labels = numbers()
    made = smoothlab.SmoothClassifier(**QUICK).fit(features, labels * 5 + 5)  # as words "10" is before "5"
    assert made.classes_.tolist() == [5, 10, 15]
    assert made.score(features, labels * 5 + 5) == (made.predict(features) == labels * 5 + 5).mean()
    again = smoothlab.SmoothClassifier.load(made.save(tmp_path / "run"))
    np.testing.assert_array_equal(again.predict(features), made.predict(features))


def test_a_run_of_the_command_line_loads(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["experiment=medical", "trainer.max_epochs=1", "logger=none", "figures=false", "progress=none"]
    assert main(["train", *words, "hydra.run.dir=outputs/run"]) == 0
    made = smoothlab.SmoothClassifier.load("outputs/run")
    rows = pd.DataFrame(np.ones((3, made.n_features_in_)), columns=made.feature_names_in_)
    assert set(made.predict(rows)) <= set(made.classes_)


def test_tables_of_other_libraries_are_read(fitted):
    import pyarrow as pa

    made, frame, _ = fitted
    np.testing.assert_array_equal(
        made.predict_proba(pa.Table.from_pandas(frame, preserve_index=False)), made.predict_proba(frame)
    )


def test_a_table_of_polars_is_read(fitted):
    polars = pytest.importorskip("polars", reason="polars is not installed")
    _, frame, labels = fitted
    rows = polars.DataFrame({name: frame[name].tolist() for name in ("size", "colour")})
    again = smoothlab.SmoothClassifier(**QUICK).fit(rows, polars.Series("grade", labels.tolist()))
    assert again.feature_names_in_.tolist() == ["size", "colour"]
    assert set(again.predict(rows)) <= {"good", "bad"}


def test_a_model_that_is_no_net_and_a_decision_serve_too():
    frame, labels = table()
    forest = smoothlab.SmoothClassifier("none", model="boosting").fit(frame, labels)
    assert forest.score(frame, labels) > 0.9
    chosen = smoothlab.SmoothClassifier(
        decision="costs", decision__costs={"good": {"bad": 9.0}, "bad": {"good": 1.0}}, **QUICK
    )
    assert set(chosen.fit(frame, labels).predict(frame)) <= {"good", "bad"}


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"smothing": "none"}, "smothing"),
        ({"smoothing": "standrad"}, "standard"),
        ({"optimizer__lrr": 0.1}, "optimizer.lr"),
        ({"smoothing": "standard", "smoothing__strength__epsilon": 2.0}, "epsilon"),
        ({"validation_fraction": 0}, "validation_fraction = 0"),
        ({"rows": "sorted"}, "rows = 'sorted'"),
        ({"optimizer__lr": object()}, "expected a number"),
    ],
)
def test_a_wrong_parameter_is_one_line(parameters, says):
    features, labels = numbers()
    with pytest.raises(ValueError, match=says) as caught:
        smoothlab.SmoothClassifier(**parameters).fit(features, labels)
    assert isinstance(caught.value, UserMistake)
    assert "\n" not in str(caught.value)


def test_wrong_rows_are_one_line(fitted):
    made, frame, labels = fitted
    with pytest.raises(ValueError, match="sample_weight: row 3 is -1"):
        clone(made).fit(frame, labels, sample_weight=np.where(np.arange(len(frame)) == 3, -1.0, 1.0))
    with pytest.raises(ValueError, match="eval_set: class 'new'"):
        clone(made).fit(frame, labels, eval_set=(frame, labels.replace("bad", "new")))
    with pytest.raises(ValueError, match="7 labels for 120 rows"):
        clone(made).fit(frame, labels[:7])
    with pytest.raises(NotFittedError):
        clone(made).predict(frame)
    with pytest.raises(ValueError, match="no_such"):
        clone(made).set_params(no_such=1)
    with pytest.raises(ValueError, match="feature names should match"):
        made.predict(frame.drop(columns="size"))


@pytest.mark.parametrize(
    ("rows", "labels", "says"),
    [
        (lambda X: {"a": X[:, 0]}, None, "X: dict; expected a table"),
        (lambda X: list(pd.DataFrame(X).to_dict("records")), None, "X: list of mappings; expected"),
        (lambda X: (row for row in X), None, "X: generator; expected a table"),
        (lambda X: "my.csv", None, "X: str; expected a table"),
        (lambda X: pd.DataFrame(index=range(len(X))), None, "X: a table without columns"),
        (lambda X: np.where(X.max() == X, np.nan, X), None, "X: contains NaN; cells may be missing in a table"),
        (None, lambda y: np.where(y == 1, None, "a"), "y: expected labels of one type, none of them missing"),
        (None, lambda y: np.array(["a", 1, 2] * 30, dtype=object), "y: expected labels of one type"),
        (None, lambda y: pd.to_datetime(y), "y: datetime64"),
        (None, iter, "y: list_iterator; expected labels"),
        (None, np.zeros_like, "y: 1 class, 0; expected two or more"),
    ],
)
def test_what_is_no_table_and_what_are_no_labels_is_one_line(rows, labels, says):
    features, classes = numbers()
    X = rows(features) if rows else features
    y = labels(classes.tolist() if labels is iter else classes) if labels else classes
    with pytest.raises(smoothlab.errors.WrongInput, match=says) as caught:
        smoothlab.SmoothClassifier(**QUICK).fit(X, y)
    assert "\n" not in str(caught.value)


def test_mistakes_in_rows_of_validation_and_in_the_seed_say_where_they_are():
    features, labels = numbers()
    model = smoothlab.SmoothClassifier(**QUICK)
    for eval_set, says in (
        ((features[:, :2], labels), "eval_set: X has 2 features"),
        ((features, labels[:-1]), "eval_set: y: 89 labels for 90 rows"),
        ([(features, labels)] * 2, r"eval_set: expected one pair, \(X, y\)"),
        ((features, labels + 1), "eval_set: class 3 is not among"),
    ):
        with pytest.raises(ValueError, match=says):
            model.fit(features, labels, eval_set=eval_set)
    with pytest.raises(ValueError, match="random_state = -1: expected a number"):
        clone(model).set_params(random_state=-1).fit(features, labels)
    with pytest.raises(smoothlab.errors.WrongInput, match="4 rows are too few"):
        model.fit(features[:4], [0, 0, 1, 1])


@pytest.mark.filterwarnings("ignore:X has feature names")
def test_a_model_of_an_array_takes_a_table_with_names_by_its_places():
    features, labels = numbers()
    model = smoothlab.SmoothClassifier(**QUICK).fit(features, labels)
    named = pd.DataFrame(features, columns=list("abcd"))
    np.testing.assert_array_equal(model.predict_proba(named), model.predict_proba(features))


def test_a_question_mark_is_a_missing_cell():
    frame, labels = table()
    marked = frame.assign(size=frame["size"].astype(object).fillna("?"))
    fitted = [smoothlab.SmoothClassifier(random_state=0, **QUICK).fit(rows, labels) for rows in (frame, marked)]
    expected = fitted[0].predict_proba(frame)
    for model in fitted:
        np.testing.assert_allclose(model.predict_proba(marked), expected, atol=1e-6)
    assert (marked["size"] == "?").any()
