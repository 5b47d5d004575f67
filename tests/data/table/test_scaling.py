"""Numbers are scaled as the sources say, by quantiles that hold however many rows there are and in whatever order."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.preprocessing import QuantileTransformer, RobustScaler

from smoothlab.data import Encoding, TableData, TableEncoder
from smoothlab.data.arrays import ArrayData
from smoothlab.data.table.fitting import NumericFit
from smoothlab.data.table.numeric import NumericColumn
from smoothlab.data.table.scaling import MOST, PARTS, SampledValues, normal_scores
from smoothlab.errors import InvalidArgument


def fitted(values, scaling: str) -> NumericColumn:
    fit = NumericFit("x")
    fit.update(pd.Series(values))
    return fit.finish(indicators=True, scaling=scaling)


def features(column: NumericColumn, values) -> np.ndarray:
    return column.encode(pd.Series(values), where="rows")[:, 0]


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(0).lognormal(size=500)


def test_robust_is_scikit_learns_robust_scaler_clipped_smoothly(values):
    scaled = RobustScaler().fit_transform(values[:, None])[:, 0]
    expected = scaled / np.sqrt(1 + (scaled / 3) ** 2)
    np.testing.assert_allclose(features(fitted(values, "robust"), values), expected, rtol=1e-5, atol=1e-6)


def test_robust_takes_half_the_range_where_the_middle_half_is_one_value():
    column = fitted([0.0] * 90 + [10.0] * 10, "robust")
    clipped = 2 / np.sqrt(1 + 4 / 9)
    np.testing.assert_allclose(features(column, [0.0, 10.0]), [0.0, clipped], rtol=1e-6)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scaling", ["robust", "quantile"])
def test_far_values_stay_near(values, scaling):
    column = fitted(values, scaling)
    seen = features(column, [-1.7e308, -999.0, float(np.median(values)), 1.7e308])
    assert (np.diff(seen) >= 0).all()
    assert np.abs(seen).max() <= 3.0


def test_robust_keeps_apart_what_a_code_for_missing_flattens_by_standard(values):
    coded = np.where(np.arange(500) < 25, -99999.0, values)
    spread = {scaling: features(fitted(coded, scaling), values).std() for scaling in ("standard", "robust", "quantile")}
    assert spread["standard"] < 1e-3
    assert min(spread["robust"], spread["quantile"]) > 0.5


def test_quantile_is_scikit_learns_at_the_quantiles_between_the_ends(values):
    column = fitted(values, "quantile")
    theirs = QuantileTransformer(n_quantiles=PARTS + 1, output_distribution="normal", subsample=None)
    at = np.asarray(column.quantiles)[1:-1]
    expected = theirs.fit(values[:, None]).transform(at[:, None])[:, 0]
    np.testing.assert_allclose(features(column, at), expected, rtol=1e-5, atol=1e-6)


def test_quantile_makes_a_normal_distribution_of_another(values):
    many = np.random.default_rng(1).lognormal(size=20_000)
    made = np.sort(features(fitted(many, "quantile"), many))
    expected = norm.ppf((np.arange(len(many)) + 0.5) / len(many))
    inside = slice(400, -400)
    np.testing.assert_allclose(made[inside], expected[inside], atol=0.06)


def test_equal_quantiles_stand_at_their_mean():
    at, scores = normal_scores([0.0] * 33 + list(np.arange(1.0, 33.0)))
    assert at.tolist() == list(range(33))
    ranks = np.clip(np.arange(33) / PARTS, 1 / (8 * PARTS), 1)
    assert scores[0] == pytest.approx(norm.ppf(ranks).mean())


@pytest.mark.parametrize("scaling", ["standard", "robust", "quantile"])
def test_constant_columns_are_zeros_and_missing_cells_too(scaling):
    assert features(fitted([7.0] * 9, scaling), [7.0, 9.0]).tolist() == [0.0, 0.0]
    column = fitted([1.0, 2.0, 4.0, None], scaling)
    assert column.encode(pd.Series([None, 1.0], dtype=float), where="rows")[0].tolist() == [0.0, 1.0]


@pytest.mark.parametrize("scaling", ["standard", "robust", "quantile"])
def test_the_state_makes_the_same_encoder(values, scaling):
    frame = pd.DataFrame({"x": values, "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(500), "D")})
    encoder = TableEncoder.fit(frame, {"when": "date"}, encoding=Encoding(scaling=scaling))
    again = TableEncoder.from_state(encoder.state())
    np.testing.assert_array_equal(again.encode(frame).numpy(), encoder.encode(frame).numpy())
    assert again.net_arguments == encoder.net_arguments
    assert len(encoder.net_arguments["quantiles"]) == encoder.num_features
    assert encoder.encode(frame)[:, 0].min().item() == pytest.approx(encoder.net_arguments["quantiles"][0][0])


def test_a_state_from_before_there_was_a_choice_is_standard(values):
    state = fitted(values, "standard").state()
    old = {key: value for key, value in state.items() if key not in ("scaling", "quantiles")}
    column = NumericColumn.from_state(old)
    np.testing.assert_allclose(features(column, values), (values - values.mean()) / values.std(), rtol=1e-5, atol=1e-6)


def test_parts_give_what_all_rows_at_once_give():
    values = np.random.default_rng(2).normal(size=3 * MOST)
    whole, parts = SampledValues(), SampledValues()
    whole.update(values)
    for part in np.array_split(values, 17):
        parts.update(part)
    assert MOST / 2 <= len(whole.values) <= MOST
    np.testing.assert_array_equal(np.sort(whole.values), np.sort(parts.values))


@pytest.mark.parametrize("order", ["sorted", "periodic", "shuffled"])
def test_sampled_quantiles_are_near_those_of_all_rows_whatever_their_order(order):
    size = 200_000
    values = {
        "sorted": np.arange(size, dtype=float),
        "periodic": np.arange(size, dtype=float) % 64,
        "shuffled": np.random.default_rng(3).permutation(size).astype(float),
    }[order]
    sample = SampledValues()
    sample.update(values)
    exact = np.quantile(values, np.linspace(0, 1, PARTS + 1))
    assert np.abs(np.asarray(sample.quantiles()) - exact).max() <= 0.02 * (values.max() - values.min())


def test_the_key_is_checked_and_reaches_tables_and_arrays(values):
    with pytest.raises(InvalidArgument, match="scaling = 'minmax': expected one of standard, robust, quantile"):
        TableData(scaling="minmax")
    data = ArrayData({"features": values.reshape(250, 2), "labels": np.arange(250) % 2}, scaling="robust")
    data.setup()
    assert {column.scaling for column in data.encoder.columns} == {"robust"}
