"""Nested names in which no name may stand twice below one parent."""

from __future__ import annotations

from typing import Any

from smoothlab.errors import InvalidArgument


def unique_pairs(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """A mapping; a key that is there twice is an error, where parsers keep the last one and lose a branch."""
    mapping: dict[Any, Any] = {}
    for key, value in pairs:
        if key in mapping:
            raise InvalidArgument("tree", key, "a name once below one parent")
        mapping[key] = value
    return mapping
