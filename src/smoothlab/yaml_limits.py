"""YAML of plain values: how it is written, and no more of what anybody may have written than a reader survives."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import yaml

MOST_NODES = 10**6  # each alias counted as what it stands for
MOST_LEVELS = 100  # of nesting
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def load_yaml(text: str, loader: Any = LOADER) -> Any:
    """The plain value that a text is; None for an empty one.

    Args:
        text: of one document.
        loader: a ``SafeLoader``.

    Raises:
        ValueError, yaml.YAMLError, RecursionError: it is too deep, stands for too much by aliases, or no such YAML.
    """
    if _may_be_deep(text):
        _check_depth(text)
    reader = loader(text)
    node = reader.get_single_node()
    if "*" in text and _size(node, {}) > MOST_NODES:
        raise ValueError(f"more than {MOST_NODES:,} values, most of them by aliases")
    return None if node is None else reader.construct_document(node)


def dump_yaml(value: Any) -> str:
    """A plain value as YAML, its keys in their order."""
    return str(yaml.dump(value, Dumper=DUMPER, sort_keys=False))


class AlikeTexts:
    """Reads many texts of YAML that are alike, such as the configs of a sweep: what several hold is parsed once.

    A text of nested mappings in block style, as PyYAML writes it, is cut at its keys; a part that was met before is not
    parsed again. Whatever is no such text, or has a part that is none by itself, is parsed as a whole. The values are
    shared: nobody may change them.
    """

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}

    def load(self, text: str) -> Any:
        """The same value as that of :func:`load_yaml`, and the same errors."""
        if _WHOLE.search(text) is None and not _may_be_deep(text):
            try:
                return self._mapping(text, 0)
            except (ValueError, TypeError, yaml.YAMLError):  # cut within a value, or wrong: the whole text tells
                pass
        return load_yaml(text)

    def _mapping(self, text: str, indent: int) -> dict[Any, Any]:
        """The mapping whose keys stand ``indent`` columns to the right."""
        if (known := self._known.get(text)) is not None:
            return dict(known)
        before, *parts = _keys_at(indent).split(text)
        if before:
            raise ValueError("something before the first key")
        mapping: dict[Any, Any] = {}
        for part in parts:
            mapping.update(self._part(part))
        self._known[text] = mapping
        return mapping

    def _part(self, text: str) -> dict[Any, Any]:
        """One key with its value."""
        head, _, inside = text.partition("\n")
        deeper = len(inside) - len(inside.lstrip(" "))
        indent = len(head) - len(head.lstrip(" "))
        if head.endswith(":") and deeper > indent and inside[deeper : deeper + 1] not in _OTHERS:
            (key,) = self._leaf(f"{head}\n")
            return {key: self._mapping(inside, deeper)}
        return self._leaf(text)

    def _leaf(self, text: str) -> dict[Any, Any]:
        if (known := self._known.get(text)) is None:
            known = load_yaml(text)
            if not isinstance(known, dict):
                raise ValueError("not a key and its value")
            self._known[text] = known
        return dict(known)


_OTHERS = ("", "-", "?", "#", "\n")  # how the first line of a value begins that is no mapping, or is hard to tell
# What makes parts depend on each other: anchors, merged keys, other line ends, lines that begin or end a document.
_WHOLE = re.compile(r"[*&\r\x85\u2028\u2029]|<<|^(?:---|\.\.\.|%|\ufeff)", re.MULTILINE)


@lru_cache(maxsize=MOST_LEVELS)
def _keys_at(indent: int) -> re.Pattern[str]:
    """Where a line begins with a plain key in a column."""
    return re.compile(rf"^(?={' ' * indent}[A-Za-z_][\w.-]*:(?: |$))", re.MULTILINE)


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
    for event in yaml.parse(text, Loader=LOADER):
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
