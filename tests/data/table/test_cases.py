"""Small tables that went wrong once (../shared/cases): each is read as its owner reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from smoothlab.data import TableData, describe
from smoothlab.errors import UserMistake


@pytest.fixture
def case(shared, table):
    folder = shared / "cases"
    if not folder.is_dir():
        pytest.skip(f"needs {folder.name}/ of the shared folder")

    def make(name: str, target: str = "label", **changes) -> TableData:
        return table(Path(folder, name), target=target, **changes)

    return make


def kinds(data: TableData) -> dict[str, str]:
    return {column.name: column.kind for column in data.columns}


@pytest.mark.parametrize(
    ("name", "column", "kind"),
    [
        ("numbers_quarter_dash.csv", "x", "numeric"),
        ("percent_few.csv", "x", "numeric"),
        ("euro_with_text_point.csv", "x", "numeric"),
        ("comma_quoted_decimal.csv", "x", "numeric"),
        ("date_mon_yy.csv", "d", "date"),
        ("dates_mixed.csv", "d", "date"),
        ("patients.csv", "patient_id", "id"),
    ],
)
def test_a_column_is_what_its_owner_says(case, name, column, kind):
    data = case(name)
    assert kinds(data)[column] == kind
    if name not in ("euro_with_text_point.csv", "date_mon_yy.csv"):  # there is nothing to say of these
        assert any(f"column {column!r}" in note for note in data.notes)


@pytest.mark.parametrize(
    ("name", "target", "words"),
    [
        ("sentinel.csv", "label", ["column 'x' holds -999 in 188 of 1,500 rows", "data.missing_words={x: ['-999']}"]),
        ("no_header.csv", "a", ["data.header=null"]),
        ("two_col_leak.csv", "label", ["h, n together give the target away"]),
        ("split_col.csv", "label", ["data.split=column data.split_column='part'"]),
    ],
)
def test_what_looks_wrong_is_said_with_the_option(case, name, target, words):
    warnings = "\n".join(describe(case(name, target)).warnings)
    for word in words:
        assert word in warnings


def test_patients_can_be_kept_together(case):
    assert any("data.split=group data.split_column='patient_id'" in note for note in case("patients.csv").notes)
    case("patients.csv", split="group", split_column="patient_id")


def test_every_spelling_is_named(case):
    (note,) = (note for note in case("case_target.csv").notes if "white space" in note)
    for name in ("No", "no", "YES", "Yes", "yes"):
        assert repr(name) in note


def test_a_class_of_one_row_names_the_option(case):
    with pytest.raises(UserMistake, match=r"class 'rare' has 1 row\(s\); .*data\.rare_classes"):
        case("rare_one.csv")


def test_a_missing_target_of_a_file_without_a_header_names_the_option(case):
    with pytest.raises(UserMistake, match=r"no such column; .*data\.header=null"):
        case("no_header.csv")


def test_lists_and_objects_are_left_out_with_a_note(case):
    data = case("a.jsonl")
    assert list(kinds(data)) == ["x", "label"]
    assert "column 'tags' is left out: it holds lists or objects" in data.notes
    assert list(kinds(case("a.jsonl", drop=["tags", "nested"]))) == ["x", "label"]
    with pytest.raises(UserMistake, match=r"data.metadata = 'tags': line 1: 'tags' is no single value"):
        case("a.jsonl", metadata=["tags"])


def test_sparse_arff_is_read(case):
    assert kinds(case("sparse.arff", "c"))["a"] == "numeric"
