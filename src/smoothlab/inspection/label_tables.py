"""An inspection of several labels a sample on the console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from smoothlab.inspection.parts import described
from smoothlab.inspection.tables import print_head, print_table, table_of
from smoothlab.inspection.words import number, percent

if TYPE_CHECKING:
    from rich.console import Console
    from torch import Tensor

    from smoothlab.inspection.label_sets import LabelInspection

MOST_LABELS = 20
LONGEST_NAME = 24
NAMED = 3  # labels that a cell names


def show_labels(labels: LabelInspection, console: Console) -> None:
    """Print what it is, what it does, warnings, a row for each of the commonest labels, and some samples."""
    asked = "" if len(labels.labels) == labels.num_rows else f", {len(labels.labels):,} of them asked about"
    facts = [("run", labels.run)] if labels.run is not None else []
    facts += [("strength", described(labels.smoother.strength)), ("prior", described(labels.smoother.prior))]
    facts.append(("data", f"{labels.num_rows:,} training rows{asked}, {len(labels.class_names):,} labels"))
    print_head(facts, labels, console)
    print_table(console, _title(labels), _labels(labels))
    print_table(console, "Where the mass goes", _risers(labels))
    if max(epsilon for _, epsilon in labels.over_training) - min(epsilon for _, epsilon in labels.over_training) > 1e-9:
        table = table_of("progress", "epsilon", no_wrap=True)
        for progress, epsilon in labels.over_training:
            table.add_row(percent(progress), number(epsilon, ".4g"))
        print_table(console, "Over the training: the mean epsilon of known labels", table)
    print_table(console, "Rows with the commonest sets of labels, and their targets", _examples(labels))


def commonest(labels: LabelInspection, most: int) -> list[int]:
    """The labels of the most rows, in the order of the tree, or as they come."""
    largest = sorted(range(len(labels.class_names)), key=lambda k: -labels.class_counts[k])[:most]
    return [k for k in labels.order if k in set(largest)]


def short(name: str, length: int = LONGEST_NAME) -> str:
    """A name of some length at most; of a path its end says more."""
    return name if len(name) <= length else "..." + name[3 - length :]


def _title(labels: LabelInspection) -> str:
    shown = min(MOST_LABELS, len(labels.class_names))
    every = len(labels.class_names)
    which = "each label becomes" if shown == every else f"the {shown} commonest of {every:,} labels become"
    at = "" if len({*dict(labels.over_training).values()}) == 1 else f", at {percent(labels.shown_at)} of the training"
    return f"What {which}{at}"


def _labels(inspection: LabelInspection) -> Table:
    table = table_of("label", "rows", "epsilon", "present\nbecomes", "absent\nbecomes", "floor\n(nats)", no_wrap=True)
    for k in commonest(inspection, MOST_LABELS):
        columns = (inspection.epsilon, inspection.present, inspection.absent, inspection.floor)
        cells = [number(float(column[k]), ".3g") if float(column[k]) == float(column[k]) else "-" for column in columns]
        table.add_row(Text(short(inspection.class_names[k])), f"{inspection.class_counts[k]:,}", *cells)
    return table


def _risers(labels: LabelInspection) -> Table:
    table = table_of("label", no_wrap=True)
    table.add_column(
        "rises most in rows that have it" if labels.hierarchy is None else "rises most where it is a deepest label"
    )
    for k in commonest(labels, MOST_LABELS):
        table.add_row(Text(short(labels.class_names[k])), Text(_most(labels, k)))
    return table


def _most(labels: LabelInspection, k: int) -> str:
    """The labels that rise most where label k is, by name; a number where they all rise alike."""
    if not bool(labels.flow[k].isfinite().any()):
        return "it never is" if labels.class_counts[k] else "-"
    row = labels.flow[k].nan_to_num(nan=0.0).clamp_min(0).clone()
    row[k] = 0
    order = row.argsort(descending=True, stable=True)
    order = order[row[order] > 1e-6]
    if not len(order):
        return "-"
    alike = int((row >= row[order[0]] * (1 - 1e-3)).sum())
    if alike > NAMED:
        return f"{alike:,} labels, +{float(row[order[0]]):.2g} each"
    return ", ".join(f"{short(labels.class_names[place], 18)} +{float(row[place]):.2g}" for place in order[:2].tolist())


def _examples(inspection: LabelInspection) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("row", "its labels", "others that get most", "all others"):
        table.add_column(name, justify="right" if name in ("row", "all others") else "left", overflow="fold")
    for row in inspection.examples:
        values, labels = inspection.values[row], inspection.labels[row]
        there = (labels > 0.5).nonzero().flatten()
        absent = ((labels >= 0) & (labels <= 0.5)).nonzero().flatten()
        absent = absent[values[absent].argsort(descending=True, stable=True)]
        rest = float(values[absent[NAMED:]].sum())
        table.add_row(
            str(int(inspection.batch.rows[row])),
            Text(_named(inspection, values, there)),
            Text(_named(inspection, values, absent[:NAMED])),
            f"{len(absent[NAMED:]):,}: {rest:.2g}" if len(absent) > NAMED else "-",
        )
    return table


def _named(inspection: LabelInspection, values: Tensor, places: Tensor) -> str:
    return ", ".join(f"{short(inspection.class_names[k])} {float(values[k]):.3g}" for k in places.tolist()) or "-"
