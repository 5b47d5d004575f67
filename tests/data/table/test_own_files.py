"""Files that nobody prepared are understood or refused in one line, and a model reads new rows as it did the old."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import smoothlab
from smoothlab.data import describe, encoder_from_state
from smoothlab.errors import UserMistake

ROWS = 240


@pytest.fixture
def awkward(tmp_path):
    """The six files of a bad day, by name, with the column to learn."""
    generator = np.random.default_rng(0)
    place = generator.integers(0, 2, ROWS)
    x = generator.normal(size=ROWS) + 2 * place
    y = np.array(["nein", "ja"])[place]
    frames = {
        "bom": (
            pd.DataFrame({"größe": x.round(2), "farbe": generator.choice(["rot", "grün"], ROWS), "ziel": y}),
            "ziel",
        ),
        "quoted": (
            pd.DataFrame({"note": [f'said "{word}",\nthen left; {k}' for k, word in enumerate(y)], "x": x, "y": y}),
            "y",
        ),
        "dates": (
            pd.DataFrame(
                {"opened": pd.date_range("2019-12-30", periods=ROWS, freq="D").strftime("%d.%m.%Y"), "x": x, "y": y}
            ),
            "y",
        ),
        "missing": (pd.DataFrame({"x": np.where(generator.random(ROWS) < 0.4, np.nan, x), "z": x, "y": y}), "y"),
        "categories": (
            pd.DataFrame({"city": [f"city {k}" for k in generator.integers(0, 300, ROWS)], "x": x, "y": y}),
            "y",
        ),
        "gaps": (pd.DataFrame({"x": x, "code": np.array([3, 11])[place]}), "code"),
    }
    paths = {}
    for name, (frame, target) in frames.items():
        path = tmp_path / f"{name}.csv"
        options = {"sep": ";", "decimal": ",", "encoding": "utf-8-sig"} if name == "bom" else {}
        frame.to_csv(path, index=False, **options)
        paths[name] = (path, target, frame)
    return paths


@pytest.mark.parametrize(
    ("name", "features", "classes"),
    [
        ("bom", ["größe", "farbe = (other)", "farbe = grün", "farbe = rot"], ["ja", "nein"]),
        ("dates", ["opened year", "opened month", "opened weekday", "opened day", "x"], ["ja", "nein"]),
        ("missing", ["x", "x missing", "z"], ["ja", "nein"]),
        ("gaps", ["x"], ["3", "11"]),
    ],
)
def test_what_is_understood(table, awkward, name, features, classes):
    path, target, frame = awkward[name]
    data = table(path, target=target)
    assert data.encoder.names == features
    assert data.class_names == classes
    train = data.split("train")
    assert np.array_equal(np.array(classes)[train.labels], frame[target].astype(str).to_numpy()[train.rows])
    assert describe(data).splits == {"train": 153, "val": 39, "test": 48}


def test_quoted_newlines_and_commas_are_one_cell(table, awkward):
    path, target, _ = awkward["quoted"]
    data = table(path, target=target)
    (note,) = (column for column in data.columns if column.name == "note")
    assert (note.kind, note.distinct, note.role) == ("text", ROWS, "feature")
    words = {name.removeprefix("note: ") for name in data.encoder.names if name.startswith("note: ")}
    assert {"said", "ja", "nein", "then", "left"} <= words
    assert any("'note'" in name or "note" in name for name in data.encoder.names)


def test_three_hundred_categories_are_folded(table, awkward):
    path, target, frame = awkward["categories"]
    data = table(path, target=target, rare=3)
    train = frame["city"].to_numpy()[data.split("train").rows]
    counts = pd.Series(train).value_counts()
    known = data.encoder.names[1:-1]
    assert known == sorted(f"city = {name}" for name in counts.index[counts >= 3])
    coded = table(path, target=target, rare=3, categories="codes")
    arguments = coded.net_arguments
    assert (arguments["num_numeric"], arguments["cardinalities"]) == (1, [len(known) + 1])
    codes = coded.split("test").features[:, -1]
    one_hot = data.split("test").features[:, :-1]
    assert torch.equal(codes.long(), one_hot.argmax(1))
    assert torch.equal(one_hot.sum(1), torch.ones(48))


def test_dates_become_what_the_calendar_says(table, awkward):
    path, target, frame = awkward["dates"]
    data = table(path, target=target)
    date = pd.to_datetime(frame["opened"], format="%d.%m.%Y").iloc[data.split("test").rows.numpy()]
    day, weekday = (data.encoder.columns[0].parts[name] for name in ("day", "weekday"))
    features = data.split("test").features.numpy()
    days = (date - pd.Timestamp("1970-01-01")).dt.days
    np.testing.assert_allclose(features[:, 3] * day.deviation + day.mean, days, rtol=1e-5)
    np.testing.assert_allclose(features[:, 2] * weekday.deviation + weekday.mean, date.dt.day_of_week, atol=1e-5)


def test_new_rows_are_encoded_as_the_old_ones_whatever_their_types(table, awkward):
    path, target, _ = awkward["bom"]
    data = table(path, target=target)
    again = encoder_from_state(data.encoder.state())
    new = pd.DataFrame({"farbe": ["rot", "blau", None, "grün"], "größe": ["1", "2.5", "3", "-1"], "more": 1})
    features = again.encode(new)
    assert features[:, 1:].tolist() == [[0, 0, 1], [1, 0, 0], [1, 0, 0], [0, 1, 0]]  # unseen and empty: other
    typed = again.encode(new.assign(größe=[1, 2.5, 3, -1]).astype({"farbe": "category"}))
    assert torch.equal(features, typed)
    with pytest.raises(UserMistake, match="column 'größe', data row 1: expected a finite number, got an empty cell"):
        again.encode(new.assign(größe=None))


def test_a_run_reads_new_rows_from_a_file_like_its_own(awkward, tmp_path, monkeypatch):
    from smoothlab.commands import main

    monkeypatch.chdir(tmp_path)
    path, target, frame = awkward["bom"]
    options = ["data=table", f"data.path={path}", f"data.target={target}", "logger=csv", "trainer.max_epochs=2"]
    run = smoothlab.train([*options, "progress=none", "threads=1"])
    log = (run.path / "run.log").read_text(encoding="utf-8")
    assert "240 rows (153 train, 39 val, 48 test), 2 classes; features: 1 numeric, 1 categorical" in log
    assert main(["predict", f"run={run.path}", f"input={path}", "output=out.csv"]) == 0
    expected = run.model().predict(frame)
    np.testing.assert_allclose(pd.read_csv("out.csv")["prob_ja"], expected["prob_ja"], rtol=1e-6)


def test_a_run_on_votes_is_scored_against_their_shares(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    votes = generator.multinomial(5, [0.6, 0.3, 0.1], 200)
    frame = pd.DataFrame({"x": votes[:, 0] + generator.normal(size=200), **dict(zip("abc", votes.T, strict=True))})
    frame.to_parquet("votes.parquet")
    options = ["data=table", "data.path=votes.parquet", "data.target=[a,b,c]", "data.labels=votes"]
    more = ["smoothing=none", "logger=csv", "trainer.max_epochs=2", "progress=none", "threads=1"]
    run = smoothlab.train([*options, *more])
    predictions = pd.read_parquet(run.path / "predictions" / "test.parquet")
    shares = votes[predictions["row"]] / 5
    log_p = np.log(predictions[["prob_a", "prob_b", "prob_c"]].to_numpy())
    assert run.results["metrics"]["test"]["nll"] == pytest.approx(float(-(shares * log_p).sum(1).mean()), rel=1e-5)


def test_what_looks_wrong_is_said(table):
    generator = np.random.default_rng(0)
    place = generator.integers(0, 2, 400)
    frame = pd.DataFrame(
        {
            "x": generator.normal(size=400).round(1),
            "copied": place * 3.0 + 1,
            "status": np.array(["open", "paid"])[place],
            "label_again": generator.normal(size=400),
            "row": np.arange(400),
            "site": "north",
            "hollow": np.where(generator.random(400) < 0.7, np.nan, 1.0) * generator.normal(size=400),
            "label": np.array(["a", "b"])[place],
        }
    )
    frame.loc[:3, "label"] = "c"
    description = describe(table(frame, target="label"))
    by_name = {column["name"]: column for column in description.columns}
    assert by_name["row"]["kind"] == "id"
    assert by_name["site"]["kind"] == "constant"
    text = "\n".join(description.warnings)
    assert "column 'label_again' has the target's name in its own" in text
    assert "column 'hollow' is empty in" in text
    assert "class 'c' has 4 rows, fewer than data.folds = 5" in text
    two = frame[frame["label"] != "c"].drop(columns="label_again")
    text = "\n".join(describe(table(two, target="label")).warnings)
    assert "column 'copied' alone gives the target away (mean recall 1.000 on val)" in text
    assert "column 'status' alone gives the target away" in text
    assert "column 'x'" not in text
    twins = pd.concat([frame[["x", "label"]]] * 2, ignore_index=True)
    assert "rows have the same features as a training row" in "\n".join(describe(table(twins, target="label")).warnings)
    deduplicated = table(twins, target="label", deduplicate=True)
    assert any("rows that are equal to another one are left out" in note for note in deduplicated.notes)


def test_hierarchical_labels_bring_their_tree(table, shared):
    folder = shared / "data" / "hier_multilabel" / "imclef07a"
    if not folder.is_dir():
        pytest.skip(f"{folder} does not exist")
    data = table(folder / "ImCLEF07A_Test.arff", target="class", labels="multilabel")
    assert len(data.class_names) <= 96
    assert len(data.class_tree.names) == 97  # and the root
    assert data.split("train").labels.sum(1).unique().tolist() == [3.0]
    node = data.class_tree.node("2/1/3")
    assert [data.class_tree.names[ancestor] for ancestor in data.class_tree.ancestors(node)] == ["2/1", "2", "root"]


def test_columns_without_names_are_numbers(table, tmp_path):
    generator = np.random.default_rng(0)
    frame = pd.DataFrame({"a": generator.normal(size=60), "b": generator.normal(size=60), "y": ["n", "y"] * 30})
    frame.to_csv(tmp_path / "a.csv", index=False, header=False)
    data = table(tmp_path / "a.csv", header=None, target=2, drop=[0])
    assert data.encoder.names == ["1"]
    assert data.class_names == ["n", "y"]
    frame.drop(columns="y").rename(columns={"a": "0", "b": "1"}).to_csv(tmp_path / "new.csv", index=False)
    for name in ("a.csv", "new.csv"):  # new rows may have a header, and no label
        rows = data.encoder.read(tmp_path / name)
        assert torch.equal(data.encoder.encode(rows)[data.split("test").rows], data.split("test").features)
