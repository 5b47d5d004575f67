"""What is known of each public data set: the one index, `index.yaml`, as objects."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

import yaml

from smoothlab.errors import UserMistake


@dataclass(frozen=True)
class PublicFile:
    """One file of a public data set, known by its content."""

    name: str
    address: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class PublicSet:
    """One public data set: where it is, what it must contain, under which terms, and how it is read."""

    name: str
    title: str
    domain: str
    shape: str
    folder: str
    files: tuple[PublicFile, ...]
    licence: str
    terms: str
    citation: str
    reader: str | None
    notes: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def bundled(self) -> bool:
        """Whether it comes with a package that is installed anyway."""
        return not self.files

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.bytes for file in self.files)

    @property
    def warning(self) -> str | None:
        """What a user should know of the licence; null where there is nothing."""
        if self.terms == "open":
            return None
        word = {"non-commercial": "for non-commercial use only", "unclear": "licence unclear"}[self.terms]
        return f"{self.name}: {word} ({self.licence})"


@cache
def public_sets() -> Mapping[str, PublicSet]:
    """Every public data set by its name, in alphabetical order."""
    text = resources.files("smoothlab.data.registry").joinpath("index.yaml").read_text(encoding="utf-8")
    return MappingProxyType({name: _read(name, dict(entry)) for name, entry in yaml.safe_load(text).items()})


def find_set(name: str) -> PublicSet:
    """The set of this name, or that whose files lie in a folder of this name.

    Raises:
        UserMistake: there is none.
    """
    known = public_sets()
    if name in known:
        return known[name]
    folders = {entry.folder.rsplit("/", 1)[-1]: entry for entry in known.values()}
    if name in folders:
        return folders[name]
    near = difflib.get_close_matches(name, [*known, *folders], n=1)
    hint = f"; nearest: {near[0]}" if near else ""
    raise UserMistake(f"{name}: no such public data set{hint}; smoothlab data list shows them all")


def _read(name: str, entry: dict[str, Any]) -> PublicSet:
    base = entry.pop("address", "")
    files = tuple(
        PublicFile(file, base + about.get("path", file), about["bytes"], about["sha256"])
        for file, about in entry.pop("files", {}).items()
    )
    return PublicSet(name=name, files=files, **entry)
