"""sweep.json: which runs a sweep has and where they stand, so that the same command finds them again."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smoothlab.errors import UserMistake
from smoothlab.rundir.atomic import write_json
from smoothlab.rundir.directory import DONE, RunDirectory, now
from smoothlab.rundir.identity import NOT_IDENTITY, differences, flat
from smoothlab.rundir.reading import read_json, read_yaml

FORMAT = 1
FILE = "sweep.json"
PREFIX_LENGTH = 80
HEX = 8  # digits of the identity in a directory's name
SHOWN = 5  # differences in a message
HINT = "give this sweep a name of its own with hydra.launcher.name=... (or hydra.sweep.dir=...), or put things back"


@dataclass(frozen=True)
class Entry:
    """A run of a sweep.

    Args:
        directory: name of its directory in the sweep's.
        overrides: what was given for it on the command line.
        identity: hash of its config and of the content of its data.
    """

    directory: str
    overrides: tuple[str, ...]
    identity: str


class Ledger:
    """The runs of a sweep, in the order in which they were first asked for.

    Args:
        folder: the sweep's directory; nothing is read or made.
        base: what the configs of all its runs have in common, by dotted keys.
        entries: its runs.
        data: fingerprints of the files that the data come from; see ``smoothlab.sweeps.fingerprints``.
    """

    def __init__(
        self, folder: Path, base: dict[str, Any], entries: Sequence[Entry] = (), data: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.base = base
        self.entries: list[Entry] = []
        self.data = dict(data or {})
        self.created = now()
        self._by_identity: dict[str, Entry] = {}
        self._by_overrides: dict[tuple[str, ...], Entry] = {}
        for entry in entries:
            self._add(entry)

    def _add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self._by_identity.setdefault(entry.identity, entry)
        self._by_overrides.setdefault(identifying(entry.overrides), entry)

    @classmethod
    def read(cls, folder: Path | str) -> Ledger:
        """The ledger in a sweep's directory.

        Raises:
            UserMistake: there is none, or it cannot be read.
        """
        file = Path(folder) / FILE
        try:
            content = read_json(file)
            entries = [
                Entry(_folder_name(job["directory"]), tuple(map(str, job["overrides"])), str(job["identity"]))
                for job in content["jobs"]
            ]
            if content["format"] != FORMAT:
                raise UserMistake(f"{file}: format {content['format']!r}; this version of smoothlab reads {FORMAT}")
            ledger = cls(Path(folder), content["base"], entries, _texts_by_text(content.get("data", {})))
            ledger.created = content["created"]
        except FileNotFoundError:
            raise UserMistake(f"{str(folder)!r}: not a sweep's directory, it has no {FILE}") from None
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise UserMistake(f"{file}: not readable ({type(error).__name__}: {error})") from None
        return ledger

    @classmethod
    def open(cls, folder: Path, base: dict[str, Any]) -> Ledger:
        """The ledger of the sweep in ``folder``, or a new one; nothing is written.

        Raises:
            UserMistake: the sweep there has another base config; the message shows where.
        """
        if not (folder / FILE).exists():
            return cls(folder, base)
        ledger = cls.read(folder)
        base = json.loads(json.dumps(base))
        common = {key: value for key, value in ledger.base.items() if key in base}
        changed = [f"{key}: {value} -> {base[key]}" for key, value in common.items() if value != base[key]]
        if changed:
            raise UserMistake(f"{folder}: its base config is another one ({_some(changed)}); {HINT}")
        ledger.base = common
        return ledger

    def place(self, overrides: Sequence[str], identity: str, prefix: str, values: dict[str, Any]) -> Entry:
        """The entry of a run, a new one where the sweep has none of this identity.

        Raises:
            UserMistake: a run of the same overrides is there with another config or other data.
        """
        if identity in self._by_identity:
            return self._by_identity[identity]
        if same := self._by_overrides.get(identifying(overrides)):
            config = self.run(same).config
            before = read_yaml(config) if config.is_file() else values
            changed = differences(before, values) or [
                "its config files, its data, its own code or a file that it names"
            ]
            raise UserMistake(f"{self.folder / same.directory}: changed since it ran ({_some(changed)}); {HINT}")
        entry = Entry(f"{prefix}-{identity[:HEX]}", tuple(overrides), identity)
        self._add(entry)
        return entry

    def take_in(self) -> None:
        """Add the runs that other commands have written into sweep.json since it was read."""
        if (self.folder / FILE).exists():
            known = set(self.entries)
            for entry in Ledger.read(self.folder).entries:
                if entry not in known:
                    self._add(entry)

    def run(self, entry: Entry) -> RunDirectory:
        """The directory of a run."""
        return RunDirectory(self.folder / entry.directory)

    def write(self) -> None:
        """Write sweep.json, whole."""
        jobs = [
            {"directory": entry.directory, "overrides": list(entry.overrides), "identity": entry.identity}
            for entry in self.entries
        ]
        content = {"format": FORMAT, "created": self.created, "jobs": jobs, "base": self.base}
        content |= {"data": self.data} if self.data else {}
        write_json(self.folder / FILE, content)


def _texts_by_text(node: Any) -> dict[str, str]:
    if not isinstance(node, dict) or not all(isinstance(value, str) for value in node.values()):
        raise ValueError("data: expected texts by texts")
    return node


def _folder_name(name: Any) -> str:
    """The name of a run's folder in the sweep's own, nothing else: what it names is written to and pruned."""
    if not isinstance(name, str) or name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"a run's directory is {name!r}, expected the name of a folder in the sweep's")
    return name


def state_of(run: RunDirectory) -> str:
    """The state of a run; empty where there is none, or a damaged status: such a run is made again."""
    try:
        return str(run.read_status().get("state", ""))
    except UserMistake:
        return ""


def is_done(run: RunDirectory) -> bool:
    """Whether a run has its results."""
    return state_of(run) == DONE and run.results.is_file()


def common(configs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What all configs have in common of what determines results, by dotted keys."""
    first, *rest = configs
    same = {key: value for key, value in flat(first).items() if key.split(".")[0] not in NOT_IDENTITY}
    for values in rest:
        other = flat(values)
        same = {key: value for key, value in same.items() if key in other and other[key] == value}
    return same


