"""A row is a function of its number: however rows are asked for, they are the same."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from synthetic_worlds import WORLDS, conditional, ordinal, rows_of

from smoothlab.data import encoder_from_state
from smoothlab.data.synthetic import rows as rows_module
from smoothlab.data.synthetic.draws import choices, uniforms
from smoothlab.errors import InvalidArgument, UserMistake


def same(first, other) -> bool:
    tensors = [(first.features, other.features), (first.labels, other.labels), (first.rows, other.rows)]
    tensors += [(first.metadata[name], other.metadata[name]) for name in {*first.metadata, *other.metadata}]
    return all(torch.equal(a, b) for a, b in tensors)


@pytest.mark.parametrize("world", WORLDS)
def test_any_cut_of_the_rows_gives_the_same_rows(world, monkeypatch):
    rows = rows_of(WORLDS[world](), noise="symmetric", sources=2, readers=3, label="votes")
    whole = rows.batch("train", 0, 300, truth=True)
    for size in (1, 7, 64, 299):
        for start in range(0, 300, 3 * size):
            stop = min(start + size, 300)
            assert same(rows.batch("train", start, stop, truth=True), whole.take(slice(start, stop)))
    monkeypatch.setattr(rows_module, "CHUNK", 11)
    assert same(rows.batch("train", 0, 300, truth=True), whole)


@given(st.integers(0, 2**40), st.integers(1, 50), st.integers(1, 13), st.integers(0, 2**32 - 1))
def test_a_row_is_reached_without_those_before_it(start, count, width, seed):
    drawn = uniforms(seed, "world", start, start + count, width)
    half = count // 2
    np.testing.assert_array_equal(drawn[half], uniforms(seed, "world", start + half, start + half + 1, width)[0])
    assert ((drawn > 0) & (drawn < 1)).all()


def test_uniform_numbers_are_uniform_and_rows_independent():
    drawn = uniforms(1, "world", 0, 50_000, 5)
    from scipy.stats import kstest

    assert all(kstest(column, "uniform").pvalue > 1e-3 for column in drawn.T)
    correlations = np.corrcoef(np.concatenate([drawn[:-1], drawn[1:]], axis=1).T) - np.eye(10)
    assert np.abs(correlations).max() < 0.02
    labels = uniforms(1, "labels", 0, 50_000, 5)
    assert abs(np.corrcoef(drawn[:, 0], labels[:, 0])[0, 1]) < 0.02


def test_choices_by_a_shared_and_by_own_distributions_agree():
    shares, uniform = np.array([0.2, 0.5, 0.3]), np.linspace(0.001, 0.999, 999)
    shared = choices(shares, uniform)
    np.testing.assert_array_equal(shared, choices(np.tile(shares, (999, 1)), uniform))
    np.testing.assert_allclose(np.bincount(shared) / 999, shares, atol=0.002)
    short = np.array([0.2, 0.5, 0.3 - 1e-9])  # rounding
    assert choices(short, np.array([1 - 1e-12]))[0] == 2


def test_seeds_of_rows_and_of_the_world_are_two():
    first, other = rows_of(conditional(), seed=1), rows_of(conditional(), seed=2)
    assert not torch.equal(
        first.batch("train", 0, 9, truth=False).features, other.batch("train", 0, 9, truth=False).features
    )
    np.testing.assert_array_equal(first.domain.means, other.domain.means)
    assert not np.array_equal(first.domain.means, conditional(seed=6).means)


def test_knobs_of_the_labels_leave_the_features_as_they_are():
    plain = rows_of(conditional()).batch("train", 0, 50, truth=False)
    batch = rows_of(conditional(), noise="pair", readers=7, label="votes").batch("train", 0, 50, truth=False)
    assert torch.equal(plain.features, batch.features)


def test_splits_follow_one_another_in_number_and_time():
    rows = rows_of(conditional(drift=1.0), 50)
    parts = [rows.batch(split, 0, count, truth=False) for split, count in (("train", 50), ("val", 100), ("test", 200))]
    assert torch.cat([part.rows for part in parts]).tolist() == list(range(350))
    time = torch.cat([part.metadata["time"] for part in parts])
    assert (time.diff() > 0).all()
    assert time[0] == 0
    assert time[-1] < 1


def test_the_fingerprint_follows_everything_that_rows_follow_from():
    prints = {
        rows_of(domain, **changes).fingerprint
        for domain, changes in [
            (conditional(), {}),
            (conditional(separation=1.3), {}),
            (conditional(seed=6), {}),
            (ordinal(), {}),
            (conditional(), {"seed": 8}),
            (conditional(), {"rows": 2001}),
            (conditional(), {"noise": "pair"}),
            (conditional(), {"noise": "pair", "noisy": ("train",)}),
            (conditional(), {"readers": 3}),
            (conditional(), {"readers": 3, "label": "votes"}),
        ]
    }
    assert len(prints) == 10
    assert rows_of(conditional()).fingerprint == rows_of(conditional()).fingerprint


def test_the_table_of_raw_rows_encodes_to_their_features():
    rows = rows_of(conditional(), noise="symmetric")
    frame, batch = rows.frame("train", 30, 60), rows.batch("train", 30, 60, truth=True)
    again = encoder_from_state(rows.encoder.state())
    assert torch.equal(again.encode(frame), batch.features)
    arguments = again.net_arguments
    assert arguments.pop("in_features") == 3 + 3 + 2
    assert [(span.kind, span.start, span.width) for span in arguments.pop("spans")] == [
        *(("number", place, 1) for place in range(3)),
        ("one_hot", 3, 3),
        ("one_hot", 6, 2),
    ]
    assert not arguments
    truth = frame[[f"true_{name}" for name in rows.domain.class_names]].to_numpy(dtype=np.float32)
    np.testing.assert_array_equal(truth, batch.metadata["posterior"].numpy())
    assert [rows.domain.class_names[k] for k in batch.labels] == frame["label"].tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"number_2": ["many"] * 5}, "new.csv: column 'number_2', data row 1: expected a finite number, got 'many'"),
        ({"number_2": [0, 0, np.inf, 0, 0]}, "column 'number_2', data row 3: expected a finite number, got 'inf'"),
        ({"number_1": [0, 0, 1e300, 0, 0]}, "column 'number_1', data row 3: expected a finite number"),
        ({"category_1": ["a1", "b1"] * 2 + ["a1"]}, "column 'category_1', data row 2: expected a1, a2, a3, got 'b1'"),
    ],
)
def test_a_raw_row_that_cannot_be_is_named(change, message):
    rows = rows_of(conditional())
    frame = rows.frame("train", 0, 5).assign(**{name: pd.Series(cells) for name, cells in change.items()})
    with pytest.raises(UserMistake, match=message):
        rows.encoder.encode(frame, where="new.csv")
    with pytest.raises(UserMistake, match=r"new.csv: column 'number_1' missing"):
        rows.encoder.encode(frame.drop(columns="number_1"), where="new.csv")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": 1}, "classes = 1"),
        ({"features": 0}, "features = 0"),
        ({"categories": [3, 1]}, r"categories = \[3, 1\]"),
        ({"imbalance": 0.5}, "imbalance = 0.5"),
        ({"drift": -1.0}, "drift = -1.0"),
        ({"separation": 0.0}, "separation = 0.0"),
        ({"depth": 0}, "depth = 0"),
        ({"depth": 3}, r"depth = 3: expected an integer in \[1, 2\] for 4 classes"),
        ({"seed": -1}, "seed = -1"),
    ],
)
def test_arguments_out_of_range_are_named(change, message):
    with pytest.raises(InvalidArgument, match=message):
        conditional(**change)


@pytest.mark.parametrize(("classes", "depth"), [(4, 2), (10, 3), (12, 2), (9, 3), (64, 6), (100, 2)])
def test_trees_hold_every_class_at_the_same_depth(classes, depth):
    tree = conditional(classes=classes, depth=depth).class_tree
    assert tree is not None
    assert len(tree.leaves) == classes
    assert {len(tree.ancestors(leaf)) for leaf in tree.leaves} == {depth}
    sizes = [len(below) for below in tree.children if below]
    assert max(sizes) <= 2 * min(sizes) + 1
