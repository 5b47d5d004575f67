"""Class trees in files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

from smoothlab.classes.tree import ClassTree
from smoothlab.classes.unique_pairs import unique_pairs
from smoothlab.errors import InvalidArgument

# A tree as a config or a caller gives it: itself, nested names, or a file of them.
TreeSource: TypeAlias = ClassTree | dict[str, Any] | list[Any] | str | Path


def tree_from(source: TreeSource) -> ClassTree:
    """The tree itself.

    Raises:
        InvalidArgument: for something else, or as :func:`read_tree` and :meth:`ClassTree.from_nested` do.
    """
    if isinstance(source, str | Path):
        return read_tree(source)
    if isinstance(source, dict | list):
        return ClassTree.from_nested(source)
    if not isinstance(source, ClassTree):
        raise InvalidArgument("tree", source, "a ClassTree, nested names, or a file of them")
    return source


def read_tree(file: str | Path) -> ClassTree:
    """A tree of nested names in a YAML or JSON file, as :meth:`ClassTree.from_nested` takes them.

    Raises:
        InvalidArgument: there is no such file, it is neither YAML nor JSON, or a name stands twice below one parent.
    """
    path = Path(file)
    if path.suffix not in (".yaml", ".yml", ".json"):
        raise InvalidArgument("tree", str(file), "nested names, or a .yaml, .yml or .json file of them")
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            nested = json.loads(text, object_pairs_hook=unique_pairs)
        else:
            from smoothlab.classes.tree_yaml import load_tree  # the library alone needs no YAML

            nested = load_tree(text)
    except InvalidArgument:
        raise
    except OSError as error:
        raise InvalidArgument("tree", str(file), f"a file that can be read ({error.strerror})") from None
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidArgument("tree", str(file), f"YAML or JSON ({' '.join(str(error).split())})") from None
    return ClassTree.from_nested(nested)
