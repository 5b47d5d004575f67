"""How the cells of a table's files are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from smoothlab.data.parts.keys import Name, all_named, settle


@dataclass(frozen=True)
class Reading:
    """Signs, names and empty cells of files; see ``conf/data/part/reading.yaml``."""

    separator: str = "auto"
    encoding: str = "utf-8"
    decimal: str = "auto"
    header: int | None = 0
    names: Sequence[Name] | None = None
    missing_words: Sequence[Name] | dict[str, Sequence[str]] | None = None
    verbatim: Sequence[Name] = ()
    deduplicate: bool = False
    without: str | None = None

    def __post_init__(self) -> None:
        settle(self, missing_words=self.missing_words or (), verbatim=all_named(self.verbatim))

    def options(self) -> dict[str, Any]:
        """Arguments of :func:`smoothlab.data.table.reading.read_table`."""
        options = asdict(self)
        del options["deduplicate"], options["without"]
        return options

    def plain(self) -> dict[str, Any]:
        """The same as plain values, for a checkpoint."""
        return {name: _plain(option) for name, option in self.options().items()}


def _plain(option: Any) -> Any:
    if isinstance(option, Mapping):
        return {str(key): _plain(value) for key, value in option.items()}
    return [str(value) for value in option] if isinstance(option, Sequence) and not isinstance(option, str) else option
