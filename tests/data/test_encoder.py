"""The encoder standardises by training statistics and names the cell that it cannot read."""

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler

from smoothlab.data import TableEncoder
from smoothlab.data.table.numeric import NumericColumn
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


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("cell", [1e300, -1e300, 1e40])
def test_a_cell_that_float32_cannot_hold_is_named(frame, cell):
    sizes = frame["size"].to_numpy(copy=True)
    sizes[[6, 9]] = cell
    message = (
        r"new.csv: column 'size', data row 7: expected a finite number, got -?1e\+\d+, too large once standardised"
    )
    with pytest.raises(UserMistake, match=message):
        TableEncoder.fit(frame).encode(frame.assign(size=sizes), where="new.csv")


@pytest.mark.filterwarnings("error")
def test_the_largest_double_less_a_negative_mean_is_named():
    encoder = TableEncoder([NumericColumn("size", mean=-1e308, deviation=1e300)])
    with pytest.raises(UserMistake, match="column 'size', data row 2: expected a finite number"):
        encoder.encode(pd.DataFrame({"size": [0.0, 1.7e308]}))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("large", [[1e200], [1.5e308, 1.6e308], [1e308, -1.7e308]])
def test_a_column_without_a_finite_deviation_is_named(frame, large):
    sizes = frame["size"].to_numpy(copy=True)
    sizes[4 : 4 + len(large)] = large
    message = (
        rf"training data: column 'size', data row {4 + len(large)}: expected a finite number, .* too large for a mean"
    )
    with pytest.raises(UserMistake, match=message):
        TableEncoder.fit(frame.assign(size=sizes))
