"""What the parts of a data module make and check of their keys."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from typing import Any

from smoothlab.errors import InvalidArgument

Name = str | int


def settle(part: Any, **values: Any) -> None:
    """Set fields of a frozen part to what was made of them."""
    for name, value in values.items():
        object.__setattr__(part, name, value)


def named(name: Name | None) -> str | None:
    """A column's name; those of a file without a header look like numbers on a command line."""
    return None if name is None else str(name)


def all_named(names: Sequence[Name] | None) -> list[str]:
    """Names of columns."""
    return [str(name) for name in names or ()]


def check_choice(name: str, value: Any, kinds: Any) -> None:
    """Refuse a value that is none of a ``Literal``.

    Raises:
        InvalidArgument: with the choices.
    """
    if value not in typing.get_args(kinds):
        raise InvalidArgument(name, value, f"one of {', '.join(typing.get_args(kinds))}")


def check_least(name: str, value: Any, least: int) -> None:
    """Refuse what is no integer, or one that is too small.

    Raises:
        InvalidArgument: with the least.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidArgument(name, value, f"an integer of at least {least}")


def check_seed(name: str, seed: int) -> None:
    """Refuse what numpy and torch would not take as a seed.

    Raises:
        InvalidArgument: it is none.
    """
    if not 0 <= seed < 2**32:
        raise InvalidArgument(name, seed, "an integer in [0, 4294967295]")
