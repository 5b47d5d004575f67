"""What a strategy does, in one or two sentences made from its numbers."""

from __future__ import annotations

import math

from smoothlab.inspection.epsilon import EpsilonCurve
from smoothlab.inspection.findings import Findings
from smoothlab.inspection.probe import USUAL


def sentences(findings: Findings) -> list[str]:
    """The targets, how the strength moves, what it learns, and what stands beside it."""
    return [_targets(findings), *_strength(findings), *_learning(findings), *_beside(findings)]


def percent(share: float) -> str:
    """A share with as many digits as tell it from 0 and from 1."""
    size = abs(share)
    if size == 0 or size == 1:
        return f"{share:.0%}"
    if 0.9995 <= size < 1:
        text = f"{100 * share:.4f}".rstrip("0")
        return "<100%" if text.startswith("100") else f"{text}%"
    return f"{share:.1%}" if size >= 0.0995 else f"{100 * share:.2g}%" if size >= 1e-6 else f"{100 * share:.0e}%"


def between(low: float, high: float, form: str = "percent") -> str:
    """Two numbers as a range, or one where they read the same."""
    texts = [percent(value) if form == "percent" else number(value, form) for value in (low, high)]
    return texts[0] if texts[0] == texts[1] else f"{texts[0]} to {texts[1]}"


def number(value: float, form: str = ".2f") -> str:
    """A number; ``inf`` and ``-`` where there is none."""
    if math.isnan(value):
        return "-"
    return "inf" if math.isinf(value) else f"{value:{form}}"


def _targets(findings: Findings) -> str:
    shown = findings.targets
    if float(shown.epsilon.abs().max()) == 0:
        return f"No smoothing{_state(findings)}: the target is the label itself."
    keeps = between(float(shown.keeps.min()), float(shown.keeps.max()))
    left = 1 - shown.keeps
    if float(left.abs().max()) == 0:
        return f"The prior gives all mass back to the label{_state(findings)}: the target is the label itself."
    when = "" if len(findings.moments) == 1 else f", at {percent(shown.progress)} of the training"
    if findings.by_confidence:
        when += f", where the model gives it {USUAL:.0%}"
    if bool((left < 0).any()):
        return f"A label gets {keeps} of the mass, and classes beside it less than nothing{when}."
    size = shown.matrix.shape[1]
    text = f"A label keeps {keeps} of its target{when}; "
    if size == 2:
        return text + "the other class gets the rest."
    if shown.is_even:
        share = shown.mean(left / (size - 1))
        return text + f"each of the other {size - 1:,} classes gets {percent(share)}."
    top = shown.others.nan_to_num(nan=0.0).amax(1) / left.clamp_min(1e-300)
    return text + f"of the rest the nearest class gets {percent(shown.mean(top))} on average, among {size - 1:,}."


def _state(findings: Findings) -> str:
    if not findings.learned:
        return ""
    return ", with what was learned" if findings.history is not None else " at the start, before anything is learned"


def _strength(findings: Findings) -> list[str]:
    curve, texts = findings.epsilon, []
    if not curve.is_flat:
        highest, lowest = max(curve.mean), min(curve.mean)
        texts.append(
            f"Mean epsilon begins at {curve.mean[0]:.3g} and ends at {curve.mean[-1]:.3g}"
            + (
                ""
                if {curve.mean[0], curve.mean[-1]} == {highest, lowest}
                else f", within {lowest:.3g} to {highest:.3g}"
            )
            + "."
        )
    if findings.by_confidence:
        right, wrong = findings.by_confidence["right"], findings.by_confidence["wrong"]
        texts.append(f"It looks at the model: {_swept(right)}" + _wrong(right, wrong) + ".")
    elif curve.has_spread:
        place = curve.x.index(findings.shown_at) if findings.shown_at in curve.x else 0
        texts.append(
            f"It differs from sample to sample: epsilon from {curve.low[place]:.3g} to {curve.high[place]:.3g}, "
            f"{curve.mean[place]:.3g} on average."
        )
    return texts


def _swept(curve: EpsilonCurve) -> str:
    first, last = curve.x[0], curve.x[-1]
    return (
        f"epsilon is {curve.mean[0]:.3g} where its confidence is {percent(first)} and {curve.mean[-1]:.3g} "
        f"where it is {percent(last)}"
    )


def _wrong(right: EpsilonCurve, wrong: EpsilonCurve) -> str:
    if all(math.isclose(a, b, abs_tol=1e-9) for a, b in zip(right.mean, wrong.mean, strict=True)):
        return ""
    return f" (a model that is wrong: {wrong.mean[0]:.3g} and {wrong.mean[-1]:.3g})"


def _learning(findings: Findings) -> list[str]:
    past = findings.history is not None
    verb = "was moved by" if past else "starts here and is moved by"
    return [f"{part.key} learns: it {verb} {part.moved_by}." for part in findings.learned]


def _beside(findings: Findings) -> list[str]:
    from smoothlab.inspection.parts import described

    more = []
    for key, part in findings.parts.items():
        text = described(part)
        if key == "loss":
            more.append(f"loss: {text}; gaps and floor here are those of the cross-entropy, and this loss has its own.")
        elif key.startswith("penalty."):
            more.append(f"{key}: {text}, added to the loss of each row; it moves the best logits away from these gaps.")
        elif key == "mixing":
            more.append(f"mixing: {text}; labels are mixed first and smoothed once; targets here are of unmixed rows.")
    return more
