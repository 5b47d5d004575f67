"""The tree of the classes, as a table or its config gives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from smoothlab.classes import ClassTree
from smoothlab.classes.tree import split_path
from smoothlab.classes.tree_file import tree_from
from smoothlab.data.table.kinds import check_columns
from smoothlab.data.table.words import as_words
from smoothlab.errors import InvalidArgument, UserMistake

TreeSource = str | Mapping[str, Any] | Sequence[Any]


def class_tree(
    source: TreeSource, frame: pd.DataFrame, words: Sequence[str | None], class_names: Sequence[str]
) -> ClassTree:
    """The tree of the classes.

    Args:
        source: a column of paths ``"Footwear > Boots"``, one for each class, nested names, or a file of them.
        frame: the table.
        words: the class of each row, None where it has none.
        class_names: in the order of the logits.

    Raises:
        UserMistake: a class is no node, or has two paths.
    """
    try:
        if isinstance(source, str) and not source.endswith((".yaml", ".yml", ".json")):
            check_columns("tree", [source], frame)
            tree = _of_column(frame[source], source, words)
        else:
            tree = tree_from(source)  # type: ignore[arg-type]
        tree.nodes(class_names)
    except InvalidArgument as error:
        what = f"class {error.value!r} is not in it" if error.name == "classes" else f"{error.name} = {error.value!r}"
        raise UserMistake(f"data.tree: {what}; expected {error.expected}") from None
    return tree


def tree_of_nodes(nodes: Sequence[str], separator: str = "/") -> ClassTree:
    """A tree of nodes that are named by their paths: ``a``, ``a/b``, ``a/b/c``."""
    pairs: dict[str, str | None] = {"root": None}
    for node in nodes:
        parts = node.split(separator)
        for length in range(1, len(parts) + 1):
            pairs[separator.join(parts[:length])] = separator.join(parts[: length - 1]) or "root"
    return ClassTree.from_parents(pairs)


def _of_column(cells: pd.Series, column: str, words: Sequence[str | None]) -> ClassTree:
    path_of: dict[str, str] = {}
    for row, (path, word) in enumerate(zip(as_words(cells), words, strict=True)):
        if word is None:
            continue
        if path is None:
            raise UserMistake(f"data.tree: column {column!r}, data row {row + 1} is empty; expected a path 'A > B'")
        parts = split_path(path)
        if parts[-1] != word and path != word:
            raise UserMistake(
                f"data.tree: column {column!r}, data row {row + 1}: the path {path!r} does not end in its "
                f"class {word!r}"
            )
        if path_of.setdefault(word, path) != path:
            raise UserMistake(f"data.tree: class {word!r} has two paths, {path_of[word]!r} and {path!r}")
    return ClassTree.from_paths(path_of.values())
