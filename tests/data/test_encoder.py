"""The encoder standardises by training statistics and names the cell that it cannot read."""

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler

from smoothlab.data import TableEncoder
from smoothlab.errors import UserMistake


@pytest.fixture
def frame() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    return pd.DataFrame({"age": generator.normal(50, 10, 40), "size": generator.exponential(3, 40)})


def test_agrees_with_scikit_learn(frame):
    encoder = TableEncoder.fit(frame)
    expected = StandardScaler().fit(frame).transform(frame)
    np.testing.assert_allclose(encoder.encode(frame).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_columns_are_found_by_name(frame):
    encoder = TableEncoder.fit(frame)
    shuffled = frame[["size", "age"]].assign(comment="ignored")
    np.testing.assert_array_equal(encoder.encode(shuffled).numpy(), encoder.encode(frame).numpy())


def test_a_constant_column_becomes_zeros(frame):
    encoder = TableEncoder.fit(frame.assign(site=7.0))
    other = frame.assign(site=9.0)
    assert (encoder.encode(other)[:, 2] == 0).all()


def test_state_makes_the_same_encoder(frame):
    encoder = TableEncoder.fit(frame)
    again = TableEncoder.from_state(encoder.state())
    np.testing.assert_array_equal(again.encode(frame).numpy(), encoder.encode(frame).numpy())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"age": ["old"] * 40},
            r"table: column 'age', data row 1: expected a finite number, got 'old' \(40 such",
        ),
        (
            {"age": [1.0] * 39 + [None]},
            "column 'age', data row 40: expected a finite number, got an empty cell",
        ),
        ({"age": [float("inf")] + [1.0] * 39}, "column 'age', data row 1: .* got inf"),
    ],
)
def test_a_cell_that_is_no_number_is_named(frame, change, message):
    with pytest.raises(UserMistake, match=message):
        TableEncoder.fit(frame).encode(frame.assign(**change))


def test_a_missing_column_is_named(frame):
    with pytest.raises(UserMistake, match=r"new.csv: column 'size' missing"):
        TableEncoder.fit(frame).encode(frame[["age"]], where="new.csv")
