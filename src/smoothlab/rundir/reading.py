"""Read files of a run directory, which may come from elsewhere or be damaged, without harm to whoever reads."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from typing import Any, NoReturn

import yaml

from smoothlab.errors import UserMistake

MOST_BYTES = 64 * 2**20  # of a JSON or YAML file; those of a run have some kilobytes
MOST_NODES = 10**6  # of a YAML file, each alias counted as what it stands for
MOST_LEVELS = 100  # of nesting in a YAML file
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class UnreadableFile(UserMistake):
    """A file that cannot be read, or holds something else than it should."""


class MissingFile(UnreadableFile, FileNotFoundError):
    """There is no such file."""


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        MissingFile: there is no such file.
        UnreadableFile: it is too large, no JSON, or no object; infinities and NaN are no JSON.
    """
    try:
        content = json.loads(_text(path), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(f"{path}: not readable as JSON ({_reason(error)})") from None
    return _mapping(content, path, "a JSON object")


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file, of plain values.

    Raises:
        MissingFile: there is no such file.
        UnreadableFile: it is too large, too deep, no YAML, or no mapping.
    """
    text = _text(path)
    try:
        if _may_be_deep(text):
            _check_depth(text)
        loader = _Loader(text)
        node = loader.get_single_node()
        if "*" in text and _size(node, {}) > MOST_NODES:
            raise ValueError(f"more than {MOST_NODES:,} values, most of them by aliases")
        content = None if node is None else loader.construct_document(node)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise UnreadableFile(f"{path}: not readable as YAML ({_reason(error)})") from None
    return _mapping(content, path, "a mapping")


def _text(path: Path) -> str:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableFile(f"{path}: not a regular file")
        if status.st_size > MOST_BYTES:
            raise UnreadableFile(f"{path}: more than {MOST_BYTES // 2**20} MiB, which no run writes")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MissingFile(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFile(f"{path}: not readable ({_reason(error)})") from None


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")


def _mapping(content: Any, path: Path, expected: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise UnreadableFile(f"{path}: expected {expected}, found {type(content).__name__}")
    return content


def _reason(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "nested too deep"
    if isinstance(error, OSError):
        return str(error.strerror)
    return re.sub(r"\s+", " ", str(error).strip().splitlines()[0]) if str(error).strip() else type(error).__name__


def _may_be_deep(text: str) -> bool:
    """Whether a text could nest deeper than some hundreds of levels; no file that a run writes could."""
    return (
        text.count("[") + text.count("{") > MOST_LEVELS
        or "- " * MOST_LEVELS in text
        or "? " * MOST_LEVELS in text
        or re.search(r"^ {" + str(MOST_LEVELS) + "}", text, re.MULTILINE) is not None
    )


def _check_depth(text: str) -> None:
    """Refuse what would nest the loader's calls so deep that the process dies of it; events do not nest."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_LEVELS:
            raise ValueError(f"nested more than {MOST_LEVELS} deep")


def _size(node: yaml.Node | None, sizes: dict[int, int]) -> int:
    """How many values a node has with its aliases written out."""
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) not in sizes:
        sizes[id(node)] = MOST_NODES + 1  # of one that holds itself
        children = [part for pair in node.value for part in (pair if isinstance(pair, tuple) else (pair,))]
        sizes[id(node)] = 1 + sum(_size(child, sizes) for child in children)
    return sizes[id(node)]
