"""Identities of many configs, of which each data set is read once, are those of each by itself."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from smoothlab.config.compose import compose_config, plain
from smoothlab.config.opening import open_data
from smoothlab.rundir.identity import run_identity
from smoothlab.sweeps.fingerprints import Fingerprints

DATA = {
    "table": ["data=table", "data.path=rows.csv", "data.target=label"],
    "text": ["data=text", "data.path=rows.csv", "data.text=text", "data.target=label", "task=classification"],
    "made-up rows": ["data=synthetic_retail", "data.rows=60", "data.val_rows=20", "data.test_rows=20"],
}
SEEDS = ([], ["seed=3"], ["data.split_seed=7"], ["data.fold=1", "data.folds=3"], ["data.batch_size=16"])


@pytest.mark.parametrize("name", DATA)
def test_a_shared_reading_changes_no_identity(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [f"word{number % 7} of {number}" for number in range(40)]
    pd.DataFrame({"x": range(40), "text": words, "label": ["yes", "no"] * 20}).to_csv("rows.csv", index=False)
    together = Fingerprints()
    for more in SEEDS:
        if name == "made-up rows" and any("fold" in word or "split" in word for word in more):
            continue
        values = plain(compose_config("train", [*DATA[name], "logger=none", *more]))
        assert together.identity(values) == run_identity(values, open_data(values).fingerprint), json.dumps(more)
