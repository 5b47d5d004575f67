"""What a verdict is made from, and what it says: the data of ``deciding.py`` and ``sentences.py``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from smoothlab.statistics import Estimate

HELPS, HURTS, NO_DIFFERENCE, CANNOT_TELL = "helps", "hurts", "no_difference", "cannot_tell"
MARGIN = 0.02  # share of the baseline's NLL below which a difference does not matter
ONE = "one"  # the design of a single run an arm


@dataclass(frozen=True)
class Check:
    """A condition of the verdict: whether it holds, in a plain sentence."""

    name: str
    passed: bool
    says: str


@dataclass(frozen=True)
class Step:
    """What to do: a plain sentence, and what to type, if there is something to type."""

    says: str
    command: str | None


@dataclass(frozen=True)
class Interval:
    """A difference and its interval.

    Args:
        mean: the difference.
        low: lower end; NaN where nothing is known of its error.
        high: upper end.
        error: standard error.
        level: of the interval.
        endless: the smallest true difference that endless runs on the same rows would show in four of five cases.
    """

    mean: float
    low: float
    high: float
    error: float
    level: float
    endless: float = math.nan

    @classmethod
    def of(cls, change: Estimate | None, level: float) -> Interval | None:
        """That of an estimate."""
        if change is None:
            return None
        return cls(change.mean, change.low, change.high, change.error, level, change.detectable(runs=math.inf))


@dataclass(frozen=True)
class Advice:
    """What can be typed next.

    Args:
        train: by arm the command that trains it.
        scaled: the command that trains the baseline and scales its temperature, or None.
        more: the comparison that would tell more, or None.
        seconds: that it takes, estimated from the runs that are done, or None.
        runs: times as many runs as here.
        rows: times as many test rows as here.
    """

    train: Mapping[str, str] = field(default_factory=dict)
    scaled: str | None = None
    more: str | None = None
    seconds: float | None = None
    runs: float = 1.0
    rows: float = 1.0


@dataclass(frozen=True)
class Candidate:
    """What the rule looks at of an arm; differences are to the baseline.

    Args:
        name: of the arm.
        role: see ``reports/roles.py``.
        validation: mean paired difference of the validation NLL; NaN where it is not known.
        nll: of the test NLL, without temperature scaling.
        nll_p: its p-value, corrected for the number of arms.
        equivalence: the same with the interval of two one-sided tests.
        accuracy: of the test accuracy, if there is one.
        aurc: of the test AURC, if there is one.
        to_scaled: of its test NLL to that of the baseline after temperature scaling, if there is one.
    """

    name: str
    role: str
    validation: float
    nll: Estimate | None
    nll_p: float
    equivalence: Estimate | None
    accuracy: Estimate | None = None
    aurc: Estimate | None = None
    to_scaled: Estimate | None = None


@dataclass(frozen=True)
class Case:
    """All that the rule looks at.

    Args:
        baseline: name of the arm that the others are compared with.
        hero: the smoothing arm that stands for smoothing; None where there is none to judge.
        plain: whether the baseline trains without smoothing.
        nll: mean test NLL of the baseline; NaN where it is not known.
        candidates: the other arms.
        scaled: difference of the baseline's test NLL after temperature scaling to that before it, if there is one.
        between: the difference of the test NLL of two arms by name, the first less the second, if they are paired.
        design: how the runs repeat an arm: ``seeds``, ``folds``, ``splits``, ``draws``, or ``one`` run.
        level: of the intervals.
        margin: share of ``nll`` below which a difference does not matter.
        advice: what can be typed.
    """

    baseline: str
    hero: str | None
    plain: bool
    nll: float
    candidates: Sequence[Candidate]
    scaled: Estimate | None
    between: Callable[[str, str], Estimate | None]
    design: str
    level: float = 0.95
    margin: float = MARGIN
    advice: Advice = field(default_factory=Advice)


@dataclass(frozen=True)
class Verdict:
    """The answer.

    Args:
        kind: ``helps``, ``hurts``, ``no_difference`` (none larger than the margin) or ``cannot_tell``.
        hero: the smoothing arm that stands for smoothing; None where there is none to judge.
        difference: of its test NLL to that of the baseline.
        equivalence: the same, with the interval of two one-sided tests (90% for a level of 95%).
        margin: in nats.
        detectable: the smallest true difference that rows and runs such as these would show in four of five cases.
        best: the arm with the lowest validation NLL of all, the baseline included.
        best_difference: of its test NLL to that of the hero; None where the hero or the baseline is it.
        arm: the arm that is to be used; None where it cannot be told.
        findings: what is said of smoothing against the baseline, and of the best of all.
        steps: what to do.
        checks: what the rule looked at of the hero.
    """

    kind: str
    hero: str | None
    difference: Interval | None
    equivalence: Interval | None
    margin: float
    detectable: float
    best: str | None
    best_difference: Interval | None
    arm: str | None
    findings: tuple[str, str]
    steps: tuple[Step, ...]
    checks: tuple[Check, ...] = ()

    @property
    def sentences(self) -> tuple[str, str, str]:
        """Smoothing against the baseline and the best of all, as in ``answers``; what to do."""
        return *self.answers, " ".join(step.says for step in self.steps)

    @property
    def answers(self) -> tuple[str, str]:
        """What is said first, and second: the best of all first, where it beats the smoothing beyond noise."""
        apart = self.best_difference
        first, second = self.findings
        return (second, first) if apart is not None and apart.high < 0 else (first, second)

    @property
    def smoothing(self) -> str:
        """The sentence on smoothing against the baseline."""
        return self.findings[0]

    @property
    def overall(self) -> str:
        """The sentences on the best of all."""
        return self.findings[1]

    @property
    def heroes(self) -> tuple[str, ...]:
        """The arms that sentences, tables and charts are about, beside the baseline: best smoothing, best of all."""
        return tuple(dict.fromkeys(name for name in (self.hero, self.best) if name is not None))


# Of runs that were made to see whether everything works.
NO_ANSWER = Verdict(
    kind=CANNOT_TELL,
    hero=None,
    difference=None,
    equivalence=None,
    margin=math.nan,
    detectable=math.nan,
    best=None,
    best_difference=None,
    arm=None,
    findings=(
        "This is a look at whether everything runs: nets that were trained for a few batches say nothing of smoothing.",
        "Leave out debug= for an answer.",
    ),
    steps=(),
)


def beyond_noise(change: Estimate | None, sign: int) -> bool:
    """Whether an interval lies above 0 (``sign`` 1) or below it (-1)."""
    return change is not None and (change.low > 0 if sign > 0 else change.high < 0)


def holds(arm: Candidate) -> bool:
    """Whether accuracy is not lower, and AURC not higher, beyond noise."""
    return not beyond_noise(arm.accuracy, -1) and not beyond_noise(arm.aurc, 1)
