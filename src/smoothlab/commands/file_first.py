"""`smoothlab train my.csv target=label`: a file in front, and keys of the data without their ``data.``."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from smoothlab.config.compose import compose_config, quoted, typed_value
from smoothlab.unpacking import ARRAY_SUFFIXES, name_of


def data_at(place: str) -> list[str]:
    """The overrides by which a file or folder is the data: a folder is ``data=images``, an .npz or .npy file
    ``data=arrays``, another file ``data=table``."""
    path = Path(os.path.expanduser(place))
    kind = "images" if path.is_dir() else "arrays" if path.suffix.lower() in ARRAY_SUFFIXES else "table"
    return [f"data={kind}", f"data.path={quoted(place)}"]


def with_file(words: Sequence[str], command: str = "train") -> list[str]:
    """The words of a command, with overrides in place of a file or folder that is the first of them.

    ``name`` is the file's, unless it is given, and a key that only the data have, such as ``target``, is a key of
    ``data``.

    Args:
        words: of the command line, behind the command's name.
        command: its name; a key of the command itself, such as the folds of ``compare``, is none of the data's.
    """
    if words and words[0] in ("-m", "--multirun"):
        return [words[0], *with_file(words[1:], command)]
    if not words or "=" in words[0] or re.match(r"[-+]|~(?!/)", words[0]):  # an option, a key to add or to delete
        return list(words)
    first, *rest = words
    place = Path(os.path.expanduser(first))
    if not (place.exists() or place.suffix):
        return list(words)
    chosen = data_at(first)
    config = compose_config(command, chosen[:1])
    own = set(map(str, config.data)) - set(map(str, config))
    rest = [f"data.{word}" if word.partition("=")[0] in own else word for word in rest]
    if not any(word.startswith("name=") for word in rest):
        chosen.append(f"name={quoted(name_of(place))}")
    return [*chosen, *rest]


def named_by_data(overrides: Sequence[str]) -> list[str]:
    """The overrides with a ``name`` of what ``data.path`` or ``data`` gives, where neither it nor a preset is given."""
    if any(word.lstrip("+~").partition("=")[0] in ("name", "experiment") for word in overrides):
        return list(overrides)
    place, option = typed_value(overrides, "data.path"), typed_value(overrides, "data")
    name = name_of(place) if isinstance(place, str) and place and "$" not in place else option
    return [*overrides, f"name={quoted(name)}"] if isinstance(name, str) else list(overrides)
