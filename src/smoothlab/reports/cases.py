"""From the runs of arms to what the rule of the verdict looks at."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from smoothlab.reports.evidence import RAW, TEMPERATURE
from smoothlab.reports.judging import Design, Runs, difference_of, family_factor, mean_of, pairs
from smoothlab.reports.roles import SMOOTHING, smooths
from smoothlab.reports.verdict import Advice, Candidate, Case

if TYPE_CHECKING:
    import pandas as pd

    from smoothlab.statistics import Estimate


def case_of(
    arms: Mapping[str, Runs],
    roles: Mapping[str, str],
    base: str,
    hero: str | None,
    table: pd.DataFrame,
    *,
    level: float,
    margin: float,
    advice: Advice | None,
    dropped: Sequence[str] = (),
) -> Case:
    """What the rule looks at.

    Args:
        arms: what the finished runs of each arm show.
        roles: of each arm.
        base: name of the baseline.
        hero: the arm that stands for smoothing.
        table: with the corrected p-values of the arms.
        level: of the intervals.
        margin: share of the baseline's NLL below which a difference does not matter.
        advice: what can be typed next.
        dropped: arms that cannot be the best any more.
    """
    smoothing = [name for name, role in roles.items() if role == SMOOTHING and arms[name]]
    factor = family_factor(arms, base, smoothing, "nll", level) if smoothing else 1.0
    nll = table[(table["metric"] == "nll") & (table["variant"] == RAW)]
    corrected = dict(zip(nll["arm"], nll["p_holm"], strict=True))

    def apart(
        name: str, metric: str, its_level: float = level, variant: str = RAW, other: str = RAW
    ) -> Estimate | None:
        change = difference_of(arms[name], arms[base], metric, its_level, variant=variant, baseline_variant=other)
        return change.widened(factor, its_level) if change is not None and name in smoothing else change

    def between(first: str, second: str) -> Estimate | None:
        change = difference_of(arms[first], arms[second], "nll", level, variant=RAW, baseline_variant=RAW)
        others = [name for name in arms if name != second and arms[name]]
        return None if change is None else change.widened(family_factor(arms, second, others, "nll", level), level)

    mean = mean_of(list(arms[base].values()), RAW, "nll", level)
    return Case(
        baseline=base,
        hero=hero,
        plain=not any(smooths(run.record.flat) for run in arms[base].values()),
        nll=math.nan if mean is None else mean.mean,
        candidates=[
            Candidate(
                name=name,
                role=roles[name],
                validation=math.nan if name in dropped else validation(arms[name], arms[base]),
                nll=apart(name, "nll"),
                nll_p=corrected.get(name, math.nan),
                equivalence=apart(name, "nll", 2 * level - 1),
                accuracy=apart(name, "accuracy"),
                aurc=apart(name, "aurc"),
                to_scaled=apart(name, "nll", level, RAW, TEMPERATURE),
            )
            for name in arms
            if name != base
        ],
        scaled=difference_of(arms[base], arms[base], "nll", level, variant=TEMPERATURE, baseline_variant=RAW),
        between=between,
        design=Design.of(list(arms[base].values())).kind,
        level=level,
        margin=margin,
        advice=advice or Advice(),
    )


def chosen(arms: Mapping[str, Runs], base: str, names: Sequence[str]) -> str | None:
    """The one of some arms with the lowest validation NLL; a lone one needs no choosing. None where none is known.

    Args:
        arms: runs by arm.
        base: name of the baseline.
        names: among which the choice is made.
    """
    known = {name: validation(arms[name], arms[base]) for name in names}
    known = {name: value for name, value in known.items() if math.isfinite(value)}
    if not known:
        return names[0] if len(names) == 1 else None
    return min(known, key=lambda name: known[name])


def validation(arm: Runs, baseline: Runs) -> float:
    """Mean paired difference of the validation NLL; NaN without a pair that has it."""
    differences = [
        ours - theirs
        for key in pairs(arm, baseline)
        if (ours := arm[key].validated) is not None and (theirs := baseline[key].validated) is not None
    ]
    return math.fsum(differences) / len(differences) if differences else math.nan
