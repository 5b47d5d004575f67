"""What training columns were like is kept small, and tells what has moved since."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from smoothlab.data import TableEncoder
from smoothlab.data.table.summary import drifts, stability_index

KINDS = {"colour": "categorical", "when": "date"}


def rows(size: int, seed: int) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "size": draw.gamma(2.0, 3.0, size),
            "count": draw.integers(0, 4, size),
            "constant": 1.0,
            "colour": draw.choice(["red", "green", "blue"], size, p=[0.6, 0.3, 0.1]),
            "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(draw.integers(0, 300, size), unit="D"),
        }
    )
    table["size"] = table["size"].mask(draw.random(size) < 0.05)
    return table


@pytest.fixture(scope="module")
def encoder() -> TableEncoder:
    made = TableEncoder.fit(rows(3000, 0), KINDS, may_be_missing=["size"])
    return TableEncoder.from_state(json.loads(json.dumps(made.state())))  # as a checkpoint keeps it


def drifts_of(encoder: TableEncoder, frame: pd.DataFrame) -> dict:
    return {drift.column: drift for drift in drifts(encoder.summary, frame, encoder.columns, where="new")}


def test_rows_like_those_of_training_are_chance_as_often_as_chance_says(encoder):
    above = noted = 0
    for seed in range(1, 41):
        for drift in drifts_of(encoder, rows(500, seed)).values():
            above += drift.index > drift.chance
            noted += drift.noted
    assert above <= 8  # of 200, expected 2; P(more than 8) is 3e-4
    assert noted == 0


def test_the_distance_is_that_of_kolmogorov_and_smirnov_to_two_hundredths(encoder):
    new = rows(800, 5).assign(size=lambda frame: frame["size"] * 1.4)
    exact = ks_2samp(rows(3000, 0)["size"].dropna(), new["size"].dropna()).statistic
    distance = drifts_of(encoder, new)["size"].distance
    assert exact - 0.02 <= distance <= exact + 1e-12


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("size", lambda cells: cells * 2),
        ("size", lambda cells: cells.mask(np.arange(len(cells)) % 3 == 0)),
        ("count", lambda cells: cells + 1),
        ("constant", lambda cells: cells + 1),
        ("constant", lambda cells: cells - 1),
        ("colour", lambda cells: cells.replace("red", "blue")),
        ("colour", lambda cells: cells.replace("red", "violet")),
        ("when", lambda cells: cells + pd.Timedelta(days=200)),
    ],
)
def test_the_column_that_moved_is_noted_and_no_other(encoder, column, change):
    new = rows(600, 3)
    by_column = drifts_of(encoder, new.assign(**{column: change(new[column])}))
    assert [name for name, drift in by_column.items() if drift.noted] == [column]
    assert next(iter(by_column)) == column  # the furthest first


def test_words_that_the_model_does_not_know_are_counted(encoder):
    new = rows(600, 3)
    new.loc[:59, "colour"] = "violet"
    drift = drifts_of(encoder, new)["colour"]
    assert drift.unseen == 0.1
    assert drift.distance is None


def test_the_index_is_the_sum_that_its_formula_says():
    p, q = np.array([100.0, 300.0, 600.0]), np.array([50.0, 25.0, 25.0])
    smooth = [(shares + 0.5) / (shares + 0.5).sum() for shares in (p, q)]
    by_hand = sum((b - a) * np.log(b / a) for a, b in zip(*smooth, strict=True))
    index, chance = stability_index([*p, 0], [*q, 0])
    assert index == pytest.approx(by_hand)
    assert chance == pytest.approx((1 / 1000 + 1 / 100) * 9.21034037)  # chi-square, 2 degrees, 99%
    assert stability_index([5, 0], [9, 0]) == (0.0, 0.0)
    assert stability_index(p, p)[0] == 0


def test_a_checkpoint_from_before_has_no_summaries(encoder):
    state = encoder.state()
    del state["summary"]
    old = TableEncoder.from_state(state)
    assert old.summary is None
    assert "summary" not in old.state()
