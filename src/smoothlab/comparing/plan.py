"""Which runs a comparison has: every arm with each of its settings, for every seed or fold."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smoothlab.comparing.arm import Settings, settings_text
from smoothlab.rundir.atomic import make_folders, write_json
from smoothlab.rundir.directory import RunDirectory
from smoothlab.rundir.reading import UnreadableFile, read_json

HEX = 8  # digits of the identity in a directory's name
FORMAT = 3


@dataclass(frozen=True)
class PlannedRun:
    """A run of a comparison.

    Args:
        arm: name of its arm.
        settings: the point of the arm's grid.
        seed: of the run.
        fold: its fold; None where the comparison goes over seeds.
        identity: hash of its config and of its data.
        level: which value of the condition it has; None without a condition.
        teacher: the identity of the run that it learns from, which is to be done first; None: it learns from none.
    """

    arm: str
    settings: Settings = field(hash=False)
    seed: int
    fold: int | None
    identity: str
    level: str | None = None
    teacher: str | None = None

    @property
    def directory(self) -> str:
        """Name of its directory: readable, and ending in its identity."""
        parts = [self.arm, self.level, settings_text(self.settings).replace(" ", "="), f"seed={self.seed}"]
        parts += [] if self.fold is None else [f"fold={self.fold}"]
        text = re.sub(r"[^A-Za-z0-9._=,+-]+", "_", ",".join(part for part in parts if part))
        return f"{text[:80].strip('._-,')}-{self.identity[:HEX]}"


@dataclass
class Plan:
    """The runs of a comparison, and which arms do not fit.

    Args:
        runs: what is to be trained, all arms of a seed before those of the next.
        left_out: why an arm is not among them, by name.
        values: the resolved config of each run by identity; empty for a plan that was read from its file.
        foldable: whether the data can be cut into folds, as far as that is known.
        looks: how many looks were taken; 0 of a comparison that is looked at once.
        level: of the intervals at the last look; None of a comparison that is looked at once.
        dropped: arms that a look left behind.
    """

    runs: list[PlannedRun] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    foldable: bool = False
    looks: int = 0
    level: float | None = None
    dropped: list[str] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Keep the plan, so that the same command need not make it again."""
        runs = [
            {"arm": run.arm, "settings": dict(run.settings), "seed": run.seed, "fold": run.fold}
            | {"identity": run.identity, "level": run.level, "teacher": run.teacher}
            for run in self.runs
        ]
        make_folders(path.parent)
        content = {"format": FORMAT, "runs": runs, "left_out": self.left_out, "foldable": self.foldable}
        content |= {"looks": self.looks, "level": self.level, "dropped": self.dropped}
        write_json(path, content)

    @classmethod
    def read(cls, path: Path) -> Plan | None:
        """The plan in a file; None where there is none that can be read."""
        try:
            content = read_json(path)
            if content["format"] != FORMAT:
                return None
            runs = [PlannedRun(**run) for run in content["runs"]]
            return cls(
                runs,
                dict(content["left_out"]),
                foldable=bool(content["foldable"]),
                looks=int(content["looks"]),
                level=content["level"],
                dropped=[str(name) for name in content["dropped"]],
            )
        except (UnreadableFile, ValueError, KeyError, TypeError, AttributeError):
            return None


class Places:
    """Where the runs of comparisons stand: found by their identity, whatever arm they were made for.

    Args:
        folder: that of the run directories.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folders = [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
        self._by_identity = {path.name.rsplit("-", 1)[-1]: path for path in sorted(folders)}

    def of(self, run: PlannedRun) -> RunDirectory:
        """The directory of a run, there or not."""
        return RunDirectory(self._by_identity.setdefault(run.identity[:HEX], self.folder / run.directory))


def signature(words: Sequence[str], states: Sequence[Any] | None) -> str:
    """A hash of a command and of the states of the files that it reads, for finding its plan again; empty for None."""
    return "" if states is None else hashlib.sha256(json.dumps([FORMAT, *words, *states]).encode()).hexdigest()[:16]
