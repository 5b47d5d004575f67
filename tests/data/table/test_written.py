"""Numbers that are written as text are numbers: with signs, units, thousands, bounds, or words where one is missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from smoothlab.data.table.describing import describe
from smoothlab.data.table.numeric import NumericColumn
from smoothlab.data.table.written import Writing, writing_of
from smoothlab.errors import UserMistake

NUMBERS = np.random.default_rng(0).uniform(-50, 5000, 300).round(2)


def thousands(sign: str, decimal: str):
    return lambda number: f"{number:,.2f}".replace(",", "T").replace(".", decimal).replace("T", sign)


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda number: f"{number}%", Writing(suffix="%")),
        (lambda number: f"{number} %", Writing(suffix="%")),
        (lambda number: f"${number:,.2f}", Writing(prefix="$", thousands=",")),
        (lambda number: f"{number} \u20ac", Writing(suffix="\u20ac")),
        (lambda number: f"{number} kg", Writing(suffix="kg")),
        (lambda number: f"{number}cm", Writing(suffix="cm")),
        (lambda number: f"{number} mg/dl", Writing(suffix="mg/dl")),
        (thousands(",", "."), Writing(thousands=",")),
        (thousands(".", ","), Writing(thousands=".", decimal=",")),
        (thousands("'", "."), Writing(thousands="'")),
        (thousands("\u202f", "."), Writing(thousands="'")),
        (thousands(" ", ","), Writing(thousands="'", decimal=",")),
        (lambda number: str(number).replace(".", ","), Writing(decimal=",")),
        (lambda number: str(number).replace("-", "\u2212"), Writing()),
        (lambda number: f"<{number}" if number < 100 else str(number), Writing(limits=True)),
        (lambda number: "-" if number < 900 else str(number), Writing(codes=("-",))),
        (lambda number: ("n.d.", "unknown")[int(number) % 2] if number < 900 else f"{number}%",
         Writing(suffix="%", codes=("n.d.", "unknown"))),
    ],
)  # fmt: skip
def test_a_way_of_writing_is_found_and_read(write, expected):
    words = pd.Series([write(number) for number in NUMBERS])
    writing = writing_of(words, 20)
    assert writing == expected
    read = writing.plain(words).to_numpy(dtype=float)
    missing = words.isin(writing.codes).to_numpy()
    assert np.isnan(read[missing]).all()
    np.testing.assert_allclose(read[~missing], NUMBERS[~missing])
    assert Writing.from_state(writing.state()) == writing


@pytest.mark.parametrize(
    "words",
    [
        ["12A", "3B", "7C"] * 100,
        ["70%", "0.7", "12%"] * 100,  # with and without the sign
        ["$1", "2\u20ac"] * 150,
        ["1,3", "2,4", "1"] * 100,  # two answers
        ["0", "1", "2", "3+"] * 75,
        [f"{number}" if number % 4 else f"word {number}" for number in range(300)],  # many words
        [f"v{number}" for number in range(300)],
        ["yes", "no"] * 150,
        [f"{number}.{number}.2024" for number in range(1, 29)] * 10,
    ],
)
def test_words_stay_words(words):
    assert writing_of(pd.Series(words), 20) is None


def test_a_column_with_a_word_for_missing_is_learned_and_predicted(table):
    draw = np.random.default_rng(1)
    x = draw.normal(size=400).round(3)
    frame = pd.DataFrame({"x": [f"{value}" for value in x], "label": np.where(x > 0, "a", "b")})
    frame.loc[::4, "x"] = "-"
    data = table(frame, target="label")
    (column,) = (column for column in data.columns if column.name == "x")
    assert (column.kind, column.missing) == ("numeric", 100)
    assert any("'-' counts as missing" in note and "data.kinds={x: categorical}" in note for note in data.notes)
    encoder = type(data.encoder).from_state(data.encoder.state())
    features = encoder.encode(pd.DataFrame({"x": ["-", "1.5", "0.25"]}), where="rows")
    plain = table(frame.assign(x=pd.to_numeric(frame["x"], errors="coerce")), target="label").encoder
    assert features.equal(plain.encode(pd.DataFrame({"x": [np.nan, 1.5, 0.25]}), where="rows"))
    with pytest.raises(UserMistake, match=r"column 'x', data row 2: expected a finite number, got 'soon'"):
        encoder.encode(pd.DataFrame({"x": ["-", "soon"]}), where="rows")
    written = table(frame, target="label", kinds={"x": "categorical"})
    assert {column.name: column.kind for column in written.columns}["x"] == "categorical"


def test_a_bound_counts_as_its_number_and_a_feature_says_that_it_is_one(table):
    draw = np.random.default_rng(2)
    x = draw.uniform(0, 12, size=300).round(2)
    words = [
        "<0.5" if value < 0.5 else ">10" if value > 10 else f"{value}" if row % 9 else "n.d."
        for row, value in enumerate(x)
    ]
    frame = pd.DataFrame({"x": words, "label": np.where(x > 6, "a", "b")})
    data = table(frame, target="label")
    assert any("a bound such as <0.5 counts as its number, and a feature says" in note for note in data.notes)
    assert data.encoder.names == ["x", "x missing", "x bound"]
    assert [len(edges) > 0 for edges in data.encoder.net_arguments["quantiles"]] == [True, False, False]
    rows = pd.DataFrame({"x": ["<0.5", ">10", "0.5", "10", "n.d.", "\u2265 10", None]})
    features = data.encoder.encode(rows)
    assert features[:, 2].tolist() == [-1, 1, 0, 0, 0, 1, 0]
    assert features[0, 0] == features[2, 0]
    assert features[1, 0] == features[3, 0] == features[5, 0]
    assert type(data.encoder).from_state(data.encoder.state()).encode(rows).equal(features)
    trained = data._batches["train"].features
    assert set(trained[:, 2].tolist()) == {-1, 0, 1}
    described = {column["name"]: column["becomes"] for column in describe(data).columns}
    assert described["x"] == "a number, and whether it is missing, and whether it is a bound (-1 below, 1 above)"
    plain = data.encoder.encode(pd.DataFrame({"x": [0.5, 10.0]}))  # numbers of a program: no bounds
    assert plain[:, 2].tolist() == [0, 0]


def test_percent_and_units_are_numbers_even_where_few_differ(table):
    frame = pd.DataFrame({"x": ["70%", "80%", "5%", "12%"] * 20, "label": ["a", "a", "b", "b"] * 20})
    data = table(frame, target="label")
    assert {column.name: column.kind for column in data.columns}["x"] == "numeric"
    assert data.encoder.columns[0].mean == pytest.approx(41.75, abs=3)


def test_a_state_of_an_earlier_version_has_no_writing():
    state = {
        "kind": "numeric",
        "column": "x",
        "mean": 1.0,
        "deviation": 2.0,
        "may_be_missing": False,
        "indicator": False,
    }
    column = NumericColumn.from_state(state)
    assert column.state() == state | {"quantiles": [], "scaling": "standard"}


@pytest.mark.parametrize("extra", [{}, {"decimal": "comma"}])
def test_quoted_decimal_commas_between_commas_are_read(table, tmp_path, extra):
    rows = [
        f'"{value:.3f}",{"ab"[int(value > 0)]}'.replace(".", ",", 1)
        for value in np.random.default_rng(0).normal(size=80)
    ]
    (tmp_path / "quoted.csv").write_text("\n".join(["x,label", *rows]))
    data = table(tmp_path / "quoted.csv", target="label", **extra)
    assert {column.name: column.kind for column in data.columns}["x"] == "numeric"
    assert abs(data.encoder.columns[0].mean) < 1


def test_a_text_with_a_point_changes_no_decimal_comma(table, tmp_path):
    rows = [
        f"{value:.2f};version 1.5 of {row};{'ab'[row % 2]}".replace(".", ",", 1)
        for row, value in enumerate(NUMBERS[:90])
    ]
    (tmp_path / "euro.csv").write_text("\n".join(["x;note;label", *rows]))
    data = table(tmp_path / "euro.csv", target="label")
    assert {column.name: column.kind for column in data.columns}["x"] == "numeric"


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        ([f"({number}.25)" if number % 2 else f"{number}.25" for number in range(1, 60)], -1.25),
        ([f"USD {number}.50" for number in range(1, 60)], 1.5),
        ([f"{number % 24:02}:{number % 60:02}" for number in range(1, 60)], 1 + 1 / 60),
        ([f"{number}.5k" for number in range(1, 60)], 1.5),
        ([f"{number}.5" for number in range(1, 90)] + ["none", "refused", "n.d.", "-", "unknown"] * 20, 1.5),
    ],
)
def test_more_ways_of_writing_are_read(cells, first):
    words = pd.Series(cells, dtype=object)
    writing = writing_of(words, 20)
    assert writing is not None
    assert writing.plain(words).iloc[0] == pytest.approx(first)
    assert type(writing).from_state(writing.state()) == writing


def test_columns_with_several_units_are_refused_in_one_line(table):
    numbers = [f"{number / 7:.2f}" for number in range(100)]
    frame = pd.DataFrame({"label": ["a", "b"] * 50})
    frame["mass"] = [number + unit for number, unit in zip(numbers, [" kg", " g"] * 50, strict=True)]
    frame["price"] = [sign + number for number, sign in zip(numbers, ["$", ""] * 50, strict=True)]
    with pytest.raises(UserMistake, match=r"column 'mass'.*column 'price'") as mistake:
        table(frame, target="label")
    assert "\n" not in str(mistake.value)
