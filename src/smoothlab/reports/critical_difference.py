"""Arms over several data sets: average ranks, and the diagram of what tells them apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from smoothlab.errors import UserMistake
from smoothlab.reports.evidence import RAW
from smoothlab.reports.figures import GUIDE, MODEL, STYLE, UNDER
from smoothlab.statistics import RankComparison, friedman_nemenyi

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from smoothlab.reports.comparison import Comparison


@dataclass(frozen=True)
class CriticalDifference:
    """How arms rank over data sets.

    Args:
        metric: that they are ranked by.
        arms: those that every comparison has.
        data_sets: names, in the order of the comparisons.
        ranking: ranks in the order of ``arms``, critical difference, groups that are not told apart.
        level: of the test.
        notes: what a reader has to know.
    """

    metric: str
    arms: tuple[str, ...]
    data_sets: tuple[str, ...]
    ranking: RankComparison
    level: float
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls, comparisons: Mapping[str, Comparison], *, metric: str = "nll", variant: str = RAW, level: float = 0.95
    ) -> CriticalDifference:
        """Rank the arms that all comparisons have by their mean of a metric.

        Args:
            comparisons: one a data set, by its name.
            metric: what to rank by; a metric that is best at 0 by its distance.
            variant: ``raw``, or ``temperature``.
            level: 1 less the chance of telling any equal arms apart.

        Raises:
            UserMistake: fewer than two comparisons, or fewer than two arms with this metric in all of them.
        """
        scores: list[dict[str, float]] = []
        for comparison in comparisons.values():
            table = comparison.table
            table = table[(table["metric"] == metric) & (table["variant"] == variant)]
            signs = {"min": table["mean"], "max": -table["mean"], "zero": table["mean"].abs()}
            better = str(table["better"].iloc[0]) if len(table) else "min"
            scores.append(dict(zip(table["arm"], signs[better], strict=True)))
        everywhere = [name for name in (scores[0] if scores else {}) if all(name in by_arm for by_arm in scores)]
        if len(scores) < 2 or len(everywhere) < 2:
            raise UserMistake(
                f"{len(scores)} comparisons with {len(everywhere)} arms that all of them have {metric!r} of: expected "
                "at least two of each"
            )
        ranking = friedman_nemenyi([[float(by_arm[name]) for name in everywhere] for by_arm in scores], level=level)
        notes = []
        if left := sorted({name for by_arm in scores for name in by_arm} - set(everywhere)):
            notes.append(f"Not ranked, since not every data set has them: {', '.join(left)}.")
        if len(scores) < 5:
            notes.append(f"{len(scores)} data sets are few: ranks have to lie far apart before they are told apart.")
        return cls(metric, tuple(everywhere), tuple(comparisons), ranking, level, tuple(notes))

    def figure(self, *, title: str | None = None) -> Figure:
        """The diagram: arms at their average ranks, best on the left; bars join arms that are not told apart.

        Source: Demšar, JMLR 2006.
        """
        from matplotlib import rc_context
        from matplotlib.figure import Figure

        ranking, count = self.ranking, len(self.arms)
        ranks = np.array(ranking.ranks)[list(ranking.order)]
        names = [self.arms[index] for index in ranking.order]
        half = (count + 1) // 2
        bars = [group for group in ranking.groups if group[1] > group[0]]
        first_label = 0.55 + 0.22 * len(bars)  # below the bars
        depth = first_label + 0.42 * half
        with rc_context(STYLE):
            figure = Figure(figsize=(7.0, 1.1 + 0.55 * depth), layout="constrained")
            if title:
                figure.suptitle(title, fontsize=11)
            axes = figure.subplots()
            axes.set_axis_off()
            room = 0.45 * (count - 1)
            axes.set_xlim(1 - room, count + room)
            axes.set_ylim(depth, -1.25)
            axes.plot([1, count], [0, 0], color=MODEL, linewidth=1.0)
            for rank in range(1, count + 1):
                axes.plot([rank, rank], [-0.1, 0], color=MODEL, linewidth=1.0)
                axes.text(rank, -0.16, str(rank), ha="center", va="bottom")
            width = min(ranking.critical_difference, count - 1)
            axes.plot([1, 1 + width], [-0.75, -0.75], color=GUIDE, linewidth=1.6, marker="|", markersize=7)
            axes.text(
                1 + width / 2,
                -0.85,
                f"critical difference {ranking.critical_difference:.2f}",
                ha="center",
                va="bottom",
                fontsize=8,
                color=GUIDE,
            )
            for place, (name, rank) in enumerate(zip(names, ranks, strict=True)):
                left = place < half
                height = first_label + 0.42 * (place if left else count - 1 - place)
                end = 1 - 0.04 * count if left else count + 0.04 * count
                axes.plot([rank, rank, end], [0, height, height], color=MODEL, linewidth=0.8)
                shown = name if len(name) <= 34 else name[:33] + "…"
                text = f"{shown}  {rank:.2f} " if left else f" {rank:.2f}  {shown}"
                axes.text(end, height, text, ha="right" if left else "left", va="center", parse_math=False)
            for level, (first, last) in enumerate(bars):
                height = 0.3 + 0.22 * level
                axes.plot([ranks[first] - 0.04, ranks[last] + 0.04], [height, height], color=UNDER, linewidth=3.5)
        return figure
