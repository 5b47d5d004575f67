"""The recommendation, by a rule that is written down: best validation NLL whose guardrails hold, or none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from smoothlab.statistics import Estimate

SAME = 1e-4  # of an NLL: an arm that is the baseline with its temperature scaled


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
        arm: the arm that is recommended; None where none helps here, or nothing can be said.
        sentences: two plain sentences.
        checks: what the rule looked at.
    """

    arm: str | None
    sentences: tuple[str, str]
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """What the rule looks at of an arm; differences are to the baseline.

    Args:
        name: of the arm.
        validation: mean paired difference of the validation NLL.
        nll: of the test NLL, without temperature scaling.
        nll_holm: its p-value, corrected for the number of arms.
        accuracy: of the test accuracy, if there is one.
        aurc: of the test AURC, if there is one.
        to_scaled: of its test NLL to that of the baseline after temperature scaling, if there is one.
    """

    name: str
    validation: float
    nll: Estimate | None
    nll_holm: float
    accuracy: Estimate | None
    aurc: Estimate | None
    to_scaled: Estimate | None


def verdict_of(
    baseline: str, candidates: Sequence[Candidate], scaled: Estimate | None, *, level: float, seeds: int
) -> Verdict:
    """Apply the rule.

    Of the arms with a lower validation NLL than the baseline, from the lowest on, the first is recommended whose test
    accuracy is not lower and whose AURC is not higher beyond noise (their intervals do not lie on the wrong side of 0),
    and whose test NLL is lower beyond noise (p at most 1 - level after Holm's correction). Else none helps.

    Args:
        baseline: name of the arm that the others are compared to.
        candidates: the other arms.
        scaled: difference of the baseline's test NLL after temperature scaling to that before it.
        level: of the intervals.
        seeds: runs of the baseline.
    """
    judged = [arm for arm in candidates if arm.nll is not None and math.isfinite(arm.validation)]
    if not judged:
        first = f"Nothing can be said: no arm has a finished run that is paired with one of {baseline}."
        return Verdict(None, (first, _of_scaling_alone(baseline, scaled)))
    judged.sort(key=lambda arm: arm.validation)
    looked: list[Check] = []
    for arm in judged:
        if arm.validation >= 0:
            break
        checks = checks_of(arm, baseline, level)
        if all(check.passed for check in checks):
            return Verdict(arm.name, (_recommended(arm, baseline, level), _of_scaling(arm, baseline)), tuple(checks))
        looked += checks
    if judged[0].validation >= 0:
        says = f"validation NLL of {judged[0].name}, the best of the others, is not below that of {baseline}"
        looked = [Check("validation NLL", False, _sentence(says))]
    first = f"None: it does not help here; {_why_none(judged, looked, baseline, level)}."
    if seeds < 2:
        first = first[:-1] + ", as far as one seed can tell."
    return Verdict(None, (first, _of_scaling_alone(baseline, scaled)), tuple(looked))


def checks_of(arm: Candidate, baseline: str, level: float) -> list[Check]:
    """The conditions on an arm."""
    checks = [
        Check(
            "validation NLL",
            arm.validation < 0,
            f"Validation NLL of {arm.name} is {abs(arm.validation):.4f} below that of {baseline}.",
        )
    ]
    for name, change, sign, wrong in (("accuracy", arm.accuracy, -1, "lower"), ("AURC", arm.aurc, 1, "higher")):
        if change is None:
            continue
        if math.isnan(change.low):
            passed = sign * change.mean <= 0
            says = f"Test {name} of {arm.name} differs by {change.mean:+.4f}; one pair of runs gives no interval."
        else:
            passed = not (change.low > 0 if sign > 0 else change.high < 0)
            word = "not " if passed else ""
            says = f"Test {name} of {arm.name} is {word}{wrong} beyond noise: difference {interval(change, level)}."
        checks.append(Check(name, passed, says))
    assert arm.nll is not None
    gains = arm.nll.mean < 0 and arm.nll_holm <= 1 - level
    word = "" if gains else "not "
    corrected = "no p-value" if math.isnan(arm.nll_holm) else f"p {p_value(arm.nll_holm)} after Holm's correction"
    says = f"Test NLL of {arm.name} is {word}lower beyond noise: difference {interval(arm.nll, level)}, {corrected}."
    return [*checks, Check("test NLL", gains, says)]


def interval(change: Estimate, level: float) -> str:
    """ "-0.0210 (95% interval -0.0300 to -0.0120)"."""
    if math.isnan(change.low):
        return f"{change.mean:+.4f}"
    return f"{change.mean:+.4f} ({100 * level:g}% interval {change.low:+.4f} to {change.high:+.4f})"


def p_value(value: float) -> str:
    """ "0.012", or "below 0.001"."""
    return "below 0.001" if value < 0.001 else f"{value:.3f}"


def _recommended(arm: Candidate, baseline: str, level: float) -> str:
    assert arm.nll is not None
    held = [name for name, change in (("accuracy", arm.accuracy), ("AURC", arm.aurc)) if change is not None]
    guards = f", and its {' and '.join(held)} {'hold' if len(held) > 1 else 'holds'}" if held else ""
    return (
        f"Use {arm.name}: it changes the test NLL of {baseline} by {interval(arm.nll, level)}, "
        f"p {p_value(arm.nll_holm)} after Holm's correction{guards}."
    )


def _of_scaling(arm: Candidate, baseline: str) -> str:
    change = arm.to_scaled
    if change is None:
        return f"Whether temperature scaling after {baseline} does as well is not known: it needs predictions."
    if abs(change.mean) < SAME and not change.error > SAME:
        return f"That is what temperature scaling after {baseline} gives, without training anew."
    if change.mean < 0 and change.high < 0:
        return f"Temperature scaling after {baseline} does not do as well: its test NLL is {-change.mean:.4f} higher."
    if change.mean > 0:
        return (
            f"Temperature scaling after {baseline} does as well, without training anew: its test NLL is "
            f"{change.mean:.4f} lower."
        )
    return (
        f"Temperature scaling after {baseline} does as well, without training anew: its test NLL is {-change.mean:.4f} "
        "higher, which is within noise."
    )


def _of_scaling_alone(baseline: str, scaled: Estimate | None) -> str:
    if scaled is None or math.isnan(scaled.low):
        return f"Keep {baseline}."
    if scaled.high < 0:
        return f"Keep {baseline} and scale its temperature, which lowers the test NLL by {-scaled.mean:.4f}."
    if scaled.low > 0:
        return f"Keep {baseline} as it is: temperature scaling raises its test NLL by {scaled.mean:.4f}."
    return f"Keep {baseline}; temperature scaling changes its test NLL by {scaled.mean:+.4f}, which is within noise."


def _why_none(judged: Sequence[Candidate], looked: Sequence[Check], baseline: str, level: float) -> str:
    best = judged[0]
    if best.validation >= 0:
        return f"no arm has a lower validation NLL than {baseline}"
    failed = [check.name for check in checks_of(best, baseline, level) if not check.passed]
    assert best.nll is not None
    if failed == ["test NLL"]:
        if best.nll.mean >= 0:
            return f"the best on validation, {best.name}, does not lower the test NLL ({interval(best.nll, level)})"
        return f"the gain of the best on validation, {best.name}, is within noise ({interval(best.nll, level)})"
    words: Mapping[str, str] = {"accuracy": "its test accuracy", "AURC": "its AURC", "test NLL": "its test NLL"}
    return f"the best on validation, {best.name}, fails on {' and '.join(words[name] for name in failed)}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."
