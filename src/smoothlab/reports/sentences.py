"""The words of a verdict: three sentences, and those of its conditions."""

from __future__ import annotations

import math
from collections.abc import Iterator

from smoothlab.reports.roles import SMOOTHING, WORDS
from smoothlab.reports.rounding import duration, signed, unsigned
from smoothlab.reports.verdict import (
    CANNOT_TELL,
    HELPS,
    HURTS,
    NO_DIFFERENCE,
    ONE,
    Candidate,
    Case,
    Step,
    beyond_noise,
)
from smoothlab.statistics import Estimate

SAME = 1e-4  # of an NLL: an arm that is the baseline with its temperature scaled


def called(name: str) -> str:
    """An arm in a sentence: ``none`` is ``no smoothing``."""
    return "no smoothing" if name == "none" else name


def interval(change: Estimate, level: float) -> str:
    """ "-0.021 (95% interval -0.030 to -0.012)"."""
    text = signed(change.mean, change.error)
    if math.isnan(change.low):
        return text
    return f"{text} ({_percent(level)} interval {_ends(change.low, change.high, change.error)})"


def first_sentence(case: Case, kind: str, hero: Candidate | None) -> str:
    """Smoothing against the baseline."""
    base, what = called(case.baseline), "smoothing" if case.plain else "other smoothing"
    if hero is None or hero.nll is None:
        if any(arm.role == SMOOTHING for arm in case.candidates):
            why = f"no smoothing arm has finished runs that are paired with those of {base}"
            if any(arm.role == SMOOTHING and arm.nll is not None for arm in case.candidates):
                why = "no validation NLL is known by which to choose one of the smoothing arms"
            return f"Whether {what} helps cannot be told: {why}."
        return f"Whether {what} helps is left open here: no arm smooths{'' if case.plain else ' in another way'}."
    change = hero.nll
    if kind == HELPS:
        size = _size(change, case.level, below=True)
        return f"{what.capitalize()} helps: {hero.name} lowers the test NLL of {base} by {size}{_guards(hero, case)}."
    if kind == HURTS:
        several = sum(arm.role == SMOOTHING and arm.nll is not None for arm in case.candidates) > 1
        which = f"{hero.name}, the best of it by validation NLL," if several else hero.name
        return f"{what.capitalize()} hurts: {which} raises the test NLL of {base} by {_size(change, case.level)}."
    if kind == NO_DIFFERENCE and hero.equivalence is not None:
        margin, share = case.margin * case.nll, f"{100 * case.margin:g}% of that of {base}"
        changes = interval(hero.equivalence, 2 * case.level - 1)
        return (
            f"{what.capitalize()} makes no difference larger than {margin:.2g} in test NLL ({share}): {hero.name} "
            f"changes it by {changes}{_guards(hero, case)}."
        )
    if math.isnan(change.low) or case.design == ONE:
        return (
            f"Whether {what} helps cannot be told from one run an arm: {hero.name} changes the test NLL of {base} by "
            f"{signed(change.mean, change.error)}, and another seed may change it back."
        )
    return (
        f"Whether {what} helps cannot be told from these rows and runs: {hero.name} changes the test NLL of {base} by "
        f"{interval(change, case.level)}. The smallest difference that a comparison like this one shows, in four of "
        f"five cases, is {unsigned(change.detectable(), change.error)}."
    )


def best_sentence(case: Case, hero: Candidate | None, best: str | None, apart: Estimate | None) -> str:
    """The best of all that was tried, against the hero; and temperature scaling after the baseline."""
    scaled = _of_scaling(case, hero)
    if best is None:
        return " ".join(filter(None, ["Which arm is best is left open: no validation NLL is known.", scaled]))
    begin = "Of all that was tried,"
    if hero is not None and best == hero.name:
        return " ".join(filter(None, [f"{begin} {best} has the lowest validation NLL.", scaled]))
    role = next((WORDS[arm.role] for arm in case.candidates if arm.name == best), WORDS["baseline"])
    text = f"{begin} {called(best)} ({role}) has the lowest validation NLL"
    if hero is None or apart is None:
        return " ".join(filter(None, [f"{text}.", scaled]))
    if beyond_noise(apart, -1):
        text += f", and its test NLL is below that of {hero.name} by {_size(apart, case.level, below=True)}."
    elif beyond_noise(apart, 1):
        text += f", but its test NLL is above that of {hero.name} by {_size(apart, case.level)}."
    else:
        text += f"; its test NLL differs from that of {hero.name} by {interval(apart, case.level)}, within noise."
    own = next((arm.to_scaled for arm in case.candidates if arm.name == best), None)
    is_scaled = own is not None and abs(own.mean) < SAME and not own.error > SAME
    return text if is_scaled else " ".join(filter(None, [text, scaled]))


