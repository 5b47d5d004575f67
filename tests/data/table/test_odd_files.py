"""Files as people have them, exported, pasted, half cleaned: read for what they mean, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from smoothlab.data import describe, read_table
from smoothlab.errors import InvalidArgument, UserMistake

ROWS = 60
X = np.random.default_rng(0).normal(size=ROWS).round(3)
Y = ["no", "yes"] * (ROWS // 2)


@pytest.fixture
def written(tmp_path):
    """A file of some lines."""

    def write(lines: list[str], name: str = "a.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(("\n".join(lines) + "\n").encode(encoding))
        return path

    return write


def lines(cells, *, name: str = "b", labels=Y) -> list[str]:
    """A table of the columns x, another one, and y."""
    return [f"x,{name},y", *(f"{x},{cell},{label}" for x, cell, label in zip(X, cells, labels, strict=True))]


def kind_of(data, name: str) -> str:
    return next(column.kind for column in data.columns if column.name == name)


def test_a_separator_at_the_end_of_each_line_makes_no_column(written):
    frame = read_table(written([line + "," for line in lines(range(ROWS))]))
    assert list(frame.columns) == ["x", "b", "y"]


def test_a_column_without_a_name_but_with_cells_stays(written):
    assert list(read_table(written(lines(range(ROWS), name="")))) == ["x", "Unnamed: 1", "y"]


def test_the_line_in_which_excel_tells_the_separator_is_no_row(written):
    text = ["sep=;", *(line.replace(",", ";") for line in lines(range(ROWS)))]
    frame = read_table(written(text))
    assert list(frame.columns) == ["x", "b", "y"]
    assert len(frame) == ROWS


def test_single_quotes_around_every_cell_are_no_part_of_the_names(written):
    quoted = ["'" + line.replace(",", "','") + "'" for line in lines(["it"] * ROWS)]
    frame = read_table(written(quoted))
    assert list(frame.columns) == ["x", "b", "y"]
    np.testing.assert_allclose(frame["x"], X)


def test_a_name_that_is_there_twice_is_noted_and_as_the_target_refused(table, written):
    path = written(["x,x,y", *lines(range(ROWS))[1:]])
    assert "two columns are called 'x'; the second one is 'x.1' here" in table(path, target="y").notes
    with pytest.raises(UserMistake, match=r"data.target = 'x': two columns have this name"):
        table(path, target="x")


@pytest.mark.parametrize(
    "cell",
    ["${:.2f}", "{:.1f}%", "{:.0f} €", "€{:,.2f}", "{:,.0f},5", "\u2212{:.2f}", "{:.2f}"],
)
def test_numbers_with_signs_about_them_are_numbers(table, written, cell):
    amounts = [cell.format(1e6 + 1234.5 * k) for k in range(ROWS)]
    if cell == "{:,.0f},5":  # 1.234,5
        amounts = [f"{int(1e6 + 1234 * k):,}".replace(",", ".") + ",5" for k in range(ROWS)]
    path = written(lines([f'"{amount}"' for amount in amounts]))
    data = table(path, target="y")
    assert kind_of(data, "b") == "numeric"
    sign = -1 if cell.startswith("\u2212") else 1
    assert 1e6 < sign * next(column.mean for column in data.encoder.columns if column.column == "b") < 1.1e6
    assert kind_of(table(path, target="y", kinds={"b": "categorical"}), "b") == "categorical"


@pytest.mark.parametrize("cells", [["1,3", "2,4", "1,2"], ["v1.2", "v2,1", "v3"]])
def test_a_few_such_words_are_categories(table, written, cells):
    path = written(lines([f'"{cell}"' for cell in cells * (ROWS // 3)]))
    assert kind_of(table(path, target="y"), "b") == "categorical"


@pytest.mark.parametrize("style", ["%m/%d/%y %I:%M %p", "%m/%d/%Y %I:%M:%S %p", "%d/%m/%y %H:%M"])
def test_dates_with_the_time_as_spreadsheets_write_it(table, written, style):
    times = pd.date_range("2024-01-13 08:30", periods=ROWS, freq="7h")
    data = table(written(lines(times.strftime(style))), target="y")
    assert kind_of(data, "b") == "date"
    hours = data.encoder.columns[1].times(pd.Series(times.strftime(style)), where="data").dt.hour
    assert hours.tolist() == times.hour.tolist()


def test_dates_of_several_formats_are_dates_with_a_note(table, written):
    days = [f"2024-01-{k % 28 + 1:02d}" if k % 2 else f"{k % 28 + 1}.1.2024" for k in range(ROWS)]
    assert (
        "column 'b' is taken as date: several ways of writing, day_first"
        in table(written(lines(days)), target="y").notes
    )


def test_dates_in_both_orders_are_categories_with_two_notes(table, written):
    days = [f"1/{k % 28 + 1}/2024" if k % 2 else f"{k % 28 + 1}/1/2024" for k in range(ROWS)]
    notes = table(written(lines(days)), target="y").notes
    assert "column 'b' is taken as categorical: its cells look like dates, but no format is that of all" in notes
    assert any(note.startswith("column 'b' says nothing: each of its words stands in fewer than") for note in notes)


def test_a_class_that_is_called_like_a_missing_value(table, written):
    path = written(lines(range(ROWS), labels=["None", "mild", "severe"] * (ROWS // 3)))
    data = table(path, target="y")
    assert data.class_names == ["mild", "severe"]
    assert any("20 rows without a label are left out: None means missing" in note for note in data.notes)
    data = table(path, target="y", verbatim=["y"])
    assert data.class_names == ["None", "mild", "severe"]
    train = data.split("train")
    assert [data.class_names[label] for label in train.labels] == [
        ["None", "mild", "severe"][row % 3] for row in train.rows
    ]


def test_words_that_mean_missing_stay_missing_in_other_columns(written):
    path = written(lines(["NA", "2"] * (ROWS // 2), labels=["NA", "", "EU"] * (ROWS // 3)))
    frame = read_table(path, verbatim=["y"], missing_words=["EU"])
    assert frame["b"].isna().tolist() == [True, False] * (ROWS // 2)
    assert frame["y"].dropna().unique().tolist() == ["NA"]


def test_one_class_beside_a_word_for_missing_names_the_word(table, written):
    path = written(lines(range(ROWS), labels=["None", "mild"] * (ROWS // 2)))
    with pytest.raises(UserMistake, match=r"got mild \(None means missing; .* data.verbatim=\[y\]\)"):
        table(path, target="y")


def test_classes_that_differ_in_case_alone_are_noted(table, written):
    path = written(lines(range(ROWS), labels=["Yes", "yes ", "no"] * (ROWS // 3)))
    data = table(path, target="y")
    assert data.class_names == ["Yes", "no", "yes"]
    assert any("the classes 'Yes' and 'yes' differ in case or white space alone" in note for note in data.notes)
    assert table(path, target="y", classes={"Yes": "yes"}).class_names == ["yes", "no"]


def test_an_error_counts_the_rows_of_the_file_though_some_have_no_label(table, written):
    cells = [str(x) for x in X]
    cells[41] = "inf"
    path = written(lines(cells, labels=[""] * 20 + Y[20:]))
    with pytest.raises(UserMistake, match="column 'b', data row 42: expected a finite number, got inf"):
        table(path, target="y")
    parts = ["train", "test"] * (ROWS // 2)
    parts[50] = "tset"
    path = written(lines(parts, labels=[""] * 20 + Y[20:]))
    with pytest.raises(UserMistake, match="data row 51 holds 'tset'"):
        table(path, target="y", split="column", split_column="b")


def test_a_split_whose_validation_lacks_a_class_says_so(table, written):
    groups = [f"{label}{k // 2 % 2}" for k, label in enumerate(Y)]
    data = table(written(lines(groups)), target="y", split="group", split_column="b")
    lost = {
        split: [name for place, name in enumerate(data.class_names) if place not in data.split(split).labels]
        for split in ("val", "test")
    }
    expected = [f"{split} has no row of 1 of 2 classes: {names[0]}" for split, names in lost.items() if names]
    assert expected
    assert [note for note in describe(data).notes if "has no row of" in note] == expected


@pytest.mark.parametrize(
    ("text", "encoding", "message"),
    [
        (["# made by a tool", *lines(X)], "utf-8", "more cells than there are column names; header=<number> leaves"),
        (["# made by a tool", "# again", *lines(X)], "utf-8", "line 3 has 3 cells, the lines before it 1; .* header=<"),
        (["x,b,y", '1,"open,no', "2,shut,yes"], "utf-8", "the quote that is opened in row 1 is never closed"),
        (["größe,b,y", "1,2,no"], "utf-16-le", "not utf-8, .*; say encoding=utf-16"),
    ],
)
def test_a_file_that_cannot_be_read_gets_a_hint(written, text, encoding, message):
    with pytest.raises(UserMistake, match=message):
        read_table(written(text, encoding=encoding))


def test_a_table_of_ids_says_what_was_left_out(table, written):
    path = written(["user,y", *(f"user_{k},{label}" for k, label in enumerate(Y))])
    with pytest.raises(UserMistake, match=r"no column is left as a feature; left out: 'user' \(a different word in"):
        table(path, target="y")


def test_a_target_with_a_class_a_row_says_how_many_are_too_small(table, written):
    with pytest.raises(UserMistake, match=r"60 of 60 classes have fewer than 3 rows.*data\.rare_classes=3 merges"):
        table(written(lines(range(ROWS), labels=range(ROWS))), target="y")


@pytest.mark.parametrize(
    ("style", "wanted", "taken", "noted"),
    [
        ("%m/%d/%Y", None, "%m/%d/%Y", True),
        ("%m/%d/%Y", "day_first", "%d/%m/%Y", False),
        ("%m/%d/%Y", "%m/%d/%Y", "%m/%d/%Y", False),
        ("%d.%m.%Y", None, "%d.%m.%Y", True),
        ("%d.%m.%Y", "month_first", "%m.%d.%Y", False),
        ("%Y-%m-%d", "day_first", "ISO8601", False),
    ],
)
def test_dates_that_fit_both_orders_are_noted_unless_it_is_said(table, written, style, wanted, taken, noted):
    days = [f"{date:{style}}" for date in pd.date_range("2024-01-01", periods=ROWS * 40) if date.day <= 12][:ROWS]
    data = table(written(lines(days)), target="y", date_format=wanted)
    assert kind_of(data, "b") == "date"
    assert data.encoder.columns[1].style == taken
    assert any("fits too; data.date_format says which" in note for note in data.notes) == noted


def test_a_date_format_that_is_none_is_refused(table, written):
    with pytest.raises(
        InvalidArgument,
        match=r"date_format = 'dd/mm': expected null, day_first, month_first, unix_s, .*, spreadsheet_days, or a",
    ):
        table(written(lines(range(ROWS))), target="y", date_format="dd/mm")
