"""Whether smoothing helps, by a rule that is written down: helps, hurts, no difference that matters, cannot tell."""

from __future__ import annotations

import math
from collections.abc import Sequence

from smoothlab.reports.sentences import best_sentence, check_sentences, first_sentence, steps
from smoothlab.reports.verdict import (
    CANNOT_TELL,
    HELPS,
    HURTS,
    NO_DIFFERENCE,
    ONE,
    Candidate,
    Case,
    Check,
    Interval,
    Verdict,
    beyond_noise,
    holds,
)
from smoothlab.statistics import Estimate


def verdict_of(case: Case) -> Verdict:
    """Apply the rule.

    The smoothing arm with the lowest validation NLL is the hero: it stands for smoothing, and its test NLL is compared
    with the baseline's once. What the choice has seen of the test NLL's error makes its interval wider, to one that
    holds for all smoothing arms at once: over folds the validation rows, which are test rows of other folds; over seeds
    the luck of the trainings, which validation and test rows share.

    1. ``no_difference``: the interval of two one-sided tests lies within the margin on both sides of 0.
    2. ``helps``: the interval lies below 0. ``hurts``: above 0.
    3. ``cannot_tell``: anything else, and a single run of an arm, which has no error over trainings.

    The best of all by validation NLL, rivals and what is made after training included, is held against the hero. What
    to do: an arm whose test NLL is below the baseline's beyond noise, while its accuracy is not lower and its AURC not
    higher beyond noise; the best of all where it beats the hero beyond noise, else the hero. Where there is none, the
    baseline; where it cannot be told, the comparison that would tell more.
    """
    hero = next((arm for arm in case.candidates if arm.name == case.hero and arm.nll is not None), None)
    nll = None if hero is None else hero.nll
    kind = kind_of(hero, case)
    best = best_of_all(case.candidates, case.baseline, hero)
    apart = None if best is None or hero is None or best == hero.name else case.between(best, hero.name)
    use = _use(case, kind, hero, best, apart)
    return Verdict(
        kind=kind,
        hero=None if hero is None else hero.name,
        difference=Interval.of(nll, case.level),
        equivalence=Interval.of(None if hero is None else hero.equivalence, 2 * case.level - 1),
        margin=case.margin * case.nll,
        detectable=math.nan if nll is None or case.design == ONE else nll.detectable(),
        best=best,
        best_difference=Interval.of(None if best == case.baseline else apart, case.level),
        arm=use,
        findings=(first_sentence(case, kind, hero), best_sentence(case, hero, best, apart)),
        steps=tuple(steps(case, kind, hero, use)),
        checks=() if hero is None else tuple(checks_of(hero, case)),
    )


def best_of_all(candidates: Sequence[Candidate], baseline: str, hero: Candidate | None) -> str | None:
    """The arm with the lowest validation NLL; None where it is not known. The hero is the first of equals."""
    known = [arm for arm in candidates if math.isfinite(arm.validation) and arm.nll is not None]
    if not known:
        return None
    lowest = min(known, key=lambda arm: (arm.validation, arm is not hero))
    return lowest.name if lowest.validation < 0 else baseline


def kind_of(hero: Candidate | None, case: Case) -> str:
    """Which of the four verdicts holds for the hero."""
    if hero is None or hero.nll is None or math.isnan(hero.nll.low) or case.design == ONE:
        return CANNOT_TELL
    margin, narrow = case.margin * case.nll, hero.equivalence
    if narrow is not None and -margin < narrow.low and narrow.high < margin:
        return NO_DIFFERENCE
    if hero.nll.high < 0:
        return HELPS
    return HURTS if hero.nll.low > 0 else CANNOT_TELL


def checks_of(arm: Candidate, case: Case) -> list[Check]:
    """What the rule looks at of an arm, in sentences."""
    assert arm.nll is not None
    passed = {
        "validation NLL": arm.validation < 0,
        "test NLL": beyond_noise(arm.nll, -1) and case.design != ONE,
        "accuracy": not beyond_noise(arm.accuracy, -1),
        "AURC": not beyond_noise(arm.aurc, 1),
    }
    return [Check(name, passed[name], says) for name, says in check_sentences(arm, case).items()]


def _use(case: Case, kind: str, hero: Candidate | None, best: str | None, apart: Estimate | None) -> str | None:
    """The arm to use; None where nothing can be said yet."""
    by_name = {arm.name: arm for arm in case.candidates}

    def good(arm: Candidate) -> bool:
        below = arm.nll is not None and arm.nll.high < 0 and (arm is hero or arm.nll_p <= 1 - case.level)
        return below and holds(arm) and case.design != ONE

    helps = kind == HELPS and hero is not None and holds(hero)
    other = by_name.get(best or "")
    if other is not None and other is not hero and good(other) and (not helps or beyond_noise(apart, -1)):
        return other.name
    if helps and hero is not None:
        return hero.name
    return None if kind == CANNOT_TELL else case.baseline
