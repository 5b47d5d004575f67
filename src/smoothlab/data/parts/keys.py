"""Flat keys, as configs have them, sorted into the parts that a data module is put together from."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import inspect
import typing
from collections.abc import Callable, Sequence
from typing import Any

from smoothlab.errors import InvalidArgument

Name = str | int


def takes_keys(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function take the fields of its parts as keywords, in place of the parts or beside them.

    An argument whose default is a dataclass is a part. Both calls mean the same:

        TableData(path="a.csv", labels=Labels(target="y"), splits=Splits(split="group", split_column="patient"))
        TableData(path="a.csv", target="y", split="group", split_column="patient")

    What is not given comes from the part's default. The signature shows the flat keys, by which configs are checked.

    Raises:
        InvalidArgument: by the function that is returned, for a key that no part has, or a part beside its own keys.
    """
    hints, parameters = typing.get_type_hints(function), inspect.signature(function).parameters
    parts: dict[str, Any] = {
        name: parameter.default for name, parameter in parameters.items() if dataclasses.is_dataclass(parameter.default)
    }
    part_of = {field.name: part for part, default in parts.items() for field in dataclasses.fields(default)}
    flat = [parameter for name, parameter in parameters.items() if name not in parts]
    types = {name: hint for name, hint in hints.items() if name not in parts}
    for default in parts.values():
        types |= typing.get_type_hints(type(default))
        flat += [
            inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=getattr(default, field.name))
            for field in dataclasses.fields(default)
        ]

    @functools.wraps(function)
    def taking(*positional: Any, **given: Any) -> Any:
        arguments: dict[str, Any] = {}
        keys: dict[str, dict[str, Any]] = {}
        for name, value in given.items():
            if name in parts and isinstance(value, type(parts[name])):
                arguments[name] = value
            elif name in part_of:
                keys.setdefault(part_of[name], {})[name] = value
            elif name in parameters and name not in parts:
                arguments[name] = value
            else:
                near = difflib.get_close_matches(name, signature.parameters, n=1)
                hint = f"; nearest: {near[0]}" if near else ""
                taker = function.__qualname__.removesuffix(".__init__")
                raise InvalidArgument(name, value, f"an argument of {taker}{hint}")
        for part, fields in keys.items():
            if part in arguments:
                raise InvalidArgument(part, next(iter(fields)), "the part or its keys, not both")
            arguments[part] = dataclasses.replace(parts[part], **fields)
        return function(*positional, **arguments)

    signature = inspect.Signature(sorted(flat, key=lambda parameter: parameter.kind))
    taking.__signature__ = signature  # type: ignore[attr-defined]
    taking.__annotations__ = types
    return taking


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
