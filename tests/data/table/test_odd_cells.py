"""Columns and classes as people write them: each is read, or a word is said of it."""

from __future__ import annotations

import datetime
import json

import numpy as np
import pandas as pd
import pytest

from smoothlab.data.table.dates import date_formats, number_format, parse
from smoothlab.data.table.describing import describe
from smoothlab.data.table.kinds import understand
from smoothlab.data.table.labels import read_labels
from smoothlab.data.table.spellings import spellings
from smoothlab.data.table.suspects import leaks_together, misread
from smoothlab.data.table.written import writing_of
from smoothlab.errors import UserMistake

DRAW = np.random.default_rng(0)
AMOUNTS = DRAW.gamma(2, 3, 300).round(2)
DAYS = [datetime.datetime(2010, 1, 1, 9) + datetime.timedelta(days=int(day)) for day in DRAW.integers(0, 4000, 120)]


@pytest.mark.parametrize(
    ("write", "sides"),
    [
        (lambda value: f"{value}ug", {0}),
        (lambda value: f"{value}\u00b0C", {0}),
        (lambda value: f"={value}", {0}),
        (lambda value: f"'{value}", {0}),
        (lambda value: f"<{value}ug" if value < 1 else f"{value}ug", {-1, 0}),
        (lambda value: f"{value}+" if value > 9 else f"{value}", {0, 1}),
    ],
)
def test_numbers_with_signs_of_all_kinds(write, sides):
    words = pd.Series([write(value) for value in AMOUNTS], dtype=object)
    writing = writing_of(words, 20)
    assert writing is not None
    np.testing.assert_allclose(writing.plain(words).to_numpy(dtype=float), AMOUNTS)
    assert set(writing.bounds(words)) == sides


def test_a_minus_behind_a_number_and_hours_of_two_halves():
    words = pd.Series([f"{value}-" if value < 2 else f"{value}" for value in AMOUNTS], dtype=object)
    writing = writing_of(words, 20)
    assert writing is not None
    np.testing.assert_allclose(writing.plain(words), np.where(AMOUNTS < 2, -AMOUNTS, AMOUNTS))
    times = pd.Series(
        [f"{hour}:{minute:02d} {half}" for hour in (12, 1, 11) for minute in range(9) for half in ("AM", "PM")]
    )
    writing = writing_of(times, 20)
    assert writing is not None
    assert writing.plain(times).iloc[[0, 1, 18]].tolist() == [0.0, 12.0, 1.0]


@pytest.mark.parametrize("letters", ["AB", "ABC"])
def test_numbers_with_several_letters_stay_names(letters):
    words = pd.Series([f"{number}{letters[number % len(letters)]}" for number in range(100)])
    assert writing_of(words, 20) is None


@pytest.mark.parametrize(
    "style",
    [
        "%m/%Y",
        "%m-%Y",
        "%b-%d-%Y",
        "%a %b %d %H:%M:%S %Y",
        "%d/%b/%Y:%H:%M:%S +0000",
        "%d. %B %Y",
        "%dth of %B %Y",
        "%B %dth, %Y",
    ],
)
def test_dates_of_further_formats(style):
    words = pd.Series([day.strftime(style) for day in DAYS], dtype=object)
    chosen = date_formats(words)
    assert chosen
    right = [day.replace(hour=0) if "%H" not in style else day for day in DAYS]
    right = [day if "%d" in style else day.replace(day=1) for day in right]
    assert parse(words, chosen[0]).tolist() == right


