"""Foreign and damaged files end in one line, whatever they hold."""

import json
from pipes import make_pipe

import pytest
import yaml

from smoothlab.rundir.reading import UnreadableFile, read_json, read_yaml


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
