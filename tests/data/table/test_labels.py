"""Labels of every kind: one class, ordered classes, votes, several labels; weights, noise and trees of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from smoothlab.data.table.labels import read_labels
from smoothlab.data.table.noise import noisy
from smoothlab.errors import InvalidArgument, UserMistake


@pytest.fixture
def frame() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    place = generator.integers(0, 3, 200)
    votes = generator.integers(0, 4, (200, 3)) + np.eye(3, dtype=int)[place]
    return pd.DataFrame(
        {
            "x": generator.normal(size=200) + place,
            "y": np.array(["cat", "dog", "pug"])[place],
            "path": np.array(["pet > cat", "pet > canine > dog", "pet > canine > pug"])[place],
            "grade": np.array([10, 2, 7])[place],
            "tags": np.array(["red;big", "red", "blue; big"])[place],
            **{name: votes[:, column] for column, name in enumerate(["A", "B", "C"])},
            "weight": generator.exponential(size=200),
            "reader": generator.choice(["ann", "bob", None], 200),
        }
    )


def labels_of(table, frame, features=("x",), **options):
    data = table(frame, drop=[name for name in frame.columns if name not in {*features, *used(options)}], **options)
    order = torch.argsort(torch.cat([data.split(part).rows for part in ("train", "val", "test")]))
    return data, torch.cat([data.split(part).labels for part in ("train", "val", "test")])[order]


def used(options) -> set[str]:
    target = options["target"]
    names = {*([target] if isinstance(target, str) else target), *options.get("metadata", ()), options.get("weight")}
    return {str(name) for name in (*names, options.get("tree"))}


def test_classes_are_named_by_what_the_file_holds_whole_numbers_in_order(table, frame):
    data, labels = labels_of(table, frame, target="grade")
    assert data.class_names == ["2", "7", "10"]
    assert np.array_equal(np.array([2, 7, 10])[labels], frame["grade"])
    data, _ = labels_of(table, frame.assign(grade=frame["grade"].astype(float)), target="grade")
    assert data.class_names == ["2", "7", "10"]
    data, _ = labels_of(table, frame, target="grade", classes={"2": "low", 10: "high"})
    assert data.class_names == ["low", "7", "high"]


def test_ordered_classes(table, frame):
    data, labels = labels_of(table, frame, target="y", labels="ordinal", order=["pug", "cat", "dog"])
    assert data.class_order
    assert np.array_equal(np.array(["pug", "cat", "dog"])[labels], frame["y"])
    assert labels_of(table, frame, target="grade", labels="ordinal")[0].class_names == ["2", "7", "10"]


def test_votes_are_shares_and_their_agreement_is_metadata(table, frame):
    data, labels = labels_of(table, frame, target=["A", "B", "C"], labels="votes")
    votes = frame[["A", "B", "C"]].to_numpy()
    np.testing.assert_allclose(labels, votes / votes.sum(1, keepdims=True), rtol=1e-6)
    train = data.split("train")
    assert train.metadata["votes"].tolist() == votes.sum(1)[train.rows].tolist()
    np.testing.assert_allclose(train.metadata["agreement"], (votes.max(1) / votes.sum(1))[train.rows], rtol=1e-6)
    assert data.class_names == ["A", "B", "C"]


def test_several_labels_by_separator_and_by_columns_agree(table, frame):
    data, labels = labels_of(table, frame, target="tags", labels="multilabel", label_separator="semicolon")
    assert data.class_names == ["big", "blue", "red"]
    columns = frame["tags"].str.replace(" ", "").str.get_dummies(";")
    np.testing.assert_array_equal(labels, columns)
    wide = pd.concat([frame[["x"]], columns], axis=1).astype({"red": object})
    wide.loc[3, "red"] = None
    _, known = labels_of(table, wide, target=["big", "blue", "red"], labels="multilabel")
    assert known[3, 2] == -1
    known[3, 2] = labels[3, 2]
    assert torch.equal(known, labels)


def test_a_tree_from_a_column_of_paths(table, frame):
    data, _ = labels_of(table, frame, target="y", tree="path")
    tree = data.class_tree
    cat, dog, pug = tree.nodes(data.class_names)
    assert tree.distances([cat, dog, pug])[1].tolist() == [2.0, 0.0, 1.0]
    assert data.encoder.names == ["x"]
    with pytest.raises(UserMistake, match=r"data.tree: class 'pug' is not in it"):
        labels_of(table, frame, target="y", tree={"pet": ["cat", "dog"]})
    frame.loc[7, "path"] = f"other > {frame['y'][7]}"
    with pytest.raises(UserMistake, match=f"class '{frame['y'][7]}' has two paths"):
        labels_of(table, frame, target="y", tree="path")


def test_rows_without_a_label_are_left_out_with_a_note(table, frame):
    data = table(frame[["x", "y"]].assign(y=frame["y"].mask(frame.index < 5)), target="y")
    assert "5 rows without a label are left out" in data.notes
    assert min(int(data.split(part).rows.min()) for part in ("train", "val", "test")) == 5


def test_class_weights_agree_with_scikit_learn(table, frame):
    data, _ = labels_of(table, frame, target="y", class_weight="balanced")
    train = data.split("train")
    expected = compute_class_weight("balanced", classes=np.arange(3), y=train.labels.numpy())
    np.testing.assert_allclose(train.metadata["sample_weight"], expected[train.labels], rtol=1e-5)
    by_hand, _ = labels_of(table, frame, target="y", class_weight={"cat": 1, "dog": 2, "pug": 4})
    train = by_hand.split("train")
    ratio = (
        train.metadata["sample_weight"][train.labels == 2][0] / train.metadata["sample_weight"][train.labels == 0][0]
    )
    assert float(ratio) == pytest.approx(4)


def test_sample_weights_have_the_mean_one_in_training(table, frame):
    data, _ = labels_of(table, frame, target="y", weight="weight")
    train = data.split("train")
    assert float(train.metadata["sample_weight"].mean()) == pytest.approx(1, abs=1e-5)
    ratio = train.metadata["sample_weight"].numpy() / frame["weight"].to_numpy()[train.rows]
    assert float(ratio.max() / ratio.min()) == pytest.approx(1, abs=1e-5)
    assert data.encoder.names == ["x"]


def test_metadata_are_no_features_and_their_words_have_codes(table, frame):
    data, _ = labels_of(table, frame, target="y", metadata=["reader"])
    assert data.metadata_categories == {"reader": ["ann", "bob"]}
    train = data.split("train")
    words = np.array(["ann", "bob", ""])[train.metadata["reader"]]
    assert words.tolist() == frame["reader"].fillna("").to_numpy()[train.rows].tolist()


@pytest.mark.parametrize("kind", ["symmetric", "pair", "instance"])
def test_noise_changes_its_share_of_the_training_labels_and_no_other(table, frame, kind):
    big = pd.concat([frame] * 40, ignore_index=True)
    data, labels = labels_of(table, big, target="y", noise=kind, noise_rate=0.3)
    clean = pd.factorize(big["y"], sort=True)[0]
    wrong = labels.numpy() != clean
    rows = {part: data.split(part).rows.numpy() for part in ("train", "val", "test")}
    assert wrong[rows["train"]].mean() == pytest.approx(0.3, abs=0.02)
    assert not wrong[rows["val"]].any()
    assert not wrong[rows["test"]].any()
    if kind == "pair":
        assert ((labels.numpy() - clean)[wrong] % 3 == 1).all()
    assert any(f"{kind} noise" in note for note in data.notes)


def test_symmetric_noise_goes_to_every_other_class_alike():
    labels = np.repeat(np.arange(4), 10_000)
    wrong = noisy(labels, 4, "symmetric", 0.3, 0)
    matrix = np.array([[(wrong[labels == true] == seen).mean() for seen in range(4)] for true in range(4)])
    np.testing.assert_allclose(matrix, np.full((4, 4), 0.1) + 0.6 * np.eye(4), atol=0.015)


def test_instance_noise_depends_on_the_features():
    generator = np.random.default_rng(0)
    features = np.repeat(generator.normal(size=(2, 5)), 5000, axis=0)
    wrong = noisy(np.zeros(10_000, dtype=np.int64), 4, "instance", 0.3, 0, features)
    first, second = (np.bincount(part, minlength=4)[1:] / 5000 for part in (wrong[:5000], wrong[5000:]))
    assert np.abs(first - second).max() > 0.05


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "z"}, "data.target = 'z': no such column; the table has x, y"),
        ({"target": "x"}, "different fractions, a quantity and no classes"),
        ({"target": "y", "labels": "ordinal"}, "order = None: expected a list of the classes from lowest to highest"),
        ({"target": "y", "labels": "ordinal", "order": ["cat", "dog"]}, r"each once \(it lacks 'pug'\)"),
        ({"target": "y", "labels": "ordinal", "order": ["cat", "dog", "pug", "elk"]}, "'elk' is no class"),
        ({"target": "y", "order": ["cat"]}, "order = .*: expected null with labels=single"),
        ({"target": ["y", "grade"]}, "expected one column with labels=single"),
        ({"target": "y", "labels": "votes"}, "expected a list of columns, one a class"),
        ({"target": "y", "labels": "words"}, "labels = 'words': expected one of single, ordinal, votes, multilabel"),
        ({"target": "y", "classes": {"elk": "Elk"}}, "classes = 'elk': expected what the target holds: cat, dog, pug"),
        ({"target": ["y", "A"], "labels": "votes"}, "data.target: column 'y', data row 1: expected a finite number"),
        ({"target": ["A", "B"], "labels": "multilabel"}, "expected 0 or 1"),
        ({"target": "y", "class_weight": "even"}, "class_weight = 'even': expected null, balanced"),
        ({"target": "y", "class_weight": {"cat": 1}}, "class_weight.dog = None: expected a positive number"),
        ({"target": "y", "class_weight": {"cat": 1, "elk": 1}}, "class_weight.elk = 1: expected classes: cat, dog"),
        ({"target": "y", "noise": "symmetric", "noise_rate": 1.0}, r"noise_rate = 1.0: expected a number in \[0, 1\)"),
        (
            {"target": ["A", "B", "C"], "labels": "votes", "noise": "pair"},
            "noise = 'pair': expected none with labels=votes",
        ),
        ({"target": "y", "weight": "y"}, "weight = 'y': expected another column than the target"),
        ({"target": "y", "kinds": {"x": "colour"}}, "kinds.x = 'colour': expected one of numeric"),
        ({"target": "y", "metadata": ["z"]}, "data.metadata = 'z': no such column"),
        (
            {"target": "y", "drop": ["x", "path", "grade", "tags", "A", "B", "C", "weight", "reader"]},
            "no column is left",
        ),
        ({}, "data.target: missing"),
    ],
)
def test_mistakes(table, frame, options, message):
    with pytest.raises((UserMistake, InvalidArgument), match=message) as caught:
        table(frame, **{"target": None, **options})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"y": "cat"}, {"target": "y"}, "expected at least two classes, got cat"),
        ({"y": None}, {"target": "y"}, "data.target = 'y': every cell is empty"),
        ({"A": 0, "B": 0, "C": 0}, {"target": ["A", "B", "C"], "labels": "votes"}, "the votes of data row 1 sum to 0"),
        ({"A": -1}, {"target": ["A", "B", "C"], "labels": "votes"}, "data row 1 has a negative vote, -1"),
        ({"weight": -1.0}, {"target": "y", "weight": "weight"}, "data.weight: data row 1 is -1; expected numbers of"),
        ({"weight": 0.0}, {"target": "y", "weight": "weight"}, "data.weight: every weight in 'weight' is 0"),
        ({"x": np.inf}, {"target": "y", "kinds": {"x": "numeric"}}, "column 'x', data row 2: expected a finite number"),
    ],
)
def test_tables_that_cannot_be_used(table, frame, change, options, message):
    with pytest.raises(UserMistake, match=message) as caught:
        table(frame.drop(columns=["path", "tags"]).assign(**change), **options)
    assert "\n" not in str(caught.value)


def test_votes_of_nobody_are_left_out():
    frame = pd.DataFrame({"A": [1.0, None, 0.0], "B": [1.0, None, 2.0]})
    labels = read_labels(frame, ["A", "B"], "votes")
    assert labels.rows.tolist() == [0, 2]
    assert labels.values.tolist() == [[0.5, 0.5], [0.0, 1.0]]


def test_rare_classes_are_merged(table):
    frame = pd.DataFrame({"x": np.arange(100.0) % 13, "y": ["a"] * 50 + ["b"] * 44 + ["c", "d", "e"] * 2})
    data = table(frame, target="y", rare_classes=5)
    assert data.class_names == ["a", "b", "other"]
    assert sum(int((data.split(part).labels == 2).sum()) for part in ("train", "val", "test")) == 6


def test_the_positive_class_is_the_last_and_can_be_chosen(table):
    frame = pd.DataFrame({"x": np.arange(60.0) % 13, "y": ["ill", "well"] * 30, "k": list("abc") * 20})
    assert table(frame, target="y").class_names == ["ill", "well"]
    chosen = table(frame, target="y", positive="ill")
    assert chosen.class_names == ["well", "ill"]
    labels = chosen.split("test").labels.tolist()
    assert labels == [int(frame["y"][row] == "ill") for row in chosen.split("test").rows.tolist()]
    for options, message in (
        ({"target": "y", "positive": "sick"}, "positive = 'sick': expected ill or well"),
        ({"target": "k", "positive": "a"}, "null with 3 classes"),
    ):
        with pytest.raises(InvalidArgument, match=message):
            table(frame, **options)


@pytest.mark.parametrize("names", [["2-Jan", "5-Mar"], ["2024-01-02", "2024-03-05"], ["Mar-01", "ok"]])
def test_classes_that_a_spreadsheet_mangled_are_noted(table, names):
    frame = pd.DataFrame({"x": np.arange(60.0) % 13, "y": names * 30})
    assert any("look like dates" in note for note in table(frame, target="y").notes)


def test_many_numbers_with_a_row_each_are_a_quantity(table):
    frame = pd.DataFrame({"x": np.arange(200.0) % 13, "y": np.arange(200)})
    with pytest.raises(UserMistake, match="a quantity or a name, and no class"):
        table(frame, target="y")