def test_quarters_and_months_and_moments_as_numbers():
    quarters = pd.Series([f"{day.year}Q{(day.month + 2) // 3}" for day in DAYS])
    assert parse(quarters, date_formats(quarters)[0]).dt.quarter.tolist() == [(day.month + 2) // 3 for day in DAYS]
    assert number_format(pd.Series([f"{day:%Y%m}" for day in DAYS])) == "%Y%m"
    assert number_format(pd.Series(["200113", "200101"])) is None
    for factor, name in ((10**6, "unix_us"), (10**9, "unix_ns")):
        assert number_format(pd.Series([str(int(day.timestamp()) * factor) for day in DAYS])) == name


HALF_READ = {
    "unknown dates": ([f"{day:%d/%m/%Y}" if day.day % 9 else "unknown" for day in DAYS], "{x: ['unknown']}"),
    "no dates": ([f"{day:%Y-%m-%d}" if day.day % 9 else "0000-00-00" for day in DAYS], "['0000-00-00']"),
    "two orders": ([f"{day:%d/%m/%Y}" if day.day % 2 else f"{day:%m/%d/%Y}" for day in DAYS], "look like dates"),
    "few numbers": (
        ["unknown" if row % 6 else f"{value}" for row, value in enumerate(AMOUNTS)],
        "only 17% of its cells",
    ),
    "pressure": ([f"{int(value) + 110}/{int(value * 9) + 60}" for value in AMOUNTS], "two numbers each"),
    "sex": (["Male", "male", "F", "f"] * 20, "'Male' and 'male'; 'F' and 'f': spellings"),
}


@pytest.mark.parametrize(("cells", "words"), HALF_READ.values(), ids=HALF_READ)
def test_a_word_is_said_of_columns_that_are_half_read(cells, words):
    (column,) = understand(pd.DataFrame({"x": cells})).values()
    assert column.kind == "categorical"
    assert words in str(column.note)


def test_codes_among_dates_and_at_the_edge_of_numbers_are_warned_of(table):
    rows = 4 * len(DAYS)
    dates = [f"{day:%Y-%m-%d}" if row % 8 else "9999-12-31" for row, day in enumerate(4 * DAYS)]
    ages = np.where(np.arange(rows) % 8, DRAW.integers(18, 80, rows), 99)
    passed = np.where(np.arange(rows) % 12, 999, DRAW.integers(0, 30, rows))
    frame = pd.DataFrame({"when": dates, "age": ages, "pdays": passed, "fold": np.arange(rows) % 5})
    warnings = "\n".join(misread(frame, list(understand(frame).values())))
    for words in ("{when: ['9999-12-31']}", "{age: ['99']}", "{pdays: ['999']}", "'fold' is named like a split"):
        assert words in warnings
    capped = pd.DataFrame({"score": DRAW.normal(70, 30, 400).clip(0, 99).round()})
    assert misread(capped, list(understand(capped).values())) == []


@pytest.mark.parametrize(
    ("words", "groups"),
    [
        (["N", "No", "Y", "Yes"], [["N", "No"], ["Y", "Yes"]]),
        (["0", "1", "False", "True"], [["0", "False"], ["1", "True"]]),
        (["no show", "no-show", "show"], [["no show", "no-show"]]),
        (["<=50K", "<=50K.", ">50K", ">50K."], [["<=50K", "<=50K."], [">50K", ">50K."]]),
        (["cafe", "caf\u00e9"], [["cafe", "caf\u00e9"]]),
        (["1-2", "12", "A+", "A-", "A"], []),
        (["low", "high", "-1", "1"], []),
    ],
)
def test_spellings_of_one_word(words, groups):
    assert spellings(words) == groups


def test_classes_that_may_mean_missing_or_were_mangled():
    frame = pd.DataFrame({"a": ["unknown", "x", "y"] * 5, "b": [0, 1, 999] * 5, "c": ["2.31E+13", "x", "y"] * 5})
    notes = {name: "".join(read_labels(frame, name, "single").notes) for name in frame}
    assert "data.missing_words={a: ['unknown']}" in notes["a"]
    assert "data.missing_words={b: ['999']}" in notes["b"]
    assert "has a spreadsheet made them" in notes["c"]


def test_further_leaks(table):
    rows = 600
    yes = DRAW.random(rows) < 0.5
    u = DRAW.normal(size=rows)
    died = [f"2020-01-{day:02d}" if sick else None for day, sick in zip(DRAW.integers(1, 28, rows), yes, strict=True)]
    label = np.where(yes, "yes", "no")
    noise = DRAW.normal(size=rows)
    data = table(pd.DataFrame({"noise": noise, "died": died, "label": label}), target="label")
    assert any("'died' alone gives the target away" in line for line in describe(data).warnings)
    bits, three = DRAW.integers(0, 2, (3, rows)), DRAW.normal(size=(3, rows))
    split = {"train": np.arange(400), "val": np.arange(400, 500), "test": np.arange(500, 600)}
    for columns, classes, words in (
        ({"u": u, "v": -u + np.where(yes, 0.2, -0.2)}, yes, "columns u, v together"),
        ({"a": bits[0], "b": bits[1], "c": bits[2]}, bits.sum(axis=0) % 2, "columns a, b, c together"),
        ({"v0": three[0], "v1": three[1], "v2": three[2]}, three.argmax(axis=0), "columns v0, v1, v2 together"),
        ({"guess": np.where(DRAW.random(rows) < 0.995, yes, ~yes) + 0.5}, yes, "column 'guess' alone"),
    ):
        frame = pd.DataFrame({"noise": noise, **columns})
        (line,) = leaks_together(frame, list(understand(frame).values()), np.asarray(classes, dtype=int), split)
        assert words in line


def test_a_few_equal_rows_of_coarse_columns_are_chance(table):
    for seed in range(4):
        draw = np.random.default_rng(seed)
        frame = pd.DataFrame({"a": draw.normal(50, 9, 400).round(2), "b": draw.choice(["u", "v", "w"], 400)})
        frame["label"] = np.where(draw.normal(size=400) > 0, "p", "q")
        assert not any("same features" in line for line in describe(table(frame, target="label")).warnings)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Report,,\n,,\na,b,label\n1,2,yes\n", r"data\.header=2 takes the names"),
        ("a^b^label\n1^2^yes\n", r"data\.separator='\^' says so"),
    ],
)
def test_a_lost_line_of_names_and_a_rare_separator_are_told(table, tmp_path, text, words):
    path = tmp_path / "odd.csv"
    path.write_text(text + text.splitlines()[-1])
    with pytest.raises(UserMistake, match=words):
        table(path, target="label")


def test_json_of_names_and_rows_is_read(table, tmp_path):
    rows = [[value, "yes" if value > 5 else "no"] for value in AMOUNTS[:90]]
    path = tmp_path / "split.json"
    path.write_text(json.dumps({"columns": ["x", "label"], "index": list(range(90)), "data": rows}))
    assert table(path, target="label").class_names == ["no", "yes"]
