"""Settings of Python, keywords or a mapping, as the overrides of a command."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from smoothlab.config.compose import all_groups, quoted
from smoothlab.errors import UserMistake


def overrides_of(*settings: Mapping[str, Any] | Sequence[str] | str) -> list[str]:
    """Overrides as on the command line, in the order of what is given.

    A name may have its levels in dots (``"optimizer.lr"``), in double underscores (``optimizer__lr``), as keywords
    cannot have dots, or in a mapping (``optimizer={"lr": 0.1}``). A text for a group chooses one of its options
    (``smoothing="none"``, ``smoothing={"strength": "cosine"}``).

    Args:
        settings: mappings of names to values, overrides, or one override.

    Raises:
        UserMistake: a name or a value that no config can hold.
    """
    words: list[str] = []
    for some in settings:
        if isinstance(some, Mapping):
            words += [word for key, value in some.items() for word in _of(_dotted(key), value)]
        elif isinstance(some, str):
            words.append(some)
        elif isinstance(some, Sequence):
            words += [str(word) for word in some]
        else:
            raise UserMistake(
                f"{some!r}: expected an override such as 'optimizer.lr=0.1', or a mapping of keys to values"
            )
    return words


def _dotted(key: Any) -> str:
    if not isinstance(key, str) or not key.strip():
        raise UserMistake(f"{key!r}: expected the name of a key, such as 'optimizer.lr'")
    return key.replace("__", ".")


def _of(key: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping) and value and not key.startswith(("+", "~")) and _is_node(key):
        for name, inner in value.items():
            yield from _of(f"{key}.{_dotted(name)}", inner)
        return
    group = key.lstrip("+").replace(".", "/")
    if group in _groups() and (isinstance(value, str) or _is_options(value)):
        yield f"{group}={value if isinstance(value, str) else written(value)}"
    elif value is None and group in _groups() and "none" in _groups()[group]:
        yield f"{group}=none"
    else:
        yield f"{key}={written(value)}"


def _is_node(key: str) -> bool:
    """Whether a mapping for the key names keys below it, as for a group, and is no value of its own."""
    return key.replace(".", "/") in _groups() or key in ("hydra", "arms")


def _is_options(value: Any) -> bool:
    """Whether a value is a list of a group's options, such as several penalties."""
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(item, str) for item in value)


@cache
def _groups() -> dict[str, list[str]]:
    return all_groups()


def written(value: Any, text: Callable[[str], str] = quoted) -> str:
    """A value in the grammar of overrides.

    Args:
        value: a number, a text, None, or a list or mapping of such.
        text: how a text is written; within quotes.

    Raises:
        UserMistake: of a type that no config holds.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str | Path):
        return text(str(value))
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{written_key(key)}:{written(inner, text)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple | np.ndarray):
        return "[" + ",".join(written(item, text) for item in value) + "]"
    raise UserMistake(f"{value!r}: expected a number, a text, None, or a list or mapping of such")


def written_key(key: Any) -> str:
    """A key of a mapping, in which the grammar knows no quotes.

    Raises:
        UserMistake: it holds a letter that the grammar has not.
    """
    text = str(key)
    if not re.fullmatch(r"[\w/+.$%*@?|()\[\]{}:=, \\-]+", text, re.ASCII):
        raise UserMistake(
            f"{text!r}: a key of a mapping may have letters a to z, digits and .-_/ here; use a config file"
        )
    return re.sub(r"([()\[\]{}:=, \\])", r"\\\1", text)
