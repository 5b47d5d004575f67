"""A table that is read in parts is the table that is read whole."""

import gzip

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from smoothlab.data import TableEncoder, read_table
from smoothlab.data.table.parts import table_parts
from smoothlab.data.table.words import as_words
from smoothlab.errors import UserMistake

LINES = [
    "code;flag;big;weight;when;text",
    "03;True;9007199254740993;1,5;01.02.2024;a fever",
    "04;False;;2,5;02.02.2024;3",
    "05;True;9007199254740995;;03.02.2024;4",
    "06;;7;3,25;04.02.2024;5",
    "A1;true;8;?;05.02.2024;NA",
    "07;False;9;-1,5;06.02.2024;a broken arm",
]
WORDS = ("code", "flag", "big", "when", "text")


def same(path, **reading) -> None:
    """Each column of the parts holds the words, or the numbers, of the whole."""
    whole = read_table(path, **reading)
    for rows in (1, 2, 4, 100):
        parts = list(table_parts(path, rows, words=WORDS, **reading))
        assert max(len(part) for part in parts) <= rows
        together = pd.concat([part[list(whole.columns)] for part in parts])
        assert together.index.tolist() == list(range(len(whole)))
        for name in whole:
            if name in WORDS:
                words = np.concatenate([as_words(part[name]) for part in parts])
                assert words.tolist() == as_words(whole[name]).tolist(), name
            else:
                assert together[name].to_numpy(float) == pytest.approx(whole[name].to_numpy(float), nan_ok=True)


@pytest.mark.parametrize("first", ["", "sep=;\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_in_parts_has_the_words_of_the_whole_file(tmp_path, first, encoding):
    (tmp_path / "rows.csv").write_text(first + "\n".join(LINES) + "\n", encoding=encoding)
    same(tmp_path / "rows.csv")


def test_packed_text_without_a_header_and_with_own_words_for_missing(tmp_path):
    with gzip.open(tmp_path / "rows.csv.gz", "wt") as file:
        file.write("\n".join(LINES[1:]))
    same(tmp_path / "rows.csv.gz", header=None, names=LINES[0].split(";"), missing_words=["A1"], encoding="latin-1")


def test_parquet_in_parts_has_the_words_of_the_whole_file(tmp_path):
    table = pd.DataFrame(
        {
            "code": pd.Categorical(["b", "a", None, "b", "c"]),
            "flag": [True, None, False, True, True],
            "big": pd.array([1, 2**60, 3, None, 5], dtype="Int64"),
            "weight": [0.5, None, 2.0, 3.0, 4.0],
            "when": pd.date_range("2024-01-01", periods=5),
            "text": ["x", None, "y", "z", "x"],
        }
    )
    table.index = [5, 4, 3, 2, 1]
    table.to_parquet(tmp_path / "rows.parquet", row_group_size=2)
    same(tmp_path / "rows.parquet")
    plain = pa.table({"big": pa.array([2**60, 1, None, 2**60 + 1]), "code": ["a", "b", None, "a"]})
    pq.write_table(plain, tmp_path / "plain.parquet", row_group_size=2)  # without pandas' word on its types
    same(tmp_path / "plain.parquet")


def test_an_encoder_finds_the_columns_and_names_the_row_of_the_file(tmp_path):
    frame = pd.DataFrame({"size": np.arange(9.0), "colour": list("abcabcabc")})
    encoder = TableEncoder.fit(frame, {"colour": "categorical"})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    parts = list(encoder.read_parts(tmp_path / "rows.csv", 4))
    assert [len(part) for part in parts] == [4, 4, 1]
    features = np.concatenate([encoder.encode(part) for part in parts])
    assert np.array_equal(features, encoder.encode(frame))
    frame.astype(object).assign(size=[*range(7), "much", 8]).to_csv(tmp_path / "rows.csv", index=False)
    *_, last = encoder.read_parts(tmp_path / "rows.csv", 3)
    with pytest.raises(UserMistake, match="column 'size', data row 8: expected a finite number, got 'much'"):
        encoder.encode(last)


@pytest.mark.parametrize(
    "content", [b"", b"a,b\n", b"a,b\n1,2\n3,4\n5,6,7\n", b"a,b\n1,2\n3,\xff\n", b"a\0b", b'a,b\n1,2\n3,"4\n']
)
def test_what_cannot_be_read_says_the_same_as_the_whole_file(tmp_path, content):
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with pytest.raises(UserMistake) as whole:
        read_table(path, key="input")
    with pytest.raises(UserMistake) as parts:
        list(table_parts(path, 1, words=["b"]))
    assert str(parts.value) == str(whole.value)
