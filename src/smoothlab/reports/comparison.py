"""Which arm is better, by how much and how surely: the numbers behind a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from smoothlab.reports.records import RunRecord

COLUMNS = (
    "arm",
    "variant",  # "raw", or "temperature": after temperature scaling on validation predictions
    "metric",
    "mean",
    "low",
    "high",
    "seeds",  # runs that the mean is of
    "difference",  # to the baseline, over the runs that are paired with one of it; NaN for the baseline itself
    "difference_low",
    "difference_high",
    "p",
    "p_holm",
    "prob_best",
    "better",  # "min", "max", or "zero": which values are good
)


@dataclass(frozen=True)
class Check:
    """A condition of the verdict: whether it holds, in a plain sentence."""

    name: str
    passed: bool
    says: str


@dataclass(frozen=True)
class Verdict:
    """The recommendation.

    Args:
        arm: the arm that is recommended; None where smoothing does not help here, or nothing can be said.
        sentences: two plain sentences.
        checks: what the rule looked at.
    """

    arm: str | None
    sentences: tuple[str, str]
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class Arm:
    """One of the ways that are compared.

    Args:
        name: what it is called.
        runs: how many runs of it are finished.
        is_baseline: whether the others are compared to it.
        settings: the leaves of its config, by dotted keys, in which the arms differ.
    """

    name: str
    runs: int
    is_baseline: bool
    settings: dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """Arms, judged on the test split.

    Args:
        arms: the baseline first.
        metrics: names, in the order of the table.
        table: a row for each arm, variant and metric; its columns are ``COLUMNS``.
        verdict: what to do.
        notes: what a reader has to know about the numbers.
        classes: names of the classes.
    """

    arms: tuple[Arm, ...]
    metrics: tuple[str, ...]
    table: pd.DataFrame
    verdict: Verdict
    notes: tuple[str, ...]
    classes: tuple[str, ...]

    @classmethod
    def of(cls, records: Sequence[RunRecord], *, baseline: str | None = None, level: float = 0.95) -> Comparison:
        """Compare the finished runs among ``records``.

        Args:
            records: runs of one data set.
            baseline: the arm that the others are compared to; by default the one without smoothing.
            level: of the intervals.
        """
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """Plain values; what is not a number is None."""
        raise NotImplementedError
