"""YAML of plain values: how it is written, and no more of what anybody may have written than a reader survives."""

from __future__ import annotations

import re
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
