"""Seeds or folds: the budget stays, the data decide."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from smoothlab.comparing.repetition import FEW, Repetition, folds_of, settle, units


def table(path, rows=200, **more):
    generator = np.random.default_rng(0)
    columns = {"a": generator.normal(size=rows), "label": generator.integers(0, 2, rows).astype(str)} | more
    pd.DataFrame(columns).to_csv(path, index=False)
    return [f"data.path={path}", "data=table", "data.target=label", "name=own"]


def resolver(words):
    from smoothlab.config.compose import compose_config, plain

    def resolve(overrides, settings, level, seed, fold, *, folds=None):
        more = [] if fold is None else [f"data.fold={fold}", f"data.folds={folds}"]
        return plain(compose_config("train", [*words, *level, *more, f"seed={seed}"]))

    return resolve


def settled(words, runs=5, folds="auto"):
    return settle(Repetition(0, runs, folds), resolver(words), ())


def test_units_are_as_many_as_the_runs_suffice_for():
    assert units(3, 4, None) == [(3, None), (4, None), (5, None), (6, None)]
    assert units(3, 5, 5) == [(3, fold) for fold in range(5)]
    assert units(0, 10, 5) == [(seed, fold) for seed in (0, 1) for fold in range(5)]
    assert units(0, 2, 5) == units(0, 9, 5) == [(0, fold) for fold in range(5)]
    assert [folds_of(runs) for runs in (5, 6, 8, 10, 12, 14, 11, 20)] == [5, 6, 8, 5, 6, 7, 5, 5]


def test_few_rows_are_cut_into_folds(tmp_path):
    chosen = settled(table(tmp_path / "mine.csv"))
    assert chosen.units == units(0, 5, 5)
    assert chosen.foldable
    values, data = chosen.opened
    assert (values["data"]["fold"], values["data"]["folds"]) == (0, 5)
    assert data.count("test") == 40


def test_many_test_rows_stay_on_one_split_and_could_be_cut(tmp_path):
    chosen = settled(table(tmp_path / "mine.csv", rows=5 * FEW))
    assert (chosen.units, chosen.foldable) == (units(0, 5, None), True)
    assert settled(table(tmp_path / "fewer.csv", rows=5 * FEW - 5)).units == units(0, 5, 5)


def test_few_runs_stay_on_one_split(tmp_path):
    words = table(tmp_path / "mine.csv")
    assert settled(words, runs=4).units == units(0, 4, None)
    assert settled(words, folds=None).units == units(0, 5, None)
    assert settled(words, folds=3).units == units(0, 5, 3)


@pytest.mark.parametrize(
    "more",
    [
        ["data.split=group", "data.split_column=patient"],
        ["data.split=time", "data.split_column=day"],
        ["data.split=column", "data.split_column=part"],
    ],
    ids=["groups", "time", "column"],
)
def test_rows_that_are_not_drawn_at_random_stay_on_one_split(tmp_path, more):
    rows = 200
    columns = {
        "patient": [f"p{row % 20}" for row in range(rows)],
        "day": [f"2020-{1 + row % 12:02d}-{1 + row % 28:02d}" for row in range(rows)],
        "part": ["train", "train", "val", "test", "train"] * (rows // 5),
    }
    chosen = settled([*table(tmp_path / "mine.csv", **columns), *more])
    assert (chosen.units, chosen.foldable) == (units(0, 5, None), False)


def test_a_class_that_is_rarer_than_folds_stays_on_one_split(tmp_path):
    words = table(tmp_path / "mine.csv", label=["a"] * 98 + ["b"] * 98 + ["rare"] * 4)
    assert (settled(words).units, settled(words).foldable) == (units(0, 5, None), False)


def test_data_without_folds_stay_on_one_split():
    chosen = settled(["data=synthetic_medical", "data.rows=200", "data.val_rows=50", "data.test_rows=50"])
    assert (chosen.units, chosen.foldable) == (units(0, 5, None), False)
