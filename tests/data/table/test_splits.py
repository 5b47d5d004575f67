"""Splits: complete and disjoint, even in classes, whole in groups, ordered in time; or refused in one line."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoothlab.data.table.splits import fold_split, group_split, random_split, time_split
from smoothlab.errors import InvalidArgument, UserMistake

PARTS = ("train", "val", "test")
NAMES = ["a", "b", "c"]


@pytest.fixture
def frame() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 300)
    return pd.DataFrame(
        {
            "x": generator.normal(size=300) + labels,
            "patient": [f"p{place}" for place in generator.integers(0, 60, 300)],
            "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(generator.integers(0, 200, 300), unit="D"),
            "part": generator.choice(["train", "Validation", "test"], 300),
            "y": np.array(NAMES)[labels],
        }
    )


def whole(rows, count: int) -> bool:
    return sorted(np.concatenate([rows[part] for part in PARTS]).tolist()) == list(range(count))


@given(seed=st.integers(0, 99), groups=st.integers(3, 80), sizes=st.sampled_from(["equal", "skewed"]))
def test_a_group_is_never_divided_and_every_split_has_some(seed, groups, sizes):
    generator = np.random.default_rng(seed)
    weights = np.ones(groups) if sizes == "equal" else 1 / np.arange(1, groups + 1)
    members = np.concatenate([np.arange(groups), generator.choice(groups, 200, p=weights / weights.sum())])
    rows = group_split(members, generator.integers(0, 3, len(members)), (0.6, 0.2, 0.2), seed)
    assert whole(rows, len(members))
    assert all(len(index) for index in rows.values())
    assert sum(len(set(members[index])) for index in rows.values()) == groups


def test_groups_of_equal_size_are_shared_out_by_the_fractions():
    groups = np.repeat(np.arange(100), 5)
    rows = group_split(groups, np.zeros(500, dtype=int), (0.6, 0.2, 0.2), 0)
    assert [len(rows[part]) for part in PARTS] == [300, 100, 100]


@given(seed=st.integers(0, 99), different=st.integers(40, 300))
def test_time_goes_on_from_train_to_test_and_a_moment_is_never_divided(seed, different):
    times = np.random.default_rng(seed).integers(0, different, 300).astype(float)
    rows = time_split(times, (0.6, 0.2, 0.2))
    assert whole(rows, 300)
    assert times[rows["train"]].max() < times[rows["val"]].min()
    assert times[rows["val"]].max() < times[rows["test"]].min()


def test_two_moments_are_too_few_for_a_split_by_time():
    with pytest.raises(UserMistake, match="2 different times in 300 rows are too few"):
        time_split(np.repeat([0.0, 1.0], 150), (0.6, 0.2, 0.2))


def test_folds_are_disjoint_complete_and_stratified():
    labels = np.random.default_rng(0).choice(3, 300, p=[0.6, 0.3, 0.1])
    folds = [fold_split(labels, NAMES, (0.64, 0.16, 0.2), 0, 5, fold) for fold in range(5)]
    assert sorted(np.concatenate([rows["test"] for rows in folds]).tolist()) == list(range(300))
    for rows in folds:
        assert whole(rows, 300)
        np.testing.assert_allclose(np.bincount(labels[rows["test"]]), np.bincount(labels) / 5, atol=1)
        assert len(rows["val"]) == pytest.approx(48, abs=1)


def test_folds_of_groups_keep_them_together():
    generator = np.random.default_rng(0)
    labels, groups = generator.integers(0, 3, 300), generator.integers(0, 60, 300)
    for fold in range(5):
        rows = fold_split(labels, NAMES, (0.64, 0.16, 0.2), 0, 5, fold, groups)
        assert whole(rows, 300)
        assert sum(len(set(groups[index])) for index in rows.values()) == len(set(groups))


@pytest.mark.parametrize("split", [{"fold": 2}, {"split": "fold", "fold": 2}])
def test_a_fold_of_a_table(table, frame, split):
    data = table(frame.drop(columns=["patient", "when", "part"]), target="y", **split)
    labels = np.sort(np.unique(frame["y"], return_inverse=True)[1])
    assert len(data.split("test")) == pytest.approx(len(labels) / 5, abs=1)
    other = table(frame.drop(columns=["patient", "when", "part"]), target="y", fold=3)
    assert not set(data.split("test").rows.tolist()) & set(other.split("test").rows.tolist())


def test_columns_that_say_the_split_are_no_features(table, frame):
    by_group = table(frame, target="y", split="group", split_column="patient", drop=["part", "when"])
    assert by_group.encoder.names == ["x"]
    people = frame["patient"].to_numpy()
    assert sum(len(set(people[by_group.split(part).rows])) for part in PARTS) == len(set(people))

    by_time = table(frame, target="y", split="time", split_column="when", drop=["part", "patient"])
    assert by_time.encoder.names == ["x"]
    assert by_time.split("train").metadata["when"].max() < by_time.split("test").metadata["when"].min()
    days = (frame["when"] - pd.Timestamp("1970-01-01")).dt.days.to_numpy()
    assert by_time.split("val").metadata["when"].tolist() == days[by_time.split("val").rows].tolist()

    by_column = table(frame, target="y", split="column", split_column="part", drop=["when", "patient"])
    parts = frame["part"].str.lower().str[:3].to_numpy()
    assert all(set(parts[by_column.split(part).rows]) == {part[:3]} for part in PARTS)


def test_files_of_their_own(table, frame, tmp_path):
    x = frame[["x", "y"]]
    parts = {"train": x[:200], "val": x[200:240], "test": x[240:]}
    for name, part in parts.items():
        part.to_csv(tmp_path / f"{name}.csv", index=False)
    paths = {name: str(tmp_path / f"{name}.csv") for name in parts}
    data = table(path=paths, target="y")
    assert data.split("val").rows.tolist() == list(range(200, 240))
    assert data.split("test").rows.tolist() == list(range(240, 300))
    without = table(path={name: paths[name] for name in ("train", "test")}, target="y")
    assert len(without.split("val")) == 40
    assert without.split("test").rows.tolist() == list(range(200, 260))
    pd.DataFrame({"z": [1.0], "y": ["a"]}).to_csv(paths["test"], index=False)
    with pytest.raises(UserMistake, match="the test table lacks the column 'x' of the train table"):
        table(path=paths, target="y")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fractions": [0.5, 0.2, 0.2]}, "fractions = .*: expected three positive numbers that sum to 1"),
        ({"fractions": [1.0, 0.0, 0.0]}, "fractions = .*: expected three positive numbers that sum to 1"),
        ({"fold": 5}, r"fold = 5: expected an integer in \[0, 4\]"),
        ({"folds": 1, "fold": 0}, "folds = 1: expected an integer of at least 2"),
        ({"fold": 0, "split": "time", "split_column": "when"}, "fold = 0: expected null with split=time"),
        ({"split": "group"}, "split_column = None: expected the column that split=group goes by"),
        ({"split": "group", "split_column": "doctor"}, "data.split_column = 'doctor': no such column"),
        ({"split": "group", "split_column": "y"}, "split_column = 'y': expected another column than the target"),
        ({"split": "column", "split_column": "patient"}, "expected train, val or test"),
        ({"split": "rows"}, "split = 'rows': expected one of random, group"),
        ({"split": {"by": "random"}}, "split = .*: expected one of random, group"),
        ({"split_column": "when"}, "split_column = 'when': expected null with split=random"),
    ],
)
def test_mistakes(table, frame, options, message):
    with pytest.raises((UserMistake, InvalidArgument), match=message) as caught:
        table(frame, target="y", **options)
    assert "\n" not in str(caught.value)


def test_classes_that_are_too_small():
    labels = np.array([0] * 20 + [1] * 3 + [2] * 2)
    with pytest.raises(UserMistake, match=r"class 'c' has 2 row\(s\); train, val and test need at least one each"):
        random_split(labels, NAMES, (0.6, 0.2, 0.2), 0)
    with pytest.raises(UserMistake, match=r"class 'c' has 2 row\(s\); fewer than data.folds = 5"):
        fold_split(labels, NAMES, (0.6, 0.2, 0.2), 0, 5, 0)


def test_a_class_that_training_never_sees(table, frame):
    late = frame[["x", "when", "y"]].sort_values("when").reset_index(drop=True)
    late.loc[290:, "y"] = "new"
    with pytest.raises(UserMistake, match="class 'new' is in no training row of this split"):
        table(late, target="y", split="time", split_column="when")
