"""Whatever is in a table, it trains or is refused in one line: no traceback."""

from __future__ import annotations

import datetime
import io
import warnings

import numpy as np
import pandas as pd
import torch
from hypothesis import given
from hypothesis import strategies as st

from smoothlab.data import describe, encoder_from_state
from smoothlab.errors import InvalidArgument, UserMistake

WORDS = st.sampled_from(
    [
        *("a", "b", "", " ", "NA", "?", "1", "2.5", "-3", "1e400", "inf", "nan", "true", "False", "0x1F", "1,5", "x;y"),
        *("2024-01-31", "31.01.2024", "12/31/2024", "ä ö ü", 'say "hi"', "two\nlines", "id", "=1+1", "\u0000"),
        "a longer text of words",
    ]
)
CELLS = st.one_of(
    WORDS,
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=True, allow_infinity=True),
    st.booleans(),
    st.none(),
    st.datetimes(datetime.datetime(1600, 1, 1), datetime.datetime(2300, 1, 1)),
    st.just(pd.NaT),
    st.just(pd.NA),
    st.binary(max_size=3),
    st.lists(st.integers(0, 3), max_size=2),
    st.complex_numbers(),
    st.decimals(allow_nan=False),
    st.timedeltas(),
)
DTYPES = ("object", "float64", "float32", "int8", "bool", "Int64", "boolean", "string", "category", "datetime64[ns]")


@st.composite
def columns(draw: st.DrawFn, rows: int) -> pd.Series:
    """A column: of one kind of cells, of few different ones, or of anything."""
    kind = draw(st.sampled_from(["numbers", "few", "any", "times"]))
    seed = draw(st.integers(0, 2**16))
    generator = np.random.default_rng(seed)
    if kind == "numbers":
        cells = generator.normal(size=rows) * draw(st.sampled_from([1.0, 0.0, 1e30, 1e-300]))
        cells[generator.random(rows) < draw(st.sampled_from([0.0, 0.4, 1.0]))] = np.nan
        series = pd.Series(cells)
    elif kind == "times":
        series = pd.Series(pd.to_datetime("2020-01-01") + pd.to_timedelta(generator.integers(0, 10**6, rows), unit="h"))
    else:
        pool = draw(st.lists(WORDS if kind == "few" else CELLS, min_size=1, max_size=4))
        picked = generator.integers(0, len(pool), rows)
        series = pd.Series([pool[place] for place in picked], dtype=object)
    dtype = draw(st.sampled_from([None, None, *DTYPES]))
    if dtype is not None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                series = series.astype(dtype)
        except (TypeError, ValueError, OverflowError, ArithmeticError):
            pass
    return series


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """A table with a column ``y`` that is likely to be a label."""
    rows = draw(st.sampled_from([1, 2, 7, 40, 90]))
    names = draw(
        st.lists(st.sampled_from(["a", "b", "c", "id", "when", "y2", "", " x "]), min_size=1, max_size=4, unique=True)
    )
    made = {name: draw(columns(rows)) for name in names}
    classes = draw(st.sampled_from([["no", "yes"], [0, 1, 7], [1.0, 2.0], [True, False], ["only"], [None, "a", "b"]]))
    made["y"] = pd.Series([classes[place % len(classes)] for place in range(rows)], dtype=object)
    if draw(st.integers(0, 4)) == 0:
        made["y"] = draw(columns(rows))
    return pd.DataFrame(made)


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "labels": st.sampled_from(["single", "ordinal"]),
        "categories": st.sampled_from(["one_hot", "codes"]),
        "missing": st.booleans(),
        "deduplicate": st.booleans(),
        "class_weight": st.just("balanced"),
        "metadata": st.sampled_from([["a"], ["when"], []]),
        "noise": st.sampled_from(["symmetric", "pair", "instance"]),
        "fold": st.integers(0, 4),
        "kinds": st.sampled_from([{"a": "categorical"}, {"a": "date"}, {"a": "numeric"}, {"a": "text"}, {}]),
    },
)


def refusal(make) -> str:
    """The line of a refusal, empty where there is none."""
    try:
        make()
    except (UserMistake, InvalidArgument) as mistake:
        return str(mistake)
    return ""


def check(make) -> None:
    """Set up, encode again from the state, describe; or one line."""

    def use() -> None:
        data = make()
        again = encoder_from_state(data.encoder.state())
        for split in ("train", "val", "test"):
            batch = data.split(split)
            assert torch.isfinite(batch.features).all()
            assert batch.features.shape == (len(batch), data.encoder.num_features)
            assert int(batch.labels.min()) >= 0
            assert int(batch.labels.max()) < len(data.class_names)
        table = data.understand()
        torch.testing.assert_close(again.encode(table.frame.iloc[table.rows["val"]]), data.split("val").features)
        describe(data)

    line = refusal(use)
    assert "\n" not in line
    assert len(line) < 700


@given(frame=frames(), changes=OPTIONS)
def test_any_table_trains_or_is_refused_in_one_line(table, frame, changes):
    check(lambda: table(frame, target="y", **changes))


@given(frame=frames(), separator=st.sampled_from([",", ";", "\t", "|"]), compressed=st.booleans())
def test_so_is_it_as_a_file(table, tmp_path, frame, separator, compressed):
    path = tmp_path / ("table.csv.gz" if compressed else "table.csv")
    frame.to_csv(path, sep=separator, index=False)
    check(lambda: table(path, target="y"))


@given(text=st.text(alphabet=st.sampled_from('ab,;\t|"\n\r12.? \ufeffé'), max_size=200))
def test_so_is_any_text(table, tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8", newline="")
    check(lambda: table(path, target="a"))


@given(
    content=st.binary(max_size=200),
    ending=st.sampled_from(["csv", "parquet", "arrow", "arff", "csv.gz", "csv.xz", "zip", "csv.bz2"]),
)
def test_so_are_any_bytes(table, tmp_path, content, ending):
    path = tmp_path / f"table.{ending}"
    path.write_bytes(content)
    check(lambda: table(path, target="a"))


@given(share=st.floats(0, 1, exclude_max=True), ending=st.sampled_from(["parquet", "feather", "csv.gz"]))
def test_so_is_a_file_that_is_cut_off(table, tmp_path, share, ending):
    frame = pd.DataFrame({"a": np.arange(60.0) % 7, "y": ["n", "y"] * 30})
    path = tmp_path / f"table.{ending}"
    if ending == "csv.gz":
        frame.to_csv(path, index=False)
    else:
        buffer = io.BytesIO()
        frame.to_parquet(buffer) if ending == "parquet" else frame.to_feather(buffer)
        path.write_bytes(buffer.getvalue())
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    line = refusal(lambda: table(path, target="y"))
    assert "\n" not in line
    assert not line or str(path) in line
