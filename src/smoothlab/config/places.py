"""Where a command may write, and paths as people type them."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from smoothlab.errors import UserMistake

LONGEST = 200  # bytes of a folder's name; file systems take 255, and a run adds to it


def checked_values(values: Any, key: str = "") -> Any:
    """A config's plain values, with ``~/...`` as the home directory.

    Args:
        values: mappings, lists, texts, numbers.
        key: dotted key of ``values``, for the error.

    Raises:
        UserMistake: a text holds a NUL, or begins like a variable of the shell or the home of a user that is unknown.
    """
    if isinstance(values, Mapping):
        return {name: checked_values(value, f"{key}.{name}" if key else str(name)) for name, value in values.items()}
    if isinstance(values, list):
        return [checked_values(value, key) for value in values]
    return path_as_typed(values, key) if isinstance(values, str) else values


def path_as_typed(text: str, key: str) -> str:
    """A text with ``~/...`` or ``~user/...`` at its beginning as the home directory; any other text as it is.

    Raises:
        UserMistake: see ``checked_values``.
    """
    if "\0" in text:
        raise UserMistake(f"{key} = {text!r}: holds a NUL character, which no path and no text takes")
    if re.match(r"\$\w+/", text):
        raise UserMistake(f"{key} = {text!r}: a variable of the shell; write the path out, or begin it with ~/")
    if re.match(r"~[\w.-]*/", text):
        expanded = os.path.expanduser(text)
        if expanded == text:
            raise UserMistake(f"{key} = {text!r}: no user {text[1:].split('/')[0]!r} here; write the path out")
        return expanded
    return text


def check_name(name: object, key: str) -> None:
    """Refuse a run's name that is no folder below ``output_root``, such as ``../x``.

    Raises:
        UserMistake: in one line.
    """
    if not isinstance(name, str):
        return  # the check of the types says so
    parts = name.split("/")
    if (
        any(part in ("", ".", "..") or part[0] == "~" or len(os.fsencode(part)) > LONGEST for part in parts)
        or not name.isprintable()
        or "\\" in name
    ):
        raise UserMistake(
            f"{key} = {_shortened(name)!r}: expected the name of a folder below output_root: letters, digits, signs "
            f"and single /, at most {LONGEST} bytes a part"
        )


def check_below(path: Path, root: str, key: str, *, given: Collection[str]) -> None:
    """Refuse a directory outside ``output_root`` that the command line does not name itself.

    Args:
        path: the directory.
        root: the value of ``output_root``.
        key: the config key of ``path``.
        given: keys that the command line gives.

    Raises:
        UserMistake: in one line.
    """
    if not str(path).isprintable():
        raise UserMistake(
            f"{key} = {_shortened(str(path))!r}: expected a path without line breaks or control characters"
        )
    if key not in given and not Path(os.path.abspath(path)).is_relative_to(os.path.abspath(root)):
        raise UserMistake(
            f"{key} = {_shortened(str(path))!r}: not below output_root = {root!r}; only the command line may say so"
        )


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:40]}... ({len(text)} characters)"
