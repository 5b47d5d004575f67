"""An inspection of several labels a sample on the console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from smoothlab.inspection.parts import described
from smoothlab.inspection.words import number, percent

if TYPE_CHECKING:
    from rich.console import Console
    from torch import Tensor

    from smoothlab.inspection.label_sets import LabelInspection

MOST_LABELS = 20
LONGEST_NAME = 24
NAMED = 3  # labels that a cell names


def show_labels(found: LabelInspection, console: Console) -> None:
    """Print what it is, what it does, warnings, a row for each of the commonest labels, and some samples."""
    asked = "" if len(found.labels) == found.num_rows else f", {len(found.labels):,} of them asked about"
    facts = [("run", found.run)] if found.run is not None else []
    facts += [("strength", described(found.smoother.strength)), ("prior", described(found.smoother.prior))]
    facts.append(("data", f"{found.num_rows:,} training rows{asked}, {len(found.class_names):,} labels"))
    for key, value in facts:
        console.print(Text.assemble((f"{key:<10}", "bold"), str(value)))
    console.print()
    for sentence in found.sentences:
        console.print(Text(sentence))
    for warning in found.warnings:
        console.print(Text.assemble(("warning: ", "bold yellow"), warning))
    _print(console, _title(found), _labels(found))
    _print(console, "Where the mass goes", _risers(found))
    if max(one for _, one in found.over_training) - min(one for _, one in found.over_training) > 1e-9:
        table = _table("progress", "epsilon")
        for progress, epsilon in found.over_training:
            table.add_row(percent(progress), number(epsilon, ".4g"))
        _print(console, "Over the training: the mean epsilon of known labels", table)
    _print(console, "Rows with the commonest sets of labels, and their targets", _examples(found))


def commonest(found: LabelInspection, most: int) -> list[int]:
    """The labels of the most rows, in the order of the tree, or as they come."""
    largest = sorted(range(len(found.class_names)), key=lambda k: -found.class_counts[k])[:most]
    return [k for k in found.order if k in set(largest)]


def short(name: str, length: int = LONGEST_NAME) -> str:
    """A name of some length at most; of a path its end says more."""
    return name if len(name) <= length else "..." + name[3 - length :]


def _title(found: LabelInspection) -> str:
    shown = min(MOST_LABELS, len(found.class_names))
    every = len(found.class_names)
    which = "each label becomes" if shown == every else f"the {shown} commonest of {every:,} labels become"
    at = "" if len({one for _, one in found.over_training}) == 1 else f", at {percent(found.shown_at)} of the training"
    return f"What {which}{at}"


def _labels(found: LabelInspection) -> Table:
    table = _table("label", "rows", "epsilon", "present\nbecomes", "absent\nbecomes", "floor\n(nats)")
    for k in commonest(found, MOST_LABELS):
        columns = (found.epsilon, found.present, found.absent, found.floor)
        cells = [number(float(one[k]), ".3g") if float(one[k]) == float(one[k]) else "-" for one in columns]
        table.add_row(Text(short(found.class_names[k])), f"{found.class_counts[k]:,}", *cells)
    return table


def _risers(found: LabelInspection) -> Table:
    table = _table("label")
    table.add_column(
        "rises most in rows that have it" if found.hierarchy is None else "rises most where it is a deepest label"
    )
    for k in commonest(found, MOST_LABELS):
        table.add_row(Text(short(found.class_names[k])), Text(_most(found, k)))
    return table


def _most(found: LabelInspection, k: int) -> str:
    """The labels that rise most where label k is, by name; a number where they all rise alike."""
    if not bool(found.flow[k].isfinite().any()):
        return "it never is" if found.class_counts[k] else "-"
    row = found.flow[k].nan_to_num(nan=0.0).clamp_min(0).clone()
    row[k] = 0
    order = row.argsort(descending=True, stable=True)
    order = order[row[order] > 1e-6]
    if not len(order):
        return "-"
    alike = int((row >= row[order[0]] * (1 - 1e-3)).sum())
    if alike > NAMED:
        return f"{alike:,} labels, +{float(row[order[0]]):.2g} each"
    return ", ".join(f"{short(found.class_names[one], 18)} +{float(row[one]):.2g}" for one in order[:2].tolist())


def _examples(found: LabelInspection) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("row", "its labels", "others that get most", "all others"):
        table.add_column(name, justify="right" if name in ("row", "all others") else "left", overflow="fold")
    for row in found.examples:
        values, labels = found.values[row], found.labels[row]
        there = (labels > 0.5).nonzero().flatten()
        absent = ((labels >= 0) & (labels <= 0.5)).nonzero().flatten()
        absent = absent[values[absent].argsort(descending=True, stable=True)]
        rest = float(values[absent[NAMED:]].sum())
        table.add_row(
            str(int(found.batch.rows[row])),
            Text(_named(found, values, there)),
            Text(_named(found, values, absent[:NAMED])),
            f"{len(absent[NAMED:]):,}: {rest:.2g}" if len(absent) > NAMED else "-",
        )
    return table


def _named(found: LabelInspection, values: Tensor, places: Tensor) -> str:
    return ", ".join(f"{short(found.class_names[k])} {float(values[k]):.3g}" for k in places.tolist()) or "-"


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in columns:
        table.add_column(name, justify="left" if name == "label" else "right", no_wrap=True)
    return table


def _print(console: Console, title: str, table: Table) -> None:
    console.print()
    console.print(Text(title, style="bold"))
    console.print(table)
