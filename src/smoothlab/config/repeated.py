"""Many configs that differ in a few values: composed and resolved once, as Hydra would each of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf

from smoothlab.config.compose import OF_MEMBERS, compose_config, parse_overrides, plain
from smoothlab.config.contradictions import refuse_contradictions
from smoothlab.config.places import path_as_typed

Path = tuple[Any, ...]  # the keys that lead to a leaf
CHECKED = {"name", "output_root", "output"}  # keys of which `plain` asks more than of others
# What interpolations give that no value of a config changes.
FIXED = re.compile(r"\$\{(hydra:runtime\.choices\.[\w/]+|oc\.env:[\w,. -]*)\}")


class Repeated:
    """A config that is resolved once, and then with other values in it.

    Args:
        config: composed, with Hydra's own node.
        held: dotted keys that keep their values whatever the keys that they refer to become.
    """

    def __init__(self, config: DictConfig, *, held: Sequence[str] = ()) -> None:
        self.choices = dict(config.hydra.runtime.choices)
        raw = OmegaConf.to_container(config, resolve=False)
        assert isinstance(raw, dict)
        raw.pop("hydra")
        self._raw = raw
        self._references = [
            (path, text) for path, text in _texts(raw) if "${" in text and ".".join(map(str, path)) not in held
        ]
        self._config = config
        self._resolved: dict[str, Any] | None = None
        self._followers: dict[str, list[Path] | None] = {}

    def values(self, changes: Mapping[str, Any]) -> dict[str, Any] | None:
        """The resolved config with other values; None where more changes with them than can be told from here.

        What does not change is the same object in all that this returns, so that a thousand configs take little
        memory: change nothing below their first level.

        Args:
            changes: numbers, booleans, None and texts without interpolations, by the dotted keys of such.

        Raises:
            UserMistake: as of ``plain``.
        """
        if self._resolved is None:
            self._resolved = plain(self._config)
        values = {**self._resolved}
        for key, value in changes.items():
            if key not in self._followers:
                self._followers[key] = self._places(key)
            places = self._followers[key]
            if places is None:
                return None
            for place in places:
                _put(values, place, path_as_typed(value, key) if isinstance(value, str) else value)
        refuse_contradictions(values, self.choices)
        return values

    def _places(self, key: str) -> list[Path] | None:
        """Where the value of a key stands: there, and where ``${key}`` does; None where it goes into other texts."""
        places: list[Path] = [tuple(key.split("."))]
        is_member = places[0][0] in OF_MEMBERS and len(places[0]) == 2  # which null leaves out
        if places[0][0] in CHECKED or key in self.choices or is_member or not self._is_leaf(places[0]):
            return None
        for place in places:  # which grows
            name = ".".join(map(str, place))
            for path, text in self._references:
                if text == f"${{{name}}}":
                    if path[0] in CHECKED:
                        return None
                    places.append(path)
                elif path not in places and _may_name(FIXED.sub("", text), place):
                    return None
        return places

    def _is_leaf(self, path: Path) -> bool:
        node = self._raw
        for name in path:
            if not isinstance(node, dict) or name not in node:
                return False
            node = node[name]
        return not isinstance(node, dict | list)


def _put(values: dict[str, Any], place: Path, value: Any) -> None:
    """Set a leaf in copies of the nodes that lead to it."""
    *parents, leaf = place
    node: Any = values
    for name in parents:
        node[name] = list(node[name]) if isinstance(node[name], list) else {**node[name]}
        node = node[name]
    node[leaf] = value


def _texts(node: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """The texts in a config, each with the way to it."""
    if isinstance(node, str):
        yield path, node
    elif isinstance(node, dict | list):
        for key, inner in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _texts(inner, (*path, key))


def _may_name(text: str, place: Path) -> bool:
    """Whether an interpolation may depend on a leaf: it names a part of its key, a resolver, or what others name."""
    if re.search(r"\$\{[^}]*(:|\$\{)", text):
        return True
    return "${" in text and bool({*re.findall(r"[\w-]+", text)} & {*map(str, place)})


@dataclass(frozen=True)
class Composed:
    """The config of one job of many.

    Args:
        values: resolved, without Hydra's own node.
        compose: makes what they are resolved from, with that node.
    """

    values: dict[str, Any]
    compose: Callable[[], DictConfig]


def compose_jobs(name: str, jobs: Sequence[Sequence[str]]) -> list[Composed]:
    """The configs of a command's jobs; those that choose the same options are composed once.

    Args:
        name: of the command.
        jobs: the overrides of each.

    Raises:
        UserMistake: as of ``compose_config`` and ``plain``.
    """
    repeated: dict[tuple[str, ...], tuple[Repeated, dict[str, Any]]] = {}
    choices: frozenset[str] = frozenset()
    composed = []
    for job in jobs:
        compose = partial(compose_config, name, tuple(job))
        parsed = parse_overrides(job)
        if not repeated:
            choices = frozenset(compose().hydra.runtime.choices)
        changes = {each.key_or_group: each.value() for each in parsed if _is_value(each, choices)}
        alike = (*(str(each.input_line) for each in parsed if not _is_value(each, choices)), *changes)
        if alike not in repeated:
            repeated[alike] = Repeated(compose()), changes
        first, own = repeated[alike]
        values = first.values({key: value for key, value in changes.items() if not _same(value, own[key])})
        composed.append(Composed(plain(compose()) if values is None else values, compose))
    return composed


def _same(value: Any, other: Any) -> bool:
    return type(value) is type(other) and bool(value == other)


def _is_value(override: Override, choices: frozenset[str]) -> bool:
    """Whether an override sets one value of a key that is there."""
    key = override.key_or_group
    plain_key = override.type is OverrideType.CHANGE and override.package is None and key not in choices
    if not plain_key or not re.fullmatch(r"[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*", key) or key.startswith("hydra"):
        return False
    if override.is_sweep_override():
        return False
    value = override.value()
    is_text = isinstance(value, str) and "$" not in value and value != "???"  # the last of which is a missing value
    return value is None or isinstance(value, int | float) or is_text
