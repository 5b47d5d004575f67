"""Foreign and damaged files end in one line, whatever they hold."""

import json
import math
import random
from pipes import make_pipe

import pytest
import yaml

from smoothlab import yaml_limits
from smoothlab.rundir.reading import UnreadableFile, read_columns, read_json, read_yaml
from smoothlab.yaml_limits import AlikeTexts, load_yaml


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, levels)]
    return "\n".join(lines)


EITHER = {
    "empty": b"",
    "not UTF-8": b"\xff\xfe{}\x80",
    "NUL": b"\0" * 100,
    "a list": b"[1, 2]",
    "a text": b'"abc"',
    "cut off": b'{"a": [1, ',
    "deep lists": b"[" * 100_000,
    "deep lists, closed": b"[" * 100_000 + b"]" * 100_000,
    "deep mappings": b'{"a":' * 100_000,
    "a lone surrogate": b'{"a": "\xed\xa0\x80"}',
}
JSON = {
    "Infinity": b'{"a": Infinity}',
    "NaN": b'{"a": NaN}',
    "whole number": b'{"a": 1' + 400 * b"0" + b"}",
    "number": b'{"a": 1e999}',
    "two": b"{} {}",
    "a huge number": b'{"a": ' + b"9" * 10**4 + b"}",
}
YAML = {
    "bomb": bomb(12).encode(),
    "compact lists": b"- " * 100_000,
    "compact keys": b"? " * 100_000,
    "holds itself": b"a: &a [*a]",
    "a Python object": b"a: !!python/object/apply:os.system [touch canary]",
    "a tag": b"a: !unknown 3",
    "two documents": b"a: 1\n---\nb: 2\n",
    "a tab": b"a:\n\t- b",
    "an unhashable key": b"? [1, 2]\n: 3",
    "an impossible date": b"a: 2020-99-99",
}


CASES = [
    pytest.param(name, read, content, id=f"{name}: {case}")
    for name, read, contents in (("status.json", read_json, EITHER | JSON), ("config.yaml", read_yaml, EITHER | YAML))
    for case, content in contents.items()
]


@pytest.mark.parametrize(("name", "read", "content"), CASES)
def test_a_damaged_file_is_one_line(tmp_path, name, read, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UnreadableFile, match=f"{name}: ") as caught:
        read(path)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 500


def test_what_a_run_writes_is_read(tmp_path):
    shared = ["a", "b"]
    values = {"a": {"b": [1, 2.5, None, True, "*"]}, "c": shared, "d": shared}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values))
    (tmp_path / "results.json").write_text(json.dumps(values))
    assert read_yaml(tmp_path / "config.yaml") == values == read_json(tmp_path / "results.json")
    deep: object = 1
    for _ in range(60):
        deep = {"a": [deep]} if _ % 2 else {"b": deep}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(deep))
    assert read_yaml(tmp_path / "config.yaml") == deep


def test_a_folder_a_missing_file_and_a_giant(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "nothing.json")
    (tmp_path / "results.json").mkdir()
    with pytest.raises(UnreadableFile, match="not a regular file"):
        read_json(tmp_path / "results.json")
    make_pipe(tmp_path / "status.json")
    with pytest.raises(UnreadableFile, match="not a regular file"):
        read_json(tmp_path / "status.json")
    with open(tmp_path / "config.yaml", "wb") as file:
        file.truncate(2**40)
    with pytest.raises(UnreadableFile, match="more than 64 MiB"):
        read_yaml(tmp_path / "config.yaml")


TEXTS = {
    "as PyYAML writes it": yaml.safe_dump(
        {
            "a": {"b": {"c": [1, 2], "d": None}, "text": "two\n\n  lines: of it\n", "empty": {}},
            "seed": 3,
            "z": [{"k": 1}],
        }
    ),
    "keys that are no texts": "yes:\n  no: 1\nnull:\n  on: 2\n",
    "the same key twice": "a: 1\na:\n  b: 2\na: 3\n",
    "a text over lines that looks like keys": 'a: "x\nb: y"\nc: 1\n',
    "a text below a key": "a:\n  'x\n  b: 1\n  y'\n",
    "a literal": "a: |\n  b: 1\n  c:\n    d: 2\ne: |+\n  x\n\n\nf: 1\n",
    "comments": "# b:\na:\n  # c:\n  d: 1  # e:\n# f\ng: 2\n",
    "less than it should stand in": "a:\n    b: 1\n  c: 2\n",
    "aliases": "a: &x {k: 1}\nb: *x\nc:\n  <<: *x\n  d: 2\n",
    "a flow over lines": "a: [1,\nb: 2]\nc: 1\n",
    "documents": "a: 1\n---\nb: 2\n",
    "an end": "a: 1\n...\nb: 2\n",
    "a mapping with marks": "a:\n  ? b\n  : c\n  d: 1\n",
    "a literal that begins below its key": "a:\n  |\n  b: 1\n  c: 2\n",
    "blank": "a:\n   \n",
    "other line ends": "a:\r\n  b: 1\r\nc: 2\r\n",
    "a list at the left": "a:\n- b: 1\n  c: 2\n- 3\nd: 4\n",
}
CHANGES = (" ", "\n", ":", "'", '"', "- ", "", "\n  ", "[", "#", "k: ", "|")


def value_or_error(load, text):
    try:
        return load(text)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        return str(error)


def test_alike_texts_say_the_same_as_each_read_alone():
    alike = AlikeTexts()
    draw = random.Random(0)
    for text in [text for text in TEXTS.values() for _ in range(2)]:
        assert value_or_error(alike.load, text) == value_or_error(load_yaml, text)
        for _ in range(60):
            at = draw.randrange(len(text))
            changed = text[:at] + draw.choice(CHANGES) + text[at + 1 :]
            assert value_or_error(alike.load, changed) == value_or_error(load_yaml, changed), changed


def test_what_alike_texts_share_is_parsed_once(monkeypatch):
    parsed = []
    monkeypatch.setattr(yaml_limits, "load_yaml", lambda text: parsed.append(text) or load_yaml(text))
    alike = AlikeTexts()
    for seed in range(5):
        config = {"seed": seed, "net": {"hidden": [64, 64], "dropout": 0.1}, "data": {"name": "a", "seed": seed}}
        assert alike.load(yaml.safe_dump(config)) == config
    assert len([text for text in parsed if "seed" not in text]) == 5  # net, hidden, dropout, data and name


def test_columns_of_metrics_are_read_as_numbers(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,val/nll,other\n0,0.5,x\n1,,y\n2\n")
    columns = read_columns(path, ("epoch", "val/nll", "absent"))
    assert columns["epoch"] == [0.0, 1.0, 2.0]
    assert columns["val/nll"][0] == 0.5
    assert all(math.isnan(value) for value in columns["val/nll"][1:])
    assert set(columns) == {"epoch", "val/nll"}
    for wrong in ("", "a\n1,2\n", 'a\n"1'):
        path.write_text(wrong)
        with pytest.raises(UnreadableFile, match="not readable as CSV"):
            read_columns(path, ("a",))