def steps(case: Case, kind: str, hero: Candidate | None, use: str | None) -> Iterator[Step]:
    """What to do: the arm to use, and where it cannot be told what would tell more."""
    advice, base = case.advice, called(case.baseline)
    if use is not None and use != case.baseline:
        yield Step(f"Use {called(use)}.", advice.train.get(use))
    elif use is not None and case.scaled is not None and case.scaled.high < 0:
        gain = unsigned(case.scaled.mean, case.scaled.error)
        keep = f"Keep {base} and scale its temperature, which lowers its test NLL by {gain}."
        yield Step(keep, advice.scaled)
    elif use is not None or hero is None or hero.nll is None:
        yield Step(f"Keep {base}.", advice.train.get(case.baseline))
    if kind == CANNOT_TELL and hero is not None and hero.nll is not None:
        yield Step(_settle(case, hero, hero.nll), advice.more)


def check_sentences(arm: Candidate, case: Case) -> dict[str, str]:
    """What each condition says, by its name."""
    base = called(case.baseline)
    assert arm.nll is not None
    says = {}
    if math.isfinite(arm.validation):
        word = "below" if arm.validation < 0 else "above"
        size = unsigned(arm.validation, arm.nll.error)
        says["validation NLL"] = f"Validation NLL of {arm.name} is {size} {word} that of {base}."
    word = "" if beyond_noise(arm.nll, -1) and case.design != ONE else "not "
    differs = interval(arm.nll, case.level)
    says["test NLL"] = f"Test NLL of {arm.name} is {word}below that of {base} beyond noise: difference {differs}."
    for name, change, sign, wrong in (("accuracy", arm.accuracy, -1, "lower"), ("AURC", arm.aurc, 1, "higher")):
        if change is not None:
            word = "" if beyond_noise(change, sign) else "not "
            differs = interval(change, case.level)
            says[name] = f"Test {name} of {arm.name} is {word}{wrong} beyond noise: difference {differs}."
    return says


def _guards(hero: Candidate, case: Case) -> str:
    """What comes with the change: accuracy and AURC that hold, or that get worse."""
    guards = (("accuracy", hero.accuracy, "lower", -1), ("AURC", hero.aurc, "higher", 1))
    known = [guard for guard in guards if guard[1] is not None]
    worse = [
        f"its test {name} is {word} by {_size(change, case.level, below=sign < 0)}"
        for name, change, word, sign in known
        if change is not None and beyond_noise(change, sign)
    ]
    if worse:
        return f", but {' and '.join(worse)}"
    held = " and ".join(name for name, *_ in known)
    return f", and its {held} {'hold' if len(known) > 1 else 'holds'}" if known else ""


def _of_scaling(case: Case, hero: Candidate | None) -> str:
    """Temperature scaling after the baseline, against the hero."""
    change = None if hero is None else hero.to_scaled
    if change is None or hero is None:
        return ""
    base = called(case.baseline)
    size = unsigned(change.mean, change.error)
    if change.high < 0:
        return f"Temperature scaling after {base} does not do as well: its test NLL is {size} higher."
    if change.low > 0:
        return f"Temperature scaling after {base} does better, without training anew: its test NLL is {size} lower."
    as_well = f"Temperature scaling after {base} does as well, without training anew: its test NLL is {size}"
    if change.mean > 0:
        return f"{as_well} lower."
    return f"{as_well} higher, within noise."


def _settle(case: Case, hero: Candidate, change: Estimate) -> str:
    """What would tell more, how long it takes and what it would show."""
    advice = case.advice
    if advice.more is None:
        return f"Whether {hero.name} helps, more seeds or more rows would tell."
    takes = "" if advice.seconds is None else f" ({duration(advice.seconds)})"
    if math.isnan(change.low) or case.design == ONE:
        return f"To tell whether {hero.name} helps, run more{takes}."
    after = change.detectable(runs=advice.runs, rows=advice.rows)
    wanted = max(abs(change.mean), case.margin * case.nll)
    shows = f"{takes}: then a difference shows from about {unsigned(after, change.error)} on"
    if after <= wanted:
        return f"To settle it, run more{shows}."
    times = (after / wanted) ** 2 if wanted > 0 else math.inf
    rows = "far more rows" if times > 100 else f"about {math.ceil(times):d} times as many rows"
    return f"To tell more, run more{shows}; one as small as {unsigned(wanted, change.error)} needs {rows} too."


def _size(change: Estimate, level: float, *, below: bool = False) -> str:
    """The size of a change that is beyond noise: "0.021 (95% interval 0.012 to 0.030)"."""
    low, high = (-change.high, -change.low) if below else (change.low, change.high)
    ends = f"{unsigned(low, change.error)} to {unsigned(high, change.error)}"
    return f"{unsigned(change.mean, change.error)} ({_percent(level)} interval {ends})"


def _ends(low: float, high: float, error: float) -> str:
    return f"{signed(low, error)} to {signed(high, error)}"


def _percent(level: float) -> str:
    return f"{100 * level:.3g}%"
