"""Dates are found however they are written, and what could be read in two ways is noted."""

from __future__ import annotations

import pandas as pd
import pytest

from smoothlab.data.table.dates import date_formats, number_format, parse
from smoothlab.data.table.kinds import understand
from smoothlab.data.table.words import text_of


def times(style: str) -> pd.Series:
    return pd.Series(pd.date_range("2010-01-01", periods=40, freq="33D").strftime(style))


@pytest.mark.parametrize(
    "style",
    [
        "%d-%b-%y",
        "%d %b %y",
        "%d/%b/%Y",
        "%b-%Y",
        "%b %Y",
        "%B %Y",
        "%b-%y",
        "%d %B %Y",
        "%b %d %Y",
        "%B %d, %Y",
        "%Y-%m",
    ],
)
def test_a_format_with_a_months_name_or_without_a_day_is_found(style):
    words = times(style)
    (formats,) = date_formats(words)
    expected = pd.to_datetime(words, format=style)
    assert parse(words, formats).tolist() == expected.tolist()


def mixed(style: str, last: int = 28) -> pd.Series:
    days = pd.date_range("2024-01-01", periods=last)
    return pd.Series(
        [day.strftime(("%Y-%m-%d", style, "%b %d %Y", "%Y/%m/%d")[place % 4]) for place, day in enumerate(days)]
    )


def test_several_ways_of_writing_in_one_column_are_dates_too():
    expected = pd.date_range("2024-01-01", periods=28).tolist()
    for style, order in (("%d/%m/%Y", "day_first"), ("%m/%d/%Y", "month_first"), ("%d.%m.%Y", "day_first")):
        words = mixed(style)
        assert date_formats(words) == [order]
        assert parse(words, order).tolist() == expected


def test_an_order_that_nothing_tells_is_one_of_two():
    words = mixed("%d/%m/%Y", 9)
    assert date_formats(words) == ["month_first", "day_first"]
    assert date_formats(words, "day_first") == ["day_first", "month_first"]
    assert parse(words, "day_first").tolist() == pd.date_range("2024-01-01", periods=9).tolist()


@pytest.mark.parametrize(
    "words",
    [
        ["31/12/2024", "12/31/2024", "2024-01-01"],  # both orders
        ["2024-01-01", "Jan 03 2024", "soon"],
        ["Windows 2000", "Windows 98", "Mars 2010"],
        ["10", "may", "7"],
        ["2024-13-45", "02/01/2024"],
    ],
)
def test_other_words_are_no_dates(words):
    assert date_formats(pd.Series(words)) == []


def test_a_column_of_them_is_a_feature_with_a_note(table):
    frame = pd.DataFrame({"d": mixed("%d/%m/%Y"), "label": ["a", "b"] * 14})
    data = table(frame, target="label")
    (column,) = (column for column in data.columns if column.name == "d")
    assert (column.kind, column.style) == ("date", "day_first")
    assert any("several ways of writing, day_first" in note for note in data.notes)
    again = type(data.encoder).from_state(data.encoder.state())
    assert again.encode(frame[["d"]], where="rows").equal(data.encoder.encode(frame[["d"]], where="rows"))


MOMENTS = pd.date_range("2011-03-05 07:00", periods=60, freq="31h").as_unit("s")


@pytest.mark.parametrize(
    ("name", "numbers", "kind", "words"),
    [
        ("when", MOMENTS.strftime("%Y%m%d").astype(int), "date", "dates such as 20110305; data.kinds={when: numeric}"),
        ("created_at", MOMENTS.astype("int64"), "date", "moments since 1970 such as 1299308400"),
        ("timestamp", MOMENTS.astype("int64") * 1000, "date", "moments since 1970 such as 1299308400000"),
        ("turnover", MOMENTS.astype("int64"), "numeric", "data.kinds={turnover: date} reads them so"),
        ("turnover", range(10_000_000, 10_000_060), "id", "counts the rows"),
        ("reference", range(123_456_789, 999_999_999, 12_345_678), "numeric", "data.drop=[reference] leaves out an id"),
        ("turnover", range(1_234_567, 9_999_999, 123_456), "numeric", ""),
    ],
)
def test_whole_numbers_are_dates_where_all_are_and_noted_where_they_may_be(name, numbers, kind, words):
    column = understand(pd.DataFrame({name: list(numbers)}))[name]
    assert column.kind == kind
    assert words in str(column.note or "")


@pytest.mark.parametrize("kind", ["seconds", "milliseconds", "digits"])
def test_dates_that_are_numbers_are_encoded_as_those_that_are_written_out(kind, tmp_path):
    numbers = {
        "seconds": MOMENTS.astype("int64"),
        "milliseconds": MOMENTS.astype("int64") * 1000,
        "digits": MOMENTS.strftime("%Y%m%d").astype(int),
    }[kind]
    written = MOMENTS if kind != "digits" else MOMENTS.normalize()
    style = number_format(text_of(pd.Series(numbers)))
    assert (parse(pd.Series(numbers), style) == pd.Series(written)).all()
    with_gaps = pd.Series(numbers).astype(float).where(pd.Series(range(60)) % 7 > 0)
    assert parse(with_gaps, style).isna().sum() == with_gaps.isna().sum()
    assert (parse(with_gaps, style).dropna() == pd.Series(written)[with_gaps.notna()]).all()
