"""What the user of a strategy may not have meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smoothlab.inspection.words import percent

if TYPE_CHECKING:
    from smoothlab.inspection.findings import Findings

STRONG = 0.5
MOST_NAMES = 5


def cautions(found: Findings) -> list[str]:
    """One line each; empty where all is well."""
    return [text for check in (_lead, _negative, _strong, _empty, _stopped) for text in check(found)]


def _lead(found: Findings) -> list[str]:
    names = [
        found.class_names[k] for one in found.moments for k in one.classes[one.loses_lead & ~(one.epsilon < 0)].tolist()
    ]
    if not names:
        return []
    losers = _some(list(dict.fromkeys(names)))
    two = " With two classes, half of the mass on the other one leaves nothing to learn." * (
        len(found.class_names) == 2
    )
    return [f"the label loses its lead: another class gets as much or more, for {losers}.{two}"]


def _negative(found: Findings) -> list[str]:
    if min(found.epsilon.low) >= 0:
        return []
    return [
        f"negative smoothing: epsilon falls to {min(found.epsilon.low):.3g}; the loss has no floor, and confidence is "
        "pushed up without end."
    ]


def _strong(found: Findings) -> list[str]:
    highest = max(found.epsilon.high)
    if highest <= STRONG:
        return []
    return [f"epsilon reaches {highest:.3g}: above {STRONG:g}, more mass is moved than stays."]


def _empty(found: Findings) -> list[str]:
    empty = [name for name, count in zip(found.class_names, found.class_counts, strict=True) if count == 0]
    return [f"no training row of {_some(empty)}: what depends on counts or rows does not see it."] if empty else []


def _stopped(found: Findings) -> list[str]:
    epochs, earliest = found.plan.epochs, found.plan.earliest_stop
    if found.history is not None or epochs is None or earliest is None or found.epsilon.is_flat:
        return []
    ends = found.epsilon.last_change * epochs
    if earliest >= ends:
        return []
    place = min(range(len(found.epsilon.x)), key=lambda i: abs(found.epsilon.x[i] - earliest / epochs))
    return [
        f"early stopping may end the run from epoch {earliest} on ({percent(earliest / epochs)}, mean epsilon "
        f"{found.epsilon.mean[place]:.3g}), but the schedule moves until epoch {ends:.0f}; "
        "callbacks=none trains to the end."
    ]


def _some(names: list[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
