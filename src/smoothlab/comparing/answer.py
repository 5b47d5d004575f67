"""What a comparison answers at one level of its condition."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoothlab.comparing.choosing import Tried
from smoothlab.comparing.planning import Level

if TYPE_CHECKING:
    from smoothlab.reports.comparison import Comparison
    from smoothlab.reports.records import Records


@dataclass(frozen=True)
class Chosen:
    """The runs that stand for the arms at one level.

    Args:
        level: which.
        by_arm: the point of each arm's grid.
        tried: all its points.
        arms: the arm of each run directory, those made from predictions among them.
    """

    level: Level
    by_arm: dict[str, Tried]
    tried: dict[str, list[Tried]]
    arms: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "level": self.level.name,
            "arms": self.arms,
            "chosen": {name: dict(point.settings) for name, point in self.by_arm.items()},
            "tried": {name: [point.to_json() for point in points] for name, points in self.tried.items()},
        }


@dataclass(frozen=True)
class Answer:
    """What came of a level.

    Args:
        chosen: the runs.
        records: what they left.
        compared: the numbers.
        page: its report.
    """

    chosen: Chosen
    records: Records
    compared: Comparison
    page: Path
