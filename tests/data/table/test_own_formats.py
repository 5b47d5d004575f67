"""Files of kinds that people have: spreadsheets, JSON, archives, white space, and indices with names."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pandas as pd
import pytest

from smoothlab.data.table.parts import table_parts
from smoothlab.data.table.reading import read_table
from smoothlab.errors import UserMistake

ROWS = [{"x": 1.5, "c": "u", "label": "a"}, {"x": None, "c": "?", "label": "b"}, {"x": 2.5, "c": "v", "label": "a"}]


def expected(frame: pd.DataFrame) -> None:
    assert list(frame.columns) == ["x", "c", "label"]
    assert frame["x"].isna().tolist() == [False, True, False]
    assert frame["c"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize(
    "made",
    [
        ROWS,
        {"data": ROWS},
        {name: [row[name] for row in ROWS] for name in ROWS[0]},
        {name: {str(place): row[name] for place, row in enumerate(ROWS)} for name in ROWS[0]},
    ],
)
def test_json_of_rows_or_columns(tmp_path, made):
    (tmp_path / "a.json").write_text(json.dumps(made))
    expected(read_table(tmp_path / "a.json"))


@pytest.mark.parametrize(("text", "message"), [("[1, 2]", "a list of objects"), ("{", "no JSON"), ('"x"', "a list of")])
def test_other_json_is_one_line(tmp_path, text, message):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserMistake, match=message):
        read_table(tmp_path / "a.json")


def test_json_lines_lists_and_question_marks(tmp_path):
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps({**row, "tags": ["s"]}) for row in ROWS))
    expected(read_table(tmp_path / "a.jsonl"))


def test_a_question_mark_is_missing_in_parquet_too_but_not_where_it_is_verbatim(tmp_path):
    pd.DataFrame(ROWS).to_parquet(tmp_path / "a.parquet")
    expected(read_table(tmp_path / "a.parquet"))
    assert read_table(tmp_path / "a.parquet", verbatim=["c"])["c"].notna().all()
    (part,) = table_parts(tmp_path / "a.parquet", 10)
    expected(part)


def test_a_named_index_is_a_column_and_another_one_is_not(tmp_path):
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0]}, index=pd.Index([7, 7, 9], name="patient"))
    frame.to_parquet(tmp_path / "named.parquet")
    assert read_table(tmp_path / "named.parquet")["patient"].tolist() == [7, 7, 9]
    (part,) = table_parts(tmp_path / "named.parquet", 10)
    assert part["patient"].tolist() == [7, 7, 9]
    frame.rename_axis(None).to_parquet(tmp_path / "plain.parquet")
    assert list(read_table(tmp_path / "plain.parquet").columns) == ["x"]


def test_a_spreadsheet_is_its_first_sheet_with_rows(tmp_path, table):
    pytest.importorskip("openpyxl")
    file = tmp_path / "book.xlsx"
    frame = pd.DataFrame(
        {"x": np.arange(60) / 7, "day": pd.date_range("2024-01-01", periods=60), "label": ["a", "b"] * 30}
    )
    with pd.ExcelWriter(file) as book:
        pd.DataFrame().to_excel(book, sheet_name="empty")
        frame.to_excel(book, sheet_name="rows", index=False)
        frame.head(2).to_excel(book, sheet_name="more", index=False)
    data = table(file, target="label")
    assert {column.name: column.kind for column in data.columns} == {"x": "numeric", "day": "date", "label": ""}
    assert "the sheet 'rows' is read; others have rows too: more" in data.notes
    assert list(read_table(file, header=None).columns) == ["0", "1", "2"]


def test_a_spreadsheet_without_the_extra_names_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    (tmp_path / "a.xlsx").write_bytes(b"PK")
    with pytest.raises(UserMistake, match=r"smoothlab\[excel\]"):
        read_table(tmp_path / "a.xlsx")


def test_a_zip_with_one_table_beside_a_readme(tmp_path):
    pd.DataFrame(ROWS).to_parquet(tmp_path / "a.parquet")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("README.txt", "about it")
        archive.write(tmp_path / "a.parquet", "folder/a.parquet")
    expected(read_table(tmp_path / "a.zip"))
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as archive:
        archive.writestr("b.csv", "x\n1")
    with pytest.raises(UserMistake, match=r"3 files \(README.txt, folder/a.parquet, b.csv\); expected one table"):
        read_table(tmp_path / "a.zip")


def test_white_space_separates_where_nothing_else_does(tmp_path):
    (tmp_path / "a.data").write_text("x  y label\n1.5   2 a\n2.5  10 b\n")
    frame = read_table(tmp_path / "a.data")
    assert frame["y"].tolist() == [2, 10]
    (tmp_path / "text.txt").write_text("title\na b\nc d\n")
    assert list(read_table(tmp_path / "text.txt").columns) == ["title"]
