"""Files of sentences are read line by line, or refused in one line."""

import gzip
import json

import pandas as pd
import pytest

from smoothlab.data.parallel.lines import lines_of, read_text
from smoothlab.data.parallel.reading import read_pairs
from smoothlab.errors import InvalidArgument, UserMistake

COLUMNS = ("source", "target")
# What str.splitlines would cut at, beside a line feed.
WITHIN = ["a\u2028b", "c\u2029d", "e\x85f", "g\x0bh", "i\x0cj", "k\x1cl", "m\rn"]


def test_a_line_ends_at_a_line_feed_and_nothing_else(tmp_path):
    path = tmp_path / "a.en"
    path.write_bytes("\n".join(WITHIN).encode())
    assert lines_of(read_text(path, "input")) == WITHIN
    assert len("\n".join(WITHIN).splitlines()) > len(WITHIN)


def test_lines_of_windows_and_a_last_line_without_an_end_are_the_same_lines():
    assert lines_of("one\r\n\r\ntwo\r\n") == ["one", "", "two"]
    assert lines_of("one\n\ntwo") == ["one", "", "two"]
    assert lines_of("") == []
    assert lines_of("\n\n") == ["", ""]


def test_pairs_are_the_same_from_two_files_tsv_json_lines_parquet_and_packed(tmp_path):
    pairs = pd.DataFrame(
        {"source": ['a "quoted" word', "NA", "null", "x\u2028y"], "target": ["ein Wort, ja", "'", "é ½", "nan"]},
        dtype=object,
    )
    for side in COLUMNS:
        (tmp_path / f"a.{side}").write_text("\n".join(pairs[side]) + "\n", encoding="utf-8", newline="\n")
        with gzip.open(tmp_path / f"b.{side}.gz", "wb") as file:
            file.write(("\ufeff" + "\n".join(pairs[side])).encode())
    rows = ["source\ttarget", *("\t".join(row) for row in pairs.to_numpy())]
    (tmp_path / "a.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8", newline="\n")
    lines = [json.dumps(row, ensure_ascii=False) for row in pairs.to_dict("records")]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8", newline="\n")
    pairs.to_csv(tmp_path / "a.csv", index=False, encoding="utf-8")
    pairs.to_parquet(tmp_path / "a.parquet")
    given = [
        [str(tmp_path / "a.source"), str(tmp_path / "a.target")],
        [str(tmp_path / "b.source.gz"), str(tmp_path / "b.target.gz")],
        *(str(tmp_path / f"a.{ending}") for ending in ("tsv", "jsonl", "csv", "parquet")),
    ]
    for path in given:
        read = read_pairs(path, "data.train", COLUMNS, 0)
        assert read.to_numpy().tolist() == pairs.to_numpy().tolist(), path


def test_a_table_without_names_has_numbers_for_columns(tmp_path):
    (tmp_path / "a.tsv").write_text("Hund\tdog\tx\nKatze\tcat\ty\n")
    read = read_pairs(str(tmp_path / "a.tsv"), "data.train", ("1", "0"), None)
    assert read.to_numpy().tolist() == [["dog", "Hund"], ["cat", "Katze"]]


def test_a_quote_in_a_tsv_file_is_a_letter(tmp_path):
    (tmp_path / "a.tsv").write_text('source\ttarget\n"He said\t"Er sagte\n"yes"\t"ja"\n')
    read = read_pairs(str(tmp_path / "a.tsv"), "data.train", COLUMNS, 0)
    assert read.to_numpy().tolist() == [['"He said', '"Er sagte'], ['"yes"', '"ja"']]


def test_an_empty_cell_is_an_empty_text(tmp_path):
    (tmp_path / "a.jsonl").write_text(
        '{"source": "a", "target": null}\n{"source": "b"}\n{"source": 3, "target": "c"}\n'
    )
    read = read_pairs(str(tmp_path / "a.jsonl"), "data.train", COLUMNS, 0)
    assert read.to_numpy().tolist() == [["a", ""], ["b", ""], ["3", "c"]]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"good\nfine\xe9\n", r"data.train = '.*a.en': not UTF-8, the first wrong byte is 0xe9 in line 2; save it as"),
        ("\ufeffgood\n\nx".encode() + b"\xff", "not UTF-8, the first wrong byte is 0xff in line 3"),
        ("good\nfine\n".encode("utf-16"), "not UTF-8, the first wrong byte is 0xff in line 1"),
        ("a\nb\n".encode("utf-16-le"), "line 1 has a zero byte"),
    ],
)
def test_what_is_not_utf_8_is_named_with_its_line(content, expected, tmp_path):
    (tmp_path / "a.en").write_bytes(content)
    (tmp_path / "a.de").write_bytes(b"x\ny\n")
    with pytest.raises(UserMistake, match=expected) as caught:
        read_pairs([str(tmp_path / "a.en"), str(tmp_path / "a.de")], "data.train", COLUMNS, 0)
    assert "\n" not in str(caught.value)


def test_files_of_unequal_length_are_refused_with_both_numbers(tmp_path):
    (tmp_path / "a.en").write_text("one\ntwo\nthree\n")
    (tmp_path / "a.de").write_text("eins\nzwei\n")
    with pytest.raises(UserMistake, match=r"data.val: .*a.en has 3 lines and .*a.de has 2; expected as many"):
        read_pairs([str(tmp_path / "a.en"), str(tmp_path / "a.de")], "data.val", COLUMNS, 0)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.tsv", "source\ttarget\na\tb\tc\n", "not readable as tsv"),
        ("a.tsv", "en\ttarget\na\tb\n", "data.source_column = 'source' is no column; the table has en, target"),
        ("a.jsonl", '{"source": "a", "target": "b"}\nno\n', "line 2 is no JSON"),
        ("a.jsonl", '{"source": "a\\ud800", "target": "b"}\n', "surrogates not allowed"),
        ("a.tsv.gz", "no gzip", "not readable"),
        ("a.en", "a\n", r"expected \[source file, target file\], or a table ending in .csv"),
        ("a.parquet", None, "no such file"),
        ("a.tsv", None, "no such file"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_in_one_line(name, content, expected, tmp_path):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(UserMistake, match=expected) as caught:
        read_pairs(str(tmp_path / name), "data.train", COLUMNS, 0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("given", [["a.en"], ["a.en", "a.de", "a.fr"], 3, ["a.en", None]])
def test_a_pair_of_files_is_two_paths(given):
    with pytest.raises(InvalidArgument, match=r"train = .*expected \[source file, target file\]"):
        read_pairs(given, "data.train", COLUMNS, 0)
