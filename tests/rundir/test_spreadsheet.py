"""Texts that a spreadsheet would run as a formula are texts in every CSV that a person opens."""

import pandas as pd
import pytest

from smoothlab.rundir.spreadsheet import without_formulas
from smoothlab.tracking.sink import save_table

EVIL = ["=cmd|' /C calc'!A0", "+1+cmd", "-2+3", "@SUM(1)", "\t=1", "\r=1"]


@pytest.mark.parametrize("kind", ["object", "category", "string"])
def test_formulas_become_texts_and_the_rest_stays(kind):
    table = pd.DataFrame({"class": pd.Series([*EVIL, "-1", "+2.5", "-", "a=b", ""], dtype=kind), "n": range(11)})
    shown = without_formulas(table)
    assert list(shown["class"])[:6] == [f"'{text}" for text in EVIL]
    assert list(shown["class"])[6:] == ["-1", "+2.5", "-", "a=b", ""]
    assert list(shown["n"]) == list(range(11))
    assert list(table["class"])[:6] == EVIL  # the table itself is left as it is


def test_names_of_columns_missing_cells_and_a_table_without_formulas():
    shown = without_formulas(pd.DataFrame({"=a": ["x", None], 3: [1.0, float("nan")]}))
    assert list(shown) == ["'=a", 3]
    assert shown["'=a"].isna().tolist() == [False, True]


def test_a_runs_tables(tmp_path):
    path = save_table(pd.DataFrame({"class": ["=1+1", "b"]}), "classes", tmp_path)
    assert path.read_text() == "class\n'=1+1\nb\n"
