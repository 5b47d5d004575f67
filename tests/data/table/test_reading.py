"""Tables in files of many kinds are read as they were written, or refused in one line."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from smoothlab.data import read_table
from smoothlab.errors import InvalidArgument, UserMistake


@pytest.fixture
def frame() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "size": generator.normal(size=30).round(3),
            "name": [f"row {place}, {word}" for place, word in enumerate(["a;b", 'say "hi"', "two\nlines"] * 10)],
            "y": ["n", "y"] * 15,
        }
    )


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(frame, tmp_path, separator):
    frame.to_csv(tmp_path / "a.csv", sep=separator, index=False)
    pd.testing.assert_frame_equal(read_table(tmp_path / "a.csv"), frame)


@pytest.mark.parametrize(
    "ending", [".csv.gz", ".csv.bz2", ".csv.xz", ".csv.zip", ".tsv", ".parquet", ".feather", ".arrow"]
)
def test_kinds_of_files(frame, tmp_path, ending):
    path = tmp_path / f"a{ending}"
    if ending == ".parquet":
        frame.to_parquet(path)
    elif ending in (".feather", ".arrow"):
        frame.to_feather(path)
    else:
        text = frame.to_csv(index=False, sep="\t" if ending == ".tsv" else ",").encode()
        if ending == ".csv.zip":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("a.csv", text)
        else:
            pack = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}.get(path.suffix, bytes)
            path.write_bytes(pack(text))
    pd.testing.assert_frame_equal(read_table(path), frame)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_says_the_encoding(tmp_path, encoding):
    (tmp_path / "a.csv").write_text("größe;y\n1;a\n2;b\n", encoding=encoding)
    assert read_table(tmp_path / "a.csv")["größe"].tolist() == [1, 2]


def test_another_encoding_has_to_be_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("größe;y\n1;a\n", encoding="latin-1")
    with pytest.raises(UserMistake, match=r"not utf-8, the first wrong byte is 0xf6 in line 1; say encoding=latin-1"):
        read_table(path)
    assert read_table(path, encoding="latin-1").columns.tolist() == ["größe", "y"]
    with pytest.raises(UserMistake, match="encoding='klingon' is not known"):
        read_table(path, encoding="klingon")


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("a;b\n1,5;2\n-0,25;3\n", [1.5, -0.25]),
        ("a;b\n1.5;2\n-0.25;3\n", [1.5, -0.25]),
        ("a,b\n1.5,2\n-0.25,3\n", [1.5, -0.25]),
        ('a\tb\n"1,5"\t2\n"-0,25"\t3\n', [1.5, -0.25]),
    ],
)
def test_the_decimal_sign_is_found(tmp_path, text, numbers):
    (tmp_path / "a.csv").write_text(text)
    assert read_table(tmp_path / "a.csv")["a"].tolist() == numbers


def test_dates_and_lists_of_numbers_are_no_decimals(tmp_path):
    (tmp_path / "a.csv").write_text("a;b;c\n31.12.2024;1,2,3;1.5\n01.01.2025;1,2,4;2.5\n")
    assert read_table(tmp_path / "a.csv")["c"].tolist() == [1.5, 2.5]


def test_a_file_without_header(tmp_path):
    (tmp_path / "a.csv").write_text("1,2,x\n3,4,y\n")
    assert read_table(tmp_path / "a.csv", header=None).columns.tolist() == ["0", "1", "2"]
    named = read_table(tmp_path / "a.csv", header=None, names=["a", "b", "y"])
    assert named["y"].tolist() == ["x", "y"]
    for names in (["a", "b"], ["a", "b", "c", "d"]):
        with pytest.raises(UserMistake, match="not readable as csv"):
            read_table(tmp_path / "a.csv", header=None, names=names)


def test_a_first_line_that_is_no_header_gives_way_to_names(tmp_path):
    (tmp_path / "a.csv").write_text("2,2,malignant,benign\n1.5,2.5,0\n3.5,4.5,1\n")
    assert read_table(tmp_path / "a.csv", names=["a", "b", "y"])["b"].tolist() == [2.5, 4.5]


def test_words_for_missing(tmp_path):
    (tmp_path / "a.csv").write_text("a,b,y\n-1,-1,p\n2,?,q\n3,unknown,p\n")
    everywhere = read_table(tmp_path / "a.csv", missing_words=["-1", "unknown"])
    assert everywhere["a"].isna().tolist() == [True, False, False]
    assert everywhere["b"].isna().tolist() == [True, True, True]
    frame = read_table(tmp_path / "a.csv", missing_words={"a": ["-1"]})
    assert frame["a"].isna().tolist() == [True, False, False]
    assert frame["b"].isna().tolist() == [False, True, False]
    with pytest.raises(InvalidArgument, match="missing_words = 'c': expected columns of the table"):
        read_table(tmp_path / "a.csv", missing_words={"c": ["-1"]})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "the file is empty"),
        ("a.csv", b"a,b\n", "the file has no rows"),
        ("a.csv", b"a,b\n1,2\n1,2,3,4\n", r"not readable as csv \(line 3 has 4 cells, the lines before it 2"),
        ("a.csv", b"a,b\n1,2,3\n1,2,3\n", "rows have more cells than there are column names"),
        ("a.csv", b"a\0b\n", "holds zero bytes"),
        ("a.csv.gz", b"no gzip", r"not readable as csv \(Not a gzipped file"),
        ("a.csv.xz", b"no xz", "not readable"),
        ("a.zip", b"no zip", "not readable"),
        ("a.parquet", b"PAR1 cut off", "not readable as parquet"),
        ("a.parquet.gz", b"", "compressed inside"),
        ("a.arrow", b"no arrow", "not readable as arrow"),
        ("a.xlsx", b"", "not readable .File is not a zip file"),
        ("a.xls", b"", "expected a file ending in one of .csv"),
        ("a.arff", b"@relation x\n@data\n1\n", "not an ARFF file, it has no @attribute"),
        ("a.arff", b"@attribute a numeric\n@data\n1,2\n", "line 3 has 2 cells, there are 1 attributes"),
        ("a.arff", b"@attribute a numeric\n@data\nx\n", "column 'a', line 3: no number, 'x'"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserMistake, match=message) as caught:
        read_table(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserMistake, match="no such file"):
        read_table(tmp_path / "nowhere.csv")


def test_arff_agrees_with_scipy(tmp_path):
    from scipy.io import arff

    text = (
        "% a comment\n@relation x\n@attribute 'the size' REAL\n@attribute kind {a,b}\n@attribute y {0,1}\n"
        "@data\n1.5,a,0\n% another\n\n?,b,1\n-2,a,0\n"
    )
    (tmp_path / "a.arff").write_text(text)
    ours = read_table(tmp_path / "a.arff")
    theirs = pd.DataFrame(arff.loadarff(tmp_path / "a.arff")[0])
    np.testing.assert_array_equal(ours["the size"], theirs["the size"])
    assert ours["kind"].tolist() == theirs["kind"].str.decode("utf-8").tolist()


def test_the_hierarchical_attribute(shared):
    path: Path = shared / "data" / "hier_multilabel" / "imclef07a" / "ImCLEF07A_Test.arff"
    if not path.is_file():
        pytest.skip(f"{path} does not exist")
    frame = read_table(path)
    assert frame.shape == (1006, 81)
    assert len(frame.attrs["hierarchy"]["class"]) == 96
    assert frame["class"].str.split("@").map(len).unique().tolist() == [3]  # a node of each level


def test_sparse_arff_names_what_is_not_zero(tmp_path):
    head = "@relation s\n@attribute a numeric\n@attribute 'b c' {no, 'quite so'}\n@attribute c {x,y}\n@data\n"
    file = tmp_path / "sparse.arff"
    file.write_text(head + "{0 1.5, 2 y}\n{}\n{1 'quite so'}\n")
    frame = read_table(file)
    assert frame["a"].tolist() == [1.5, 0.0, 0.0]
    assert frame["b c"].tolist() == ["no", "no", "quite so"]
    assert frame["c"].tolist() == ["y", "x", "x"]
    for row, message in (("{9 1}", "no place of 3 attributes"), ("1,no,x", "no sparse row"), ("{0}", "no place")):
        file.write_text(head + "{0 1}\n" + row + "\n")
        with pytest.raises(UserMistake, match=f"line 7: .*{message}"):
            read_table(file)
