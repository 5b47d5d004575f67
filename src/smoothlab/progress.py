"""Parts of a run that change with the training's progress, which needs an end to be a share of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import nn


def following_progress(part: Any) -> Any:
    """The first among a part and all that it holds that says so by ``follows_progress``; None where there is none.

    Looks into modules, dataclasses and other objects of ours, mappings, lists and tuples.
    """
    return _search(part, set())


def _search(part: Any, seen: set[int]) -> Any:
    if part is None or isinstance(part, str | bytes | int | float | type) or id(part) in seen:
        return None
    seen.add(id(part))
    if getattr(part, "follows_progress", False) is True:
        return part
    for inner in _inside(part):
        follower = _search(inner, seen)
        if follower is not None:
            return follower
    return None


def _inside(part: Any) -> list[Any]:
    if isinstance(part, Mapping):
        return list(part.values())
    if isinstance(part, list | tuple):
        return list(part)
    held = [getattr(part, attribute.name, None) for attribute in fields(part)] if is_dataclass(part) else []
    if isinstance(part, nn.Module):
        held += part.children()
    if type(part).__module__.partition(".")[0] not in ("torch", "builtins", "numpy"):
        held += [value for name, value in getattr(part, "__dict__", {}).items() if not name.startswith("__")]
    return held
