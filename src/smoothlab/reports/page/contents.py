"""Everything that a report says, put together once for every form that it is written in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pandas as pd

from smoothlab.reports.arm_names import REPETITION
from smoothlab.reports.page.charts.answer import Row, answer_chart, narrow_answer_chart
from smoothlab.reports.page.material import Material
from smoothlab.reports.page.sections import SECTIONS
from smoothlab.reports.page.strengths import strengths_of
from smoothlab.reports.page.wording import counted, listed
from smoothlab.reports.sentences import called

if TYPE_CHECKING:
    from smoothlab.reports.comparison import Comparison, Verdict
    from smoothlab.reports.page.section import Section
    from smoothlab.reports.page.svg import Chart
    from smoothlab.reports.records import Records, RunRecord


@dataclass(frozen=True)
class Contents:
    """A report's contents, in the order in which it is read.

    Args:
        title: the heading.
        facts: what was compared, in a few words each.
        made: when.
        verdict: the answer.
        picture: the answer as one chart; None where no arm has a difference.
        narrow: the same for a narrow screen, on the page alone.
        notes: what to bear in mind.
        left_out: how many runs are left out, or in part.
        sections: those that have something to show.
        all_classes: a row for each arm and class.
    """

    title: str
    facts: tuple[str, ...]
    made: str
    verdict: Verdict
    picture: Chart | None
    narrow: Chart | None
    notes: tuple[str, ...]
    left_out: int
    sections: tuple[Section, ...]
    all_classes: pd.DataFrame

    @property
    def charts(self) -> tuple[Chart, ...]:
        """Every chart that is a file too."""
        first = () if self.picture is None else (self.picture,)
        return (*first, *(chart for section in self.sections for chart in section.charts))


def contents(comparison: Comparison, records: Records, *, title: str) -> Contents:
    """Put a report together.

    Args:
        comparison: of the records.
        records: runs, and what could not be read as one.
        title: the page's heading.
    """
    material = Material.of(comparison, records)
    picture, narrow = _pictures(comparison, material.baseline, strengths_of(material))
    sections = [make(material) for make in SECTIONS]
    classes = [seen.classes.assign(arm=arm) for arm, seen in material.seen.items() if len(seen.classes)]
    all_classes = pd.concat(classes, ignore_index=True) if classes else pd.DataFrame()
    return Contents(
        title=title,
        facts=_facts(material),
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        verdict=comparison.verdict,
        picture=picture,
        narrow=narrow,
        notes=(*_unlike(material.finished), *comparison.notes),
        left_out=len(material.left_out),
        sections=tuple(section for section in sections if section is not None),
        all_classes=all_classes[sorted(all_classes, key=lambda name: name != "arm")],
    )


def _pictures(comparison: Comparison, baseline: str, strengths: Mapping[str, str]) -> tuple[Chart | None, Chart | None]:
    """The differences of the test NLL, with the arms that the answer is about; the same for a narrow screen."""
    roles = {arm.name: arm.role for arm in comparison.arms}
    table = comparison.table
    nll = table[(table["metric"] == "nll") & (table["variant"] == "raw") & table["difference"].notna()]
    rows = [
        Row(
            row["arm"],
            roles[row["arm"]],
            row["difference"],
            row["difference_low"],
            row["difference_high"],
            row["arm"] in comparison.verdict.heroes,
            strengths.get(row["arm"], ""),
        )
        for row in nll.to_dict("records")
        if row["arm"] != baseline
    ]
    if not rows:
        return None, None
    about = (rows, called(baseline), comparison.level)
    return answer_chart(*about), narrow_answer_chart(*about)


def _facts(material: Material) -> tuple[str, ...]:
    """What was compared, in a few words each."""
    comparison, records, finished = material.comparison, material.records, material.finished
    names = Counter(record.name for record in finished)
    seeds = {record.seed for record in finished if record.seed is not None}
    folds = {record.fold for record in finished if record.fold is not None}
    facts = [
        ", ".join(name for name, _ in names.most_common(3)),
        counted(sum(arm.runs > 0 for arm in comparison.arms), "arm"),
    ]
    facts.append(counted(len(finished), "finished run"))
    facts += [counted(len(seeds), "seed")] if seeds else []
    facts += [counted(len(folds), "fold")] if len(folds) > 1 else []
    if material.seen:
        sizes = sorted({round(seen.samples / seen.runs) for seen in material.seen.values()})
        size = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
        facts.append(f"{size} test samples a run")
    if comparison.classes:
        facts.append(counted(len(comparison.classes), "class").replace("classs", "classes"))
    rest = len(records.records) - len(finished)
    facts += [f"{counted(rest, 'run')} not finished"] if rest else []
    facts += [f"{len(records.problems)} not readable"] if records.problems else []
    return tuple(fact for fact in facts if fact)


def _unlike(records: Sequence[RunRecord]) -> list[str]:
    """A warning where arms were trained on unlike data."""
    keys = dict.fromkeys(
        key for record in records for key in record.flat if key.startswith("data.") and key not in REPETITION
    )
    unlike = [key for key in keys if len({str(record.flat.get(key)) for record in records}) > 1]
    if not unlike:
        return []
    return [
        f"The arms differ in their data ({listed(unlike)}): what tells them apart is not smoothing alone. Look at the "
        "curves along the varied setting, or report one condition at a time."
    ]
