"""What a reader has to know about the numbers of a comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from smoothlab.reports.evidence import RAW, TEMPERATURE, Evidence
from smoothlab.reports.judging import Design, Runs, pairs

if TYPE_CHECKING:
    from smoothlab.reports.records import RunRecord

DESIGNS = {
    "seeds": (
        "What is estimated: how models trained on these training rows do on new rows, on average over seeds. The "
        "variance between seeds and that of the test rows which they share are added. The intervals of smoothing arms "
        "hold for all of them at once in what seeds differ by, since the choice among them by validation NLL has seen "
        "the luck of the trainings."
    ),
    "folds": (
        "What is estimated: how models trained on as many of these rows as all folds but one have do on new rows, on "
        "average over seeds. Every row is a test row once; the variance of rows within folds, and what folds differ by "
        "beyond it, are added. The intervals of smoothing arms hold for all of them at once, since the choice among "
        "them by validation NLL has seen rows that are test rows of other folds."
    ),
    "splits": (
        "What is estimated: how models trained on training sets of this size drawn anew do on new rows, on average. "
        "The runs are of splits, or of folds of whole groups, of the same rows, and the variance is corrected for "
        "their overlap (Nadeau and Bengio)."
    ),
    "draws": (
        "What is estimated: how models trained on rows drawn anew do on new rows, on average over seeds (t intervals)."
    ),
    "one": (
        "One run an arm: intervals are over test rows drawn anew alone; what another training would give is not in "
        "them."
    ),
}
SHOWN = 3


def notes_of(
    arms: Mapping[str, Runs],
    by_arm: Mapping[str, Sequence[RunRecord]],
    base: str,
    unreadable: Sequence[str],
    others: Sequence[Evidence],
) -> Iterator[str]:
    """The notes, the one on the intervals first.

    Args:
        arms: what the finished runs of each arm show.
        by_arm: all runs of each arm.
        base: name of the baseline.
        unreadable: why runs could not be read.
        others: runs that were left out, since their classes are others.
    """
    runs = [run for of_arm in arms.values() for run in of_arm.values()]
    if not runs:
        yield "No finished run could be read."
    else:
        yield DESIGNS[Design.of(list((arms[base] or next(of_arm for of_arm in arms.values() if of_arm)).values())).kind]
    if any(run.record.flat.get("data.split") == "group" and run.record.fold is None for run in runs):
        yield (
            "Rows of one group stay together in the split, but count as independent test rows: where they are alike, "
            "the intervals are too narrow."
        )
    yield from _of_states(arms, by_arm)
    yield from (f"Left out: {text}." for text in unreadable[:SHOWN])
    if len(unreadable) > SHOWN:
        yield f"Left out: {len(unreadable) - SHOWN} more runs that could not be read."
    if others:
        yield f"Left out: {_runs(len(others))} with other classes, or another kind of labels, than those of {base}."
    yield from _of_pairs(arms, base)
    for what, count in Counter(run.note for run in runs if run.note).items():
        yield (
            f"{_runs(count)} with {what}: metrics are those in results.json, without temperature scaling; the "
            "intervals are over seeds alone."
        )
    whole = [run for run in runs if not run.note]
    if missing := sum(TEMPERATURE not in run.values for run in whole):
        yield f"{_runs(missing)} without validation predictions: no temperature scaling for them."
    yield from _of_ece(whole)


def notes_of_looks(looks: tuple[int, int] | None, level: float, dropped: Sequence[str]) -> Iterator[str]:
    """What a reader has to know of a comparison that was looked at while it ran.

    Args:
        looks: which look this is, and of how many; None: there is one alone.
        level: of the intervals at this look.
        dropped: arms that an earlier look left behind.
    """
    if looks is None:
        return
    yield (
        f"Look {looks[0]} of at most {looks[1]}. The intervals of this one have a level of {100 * level:.3g}%, "
        "so that all together are wrong as often as a single one would be (Lan and DeMets, Pocock's form)."
    )
    if dropped:
        behind = f"{', '.join(dropped)} {'was' if len(dropped) == 1 else 'were'} left behind"
        yield f"By an earlier look's validation NLL {behind}: trained less, shown, and not chosen."


def _of_states(arms: Mapping[str, Runs], by_arm: Mapping[str, Sequence[RunRecord]]) -> Iterator[str]:
    for name, records in by_arm.items():
        left = Counter(record.state for record in records if not record.done)
        if left:
            states = ", ".join(f"{count} {state}" for state, count in sorted(left.items()))
            why = next((f" ({record.error})" for record in records if record.error and not record.done), "")
            nothing = "" if arms[name] else "; nothing is known of this arm"
            yield f"Not finished, of {_runs(len(records))} of {name}: {states}{why}{nothing}."
        keys = Counter((record.seed, record.fold) for record in records if record.done)
        if twice := sum(count - 1 for count in keys.values()):
            yield f"{_runs(twice)} of {name} repeat a seed and fold that is there already, and do not count."


def _of_pairs(arms: Mapping[str, Runs], base: str) -> Iterator[str]:
    for name, runs in arms.items():
        paired = len(pairs(runs, arms[base]))
        if name == base or paired == len(runs):
            continue
        same = sum(key in arms[base] for key in runs)
        why = "the same seed and fold" if same == paired else "the same test samples"
        yield f"Unequal splits: {_runs(len(runs) - paired)} of {name} without one of {base} that has {why}."
    of_base = len(arms[base])
    if fewer := [name for name, runs in arms.items() if runs and len(runs) < of_base]:
        yield f"Fewer runs than of {base}: {', '.join(fewer)}; differences are over the runs that are paired."


def _of_ece(runs: Sequence[Evidence]) -> Iterator[str]:
    chance = []
    for run in runs:
        uncertainty = run.record.results.get("uncertainty", {})
        mean = (
            uncertainty.get("test", {}).get("ece_of_a_calibrated_model", {}).get("mean")
            if isinstance(uncertainty, dict)
            else None
        )
        if isinstance(mean, int | float):
            chance.append((float(mean), run.samples))
    if chance:
        low, high = (function(value for value, _ in chance) for function in (min, max))
        about = f"{low:.3f}" if f"{low:.3f}" == f"{high:.3f}" else f"{low:.3f} to {high:.3f}"
        samples = min(count for _, count in chance)
        yield (
            f"ECE is biased upwards by chance: of {samples} test samples a perfectly calibrated model would show about "
            f"{about}. Arms have the same bias only where their confidences are alike."
        )
    elif any("ece" in run.values[RAW] for run in runs):
        yield "ECE is biased upwards by chance, the more the fewer the test samples."


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"
