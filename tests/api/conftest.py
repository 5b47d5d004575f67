"""A table with words, dates and missing cells, and one run of it."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest

import smoothlab


@pytest.fixture(scope="session")
def graded() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    rows = 120
    labels = np.arange(rows) % 2
    size = generator.normal(size=rows) + labels
    return pd.DataFrame(
        {
            "size": np.where(np.arange(rows) % 7 == 3, np.nan, size),
            "colour": np.where(labels == 1, "red", generator.choice(["blue", "green"], rows)),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(generator.integers(0, 400, rows), "D"),
            "grade": np.where(labels == 1, "good", "bad"),
        }
    )


@pytest.fixture(scope="session")
def graded_run(graded, tmp_path_factory) -> smoothlab.Run:
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("graded"))
    try:
        return smoothlab.train(
            graded, {"trainer": {"max_epochs": 2}}, target="grade", smoothing="none", logger="csv", figures=False
        )
    finally:
        os.chdir(before)