def _some(changed: Sequence[str]) -> str:
    more = f"; and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
    return "; ".join(changed[:SHOWN]) + more


def identifying(overrides: Sequence[str]) -> tuple[str, ...]:
    """The overrides that make a difference to results, in an order of their own."""
    return tuple(sorted(word for word in overrides if key_of(word).split(".")[0] not in {*NOT_IDENTITY, "hydra"}))


def key_of(override: str) -> str:
    """The key of ``key=value``, without the signs and the package that Hydra lets it have."""
    return override.split("=", 1)[0].lstrip("+~").split("@")[0].replace("/", ".")


def sweep_hash(overrides: Sequence[str]) -> str:
    """What a sweep's directory is called where it was given no name: a hash of what was asked for."""
    return hashlib.sha256(json.dumps(identifying(overrides)).encode()).hexdigest()[:HEX]


def prefixes(jobs: Sequence[Sequence[str]], *, otherwise: str) -> list[str]:
    """A readable beginning of each run's directory: what its overrides have that not every run's have."""
    everywhere = set.intersection(*(set(job) for job in jobs)) if jobs else set()
    return [_readable([word for word in job if word not in everywhere]) or _clean(otherwise) for job in jobs]


def _readable(overrides: Sequence[str]) -> str:
    words = []
    for override in identifying(overrides):
        key, _, value = override.partition("=")
        words.append(f"{re.split(r'[./]', key.lstrip('+~'))[-1]}={value}")
    return _clean(",".join(words))


def _clean(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._=,+-]+", "_", text)[:PREFIX_LENGTH].strip("._-,")
