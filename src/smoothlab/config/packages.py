"""Optional packages of Lightning's classes: one that is missing is found before anything is made."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lightning_utilities.core.imports import RequirementCache

from smoothlab.config.allowed import nodes_of, resolve_target
from smoothlab.errors import UserMistake


def check_packages(config: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    """Refuse classes whose constructor would refuse for want of a package.

    Lightning's constructors look at objects that know whether a requirement is met. Some have begun something by then,
    and those of loggers are called when the run directory is there.

    Args:
        config: the resolved config.
        allowed: prefixes that targets may begin with.

    Raises:
        UserMistake: none of the packages that a constructor asks for is there.
    """
    for key, node in nodes_of(config):
        if (target := node.get("_target_")) is None:
            continue
        function = resolve_target(str(target), allowed, key=f"{key}._target_")
        for base in inspect.getmro(function) if inspect.isclass(function) else ():
            asked = list(_requirements(vars(base).get("__init__")))
            if asked and not any(asked):
                raise UserMistake(f"{key}._target_ = {target!r}: needs {_names(asked)}, which is not installed")


def _requirements(function: Any) -> Iterator[RequirementCache]:
    function = inspect.unwrap(function) if callable(function) else function
    if inspect.isfunction(function):
        named = (function.__globals__.get(name) for name in function.__code__.co_names)
        yield from (part for part in named if isinstance(part, RequirementCache))


def _names(asked: Iterable[RequirementCache]) -> str:
    """The packages, each once, with the first version that is asked for."""
    wanted: dict[str, str] = {}
    for needed in asked:
        requirement = str(needed.requirement or needed.module)
        wanted.setdefault(re.split(r"[^\w.-]", requirement)[0], requirement)
    return f"the package {' or '.join(map(repr, wanted.values()))}"
