"""Which arm is better, by how much and how surely: the numbers behind a report."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoothlab.errors import UserMistake
from smoothlab.reports.arm_names import tells
from smoothlab.reports.cases import case_of, chosen
from smoothlab.reports.deciding import verdict_of
from smoothlab.reports.evidence import ALSO_BETTER, BETTER, RAW, TEMPERATURE, Evidence, judge
from smoothlab.reports.judging import Runs, best_of, difference_of, family_factor, mean_of
from smoothlab.reports.notes import notes_of, notes_of_looks
from smoothlab.reports.roles import SMOOTHING, roles_of, smooths
from smoothlab.reports.verdict import MARGIN, Advice, Check, Verdict
from smoothlab.statistics import Estimate, holm

if TYPE_CHECKING:
    import pandas as pd

    from smoothlab.reports.evidence import Judged, Shown
    from smoothlab.reports.records import RunRecord

__all__ = ["COLUMNS", "Arm", "Check", "Comparison", "Verdict"]

COLUMNS = (
    "arm",
    "variant",  # "raw", or "temperature": after temperature scaling on validation predictions
    "metric",
    "mean",
    "low",
    "high",
    "seeds",  # runs that the mean is of
    "difference",  # to the baseline, over the runs that are paired with one of it; NaN for the baseline itself
    "difference_low",
    "difference_high",
    "p",
    "p_holm",
    "prob_best",
    "better",  # "min", "max", or "zero": which values are good
)


@dataclass(frozen=True)
class Arm:
    """One of the ways that are compared.

    Args:
        name: what it is called.
        runs: how many runs of it are finished.
        is_baseline: whether the others are compared to it.
        settings: the leaves of its config, by dotted keys, in which the arms differ.
        role: ``baseline``, ``smoothing``, ``rival`` or ``post_hoc`` (see ``reports/roles.py``).
    """

    name: str
    runs: int
    is_baseline: bool
    settings: dict[str, Any]
    role: str


@dataclass(frozen=True)
class Comparison:
    """Arms, judged on the test split.

    Args:
        arms: the baseline first.
        metrics: names, in the order of the table.
        table: a row for each arm, variant and metric; its columns are ``COLUMNS``. Differences of a metric that is best
            at 0 are signed as well: whether one is good depends on the means.
        verdict: what to do.
        notes: what a reader has to know about the numbers.
        classes: names of the classes; empty where a sample has no single one.
        level: of the intervals.
        shown: what the test predictions of each finished run show, or why they cannot be taken, by its directory.
    """

    arms: tuple[Arm, ...]
    metrics: tuple[str, ...]
    table: pd.DataFrame
    verdict: Verdict
    notes: tuple[str, ...]
    classes: tuple[str, ...]
    level: float = 0.95
    shown: Mapping[Path, Shown | str | None] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        records: Sequence[RunRecord],
        *,
        baseline: str | None = None,
        level: float = 0.95,
        margin: float = MARGIN,
        advice: Advice | None = None,
        dropped: Sequence[str] = (),
        looks: tuple[int, int] | None = None,
    ) -> Comparison:
        """Compare the finished runs among ``records``.

        Runs of two arms are a pair where seed, fold and test samples are the same. What the intervals are of follows
        from how the runs repeat an arm; the first of the notes says it. See docs/comparing.md.

        Args:
            records: runs of one data set.
            baseline: the arm that the others are compared to; by default the one without smoothing.
            level: of the intervals.
            margin: share of the baseline's NLL below which a difference does not matter.
            advice: what can be typed next; None: nothing is known of it.
            dropped: arms that an earlier look left behind: they are shown, and can be neither hero nor best.
            looks: which look this is, and of how many; None: there is one alone.

        Raises:
            UserMistake: no run is finished, or ``baseline`` is none of the arms.
        """
        if not 0.5 < level < 1:
            raise UserMistake(f"level = {level!r}: expected a number in (0.5, 1)")
        by_arm: dict[str, list[RunRecord]] = {}
        for record in records:
            by_arm.setdefault(record.arm, []).append(record)
        if not any(record.done for record in records):
            raise UserMistake(f"none of {len(records)} runs is finished: there is nothing to compare")
        if baseline is not None and baseline not in by_arm:
            raise UserMistake(f"baseline = {baseline!r}: no such arm; expected one of {', '.join(sorted(by_arm))}")
        base = baseline if baseline is not None else baseline_of(by_arm)
        names = [base, *(name for name in by_arm if name != base)]
        finished = [record for record in records if record.done]
        judged = {record.path: of_run for record, of_run in zip(finished, judge(finished), strict=True)}
        unreadable: list[str] = []
        arms = {name: _runs(by_arm[name], judged, unreadable) for name in names}
        others = _same_task(arms, base)
        arms = {name: {key: run for key, run in runs.items() if run not in others} for name, runs in arms.items()}
        roles = roles_of(by_arm, base)
        smoothing = [name for name in names if roles[name] == SMOOTHING and arms[name]]
        hero = chosen(arms, base, [name for name in smoothing if name not in dropped])
        table = _table(arms, base, smoothing, hero, level)
        return cls(
            arms=tuple(
                Arm(name, len(arms[name]), name == base, settings, roles[name])
                for name, settings in zip(names, _settings([by_arm[name][0].flat for name in names]), strict=True)
            ),
            metrics=tuple(dict.fromkeys(table["metric"])),
            table=table,
            verdict=verdict_of(
                case_of(arms, roles, base, hero, table, level=level, margin=margin, advice=advice, dropped=dropped)
            ),
            notes=(*notes_of(arms, by_arm, base, unreadable, others), *notes_of_looks(looks, level, dropped)),
            classes=next((run.classes for runs in arms.values() for run in runs.values() if run.classes), ()),
            level=level,
            shown={path: of_run.shown for path, of_run in judged.items()},
        )

    def row(self, arm: str, metric: str, variant: str = RAW) -> dict[str, Any]:
        """A row of the table.

        Raises:
            KeyError: there is none.
        """
        table = self.table
        rows = table[(table["arm"] == arm) & (table["metric"] == metric) & (table["variant"] == variant)]
        if not len(rows):
            raise KeyError((arm, metric, variant))
        row: dict[str, Any] = rows.iloc[0].to_dict()
        return row

    def to_json(self) -> dict[str, Any]:
        """Plain values; what is not a finite number is None."""
        parts = asdict(replace(self, shown={})) | {"table": self.table.to_dict("records")}
        del parts["shown"]
        content: dict[str, Any] = plain_values(parts)
        return content


def baseline_of(by_arm: Mapping[str, Sequence[RunRecord]]) -> str:
    """The arm that does nothing: called none or baseline, else without smoothing and with the fewest other parts.

    Arms without a finished run are passed over, unless there is no other.
    """
    finished = [name for name, records in by_arm.items() if any(record.done for record in records)]
    arms = finished or list(by_arm)
    for name in ("none", "baseline"):
        if name in arms:
            return name

    def does(name: str) -> tuple[bool, int]:
        record = by_arm[name][0]
        parts = sum(
            any(key.startswith(f"{group}.") for key in record.flat) for group in ("penalty", "mixing", "loss")
        ) + sum(bool(record.flat.get(key)) for key in ("net.dropout",))
        return smooths(record.flat), parts

    return min(arms, key=does)


def _runs(
    records: Sequence[RunRecord], judged: Mapping[Path, Judged], unreadable: list[str]
) -> dict[tuple[int | None, int | None], Evidence]:
    """What the finished runs of an arm show, by seed and fold; of two of the same the first."""
    runs: dict[tuple[int | None, int | None], Evidence] = {}
    for record in records:
        if not record.done or (record.seed, record.fold) in runs:
            continue
        evidence = judged[record.path].evidence
        if isinstance(evidence, str):
            unreadable.append(evidence)
        else:
            runs[record.seed, record.fold] = evidence
    return runs


def _same_task(arms: Mapping[str, Runs], base: str) -> list[Evidence]:
    """Runs that have other classes, or another kind of labels, than those of the baseline."""
    first = next((run for name in (base, *arms) for run in arms[name].values()), None)
    if first is None:
        return []
    return [
        run
        for runs in arms.values()
        for run in runs.values()
        if (run.classes, run.record.kind) != (first.classes, first.record.kind)
    ]


def _settings(flats: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    keys = [key for key in dict.fromkeys(key for flat in flats for key in flat) if tells(key)]
    shown = [key for key in keys if any(flat.get(key) != flats[0].get(key) or key not in flat for flat in flats)]
    return [{key: flat[key] for key in shown if key in flat} for flat in flats]


def _table(
    arms: Mapping[str, Runs], base: str, smoothing: Sequence[str], hero: str | None, level: float
) -> pd.DataFrame:
    """The rows; the arm that stands for smoothing is tested once, the others are corrected among each other."""
    import pandas as pd

    rows = []
    for variant in (RAW, TEMPERATURE):
        for metric, better in (BETTER | ALSO_BETTER).items():
            means = {name: mean_of(list(runs.values()), variant, metric, level) for name, runs in arms.items()}
            best = best_of(arms, variant, metric, better)
            differences = {
                name: difference_of(runs, arms[base], metric, level, variant=variant, baseline_variant=variant)
                for name, runs in arms.items()
                if name != base
            }
            others = [name for name in differences if name != hero]
            corrected = dict(zip(others, holm([_p(differences[name]) for name in others]), strict=True))
            factor = family_factor(arms, base, smoothing, metric, level) if smoothing else 1.0
            for name, mean in means.items():
                if mean is None:
                    continue
                alone = differences.get(name)
                apart = alone.widened(factor, level) if alone is not None and name in smoothing else alone
                p_holm = _p(apart) if name == hero else float(corrected.get(name, math.nan))
                rows.append(
                    (
                        *(name, variant, metric, mean.mean, mean.low, mean.high, len(arms[name])),
                        *((apart.mean, apart.low, apart.high) if apart else (math.nan,) * 3),
                        *(_p(alone), p_holm, best.get(name, math.nan), better),
                    )
                )
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    order = {name: place for place, name in enumerate(arms)}
    return table.sort_values("arm", key=lambda names: names.map(order), kind="stable", ignore_index=True)


def _p(change: Estimate | None) -> float:
    return math.nan if change is None else change.p


def plain_values(value: Any) -> Any:
    """What JSON can hold: None for what is not a finite number, text without a lone half of a character."""
    if isinstance(value, Mapping):
        return {str(key): plain_values(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(part) for part in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    return value if value is None or isinstance(value, bool | int) else json.loads(json.dumps(value, default=str))
