"""What the user of a strategy may not have meant."""

from __future__ import annotations

from smoothlab.inspection.findings import Findings
from smoothlab.inspection.words import percent

STRONG = 0.5
MOST_NAMES = 5


def cautions(findings: Findings) -> list[str]:
    """One line each; empty where all is well."""
    return [text for check in (_lead, _negative, _strong, _empty, _stopped) for text in check(findings)]


def _lead(findings: Findings) -> list[str]:
    losers: dict[str, None] = {}
    for moment in findings.moments:
        lost = moment.classes[moment.loses_lead & ~(moment.epsilon < 0)].tolist()
        losers |= dict.fromkeys(findings.class_names[k] for k in lost)
    if not losers:
        return []
    two = " With two classes, half of the mass on the other one leaves nothing to learn." * (
        len(findings.class_names) == 2
    )
    return [f"the label loses its lead: another class gets as much or more, for {_some(list(losers))}.{two}"]


def _negative(findings: Findings) -> list[str]:
    if (lowest := min(findings.epsilon.low)) >= 0:
        return []
    return [
        f"negative smoothing: epsilon falls to {lowest:.3g}; the loss has no floor, and confidence is "
        "pushed up without end."
    ]


def _strong(findings: Findings) -> list[str]:
    highest = max(findings.epsilon.high)
    if highest <= STRONG:
        return []
    return [f"epsilon reaches {highest:.3g}: above {STRONG:g}, more mass is moved than stays."]


def _empty(findings: Findings) -> list[str]:
    empty = [name for name, count in zip(findings.class_names, findings.class_counts, strict=True) if count == 0]
    return [f"no training row of {_some(empty)}: what depends on counts or rows does not see it."] if empty else []


def _stopped(findings: Findings) -> list[str]:
    epochs, earliest = findings.plan.epochs, findings.plan.earliest_stop
    if findings.history is not None or epochs is None or earliest is None or findings.epsilon.is_flat:
        return []
    ends = findings.epsilon.last_change * epochs
    if earliest >= ends:
        return []
    place = min(range(len(findings.epsilon.x)), key=lambda i: abs(findings.epsilon.x[i] - earliest / epochs))
    return [
        f"early stopping may end the run from epoch {earliest} on ({percent(earliest / epochs)}, mean epsilon "
        f"{findings.epsilon.mean[place]:.3g}), but the schedule moves until epoch {ends:.0f}; "
        "callbacks=none trains to the end."
    ]


def _some(names: list[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
