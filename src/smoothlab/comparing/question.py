"""What a comparison is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from smoothlab.comparing.arm import Arm
from smoothlab.comparing.condition import Condition
from smoothlab.comparing.planning import NO_CONDITION, Level
from smoothlab.comparing.repetition import Repetition


@dataclass(frozen=True)
class Judging:
    """How the runs are judged.

    Args:
        level: of the intervals.
        margin: share of the baseline's NLL below which a difference does not matter.
        trial: only whether everything runs, such as by ``debug=quick``: nothing is answered.
        looks: runs of an arm at which the verdict is looked at, rising; empty: once, when all runs are done.
    """

    level: float
    margin: float
    trial: bool = False
    looks: tuple[int, ...] = ()


@dataclass(frozen=True)
class Question:
    """What is asked.

    Args:
        folder: of the comparisons of an experiment; the run directories stand in ``runs`` below it.
        arms: by name, the baseline first.
        repetition: how often an arm is trained.
        grid: most settings of an arm.
        required: arms that must fit the data, beside the baseline.
        n_jobs: runs at a time, or ``auto``.
        judging: how the runs are judged.
        title: of the page.
        signature: of the command and of the files that it reads; empty where these are not all known.
        typed: the words of the command.
        condition: what is varied beside the arms, or measured of them; None: nothing.
    """

    folder: Path
    arms: Mapping[str, Arm]
    repetition: Repetition
    grid: int
    required: Sequence[str]
    n_jobs: int | str
    judging: Judging
    title: str
    signature: str
    typed: Sequence[str]
    condition: Condition | None = None

    @property
    def levels(self) -> Sequence[Level]:
        """Of the condition; a single one without."""
        return self.condition.levels if self.condition else NO_CONDITION

    @property
    def answers(self) -> Path:
        """The folder of comparison.json and the page; that of a condition is its own."""
        return self.folder / self.condition.name if self.condition else self.folder

    @property
    def baseline(self) -> str:
        """The arm that the others are compared with."""
        return next(iter(self.arms))
