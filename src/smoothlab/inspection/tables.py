"""An inspection on the console, for 80 columns and more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text
from rich.tree import Tree as TextTree

from smoothlab.errors import InvalidArgument
from smoothlab.inspection.parts import described
from smoothlab.inspection.probe import USUAL
from smoothlab.inspection.words import between, number, percent

if TYPE_CHECKING:
    from rich.console import Console

    from smoothlab.classes.tree import ClassTree
    from smoothlab.inspection.inspection import Inspection
    from smoothlab.inspection.label_sets import LabelInspection
    from smoothlab.inspection.soft_targets import SoftTargets

MOST_CLASSES = 20
FEW = 6  # classes whose rows may take several lines
MOST_NODES = 60
LONGEST_NAME = 18
MOST_EPOCHS = 10


def show(inspection: Inspection, console: Console) -> None:
    """Print an inspection: what it is, what it does, warnings, and the tables."""
    print_head(_facts(inspection), inspection, console)
    _show_classes(inspection, inspection.targets, console)
    if len(inspection.moments) > 1:
        print_table(console, "Over the training: means over its rows", _training(inspection))
    if inspection.by_confidence:
        print_table(console, "Epsilon over the model's confidence, a sweep that is made up", _confidence(inspection))
    if inspection.history is not None and inspection.history.epsilon is not None:
        print_table(console, "Epsilon that was used, by epoch", _epochs(inspection))
    for key, tree in inspection.trees.items():
        _tree(key, tree, inspection, console)


def _facts(inspection: Inspection) -> list[tuple[str, str]]:
    rows, asked = inspection.probe.num_rows, len(inspection.probe.classes)
    sample = "" if inspection.probe.is_whole else f", {asked:,} of them asked about"
    facts = [("strength", described(inspection.smoother.strength)), ("prior", described(inspection.smoother.prior))]
    facts.append(("data", f"{rows:,} training rows{sample}, {len(inspection.class_names):,} classes"))
    for part in inspection.learned:
        numbers = [f"{name} {float(value):.4g}" for name, value in part.state.items() if value.numel() == 1]
        shapes = [f"{key} {'x'.join(map(str, value.shape))}" for key, value in part.state.items() if value.numel() > 1]
        facts.append(("state", f"{part.key}: {', '.join([*numbers, *shapes])}"))
    if inspection.history is not None:
        facts.insert(0, ("run", f"{inspection.history.path}, epoch {inspection.history.epoch}"))
    return facts


def print_head(facts: Iterable[tuple[str, str]], inspection: Inspection | LabelInspection, console: Console) -> None:
    """Print what is inspected, what it does, and warnings."""
    for key, value in facts:
        console.print(Text.assemble((f"{key:<10}", "bold"), value))
    console.print()
    for sentence in inspection.sentences:
        console.print(Text(sentence))
    for warning in inspection.warnings:
        console.print(Text.assemble(("warning: ", "bold yellow"), warning))


def print_table(console: Console, title: str, table: Table) -> None:
    """Print a table below its title."""
    console.print()
    console.print(Text(title, style="bold"))  # a title of the table's own would be cut to its width
    console.print(table)


def table_of(*columns: str, **options: Any) -> Table:
    """A table of numbers, perhaps with a column ``label`` of words; ``options`` are those of rich's columns."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in columns:
        table.add_column(name, justify="left" if name == "label" else "right", **options)
    return table


def _show_classes(inspection: Inspection, targets: SoftTargets, console: Console) -> None:
    """A row a class, the largest where there are many; one row where all are alike and many."""
    places = list(range(len(targets.classes)))
    if len(places) > MOST_CLASSES:
        places = sorted(targets.counts.argsort(descending=True, stable=True)[:MOST_CLASSES].tolist())
    alike = _are_alike(targets) and len(targets.classes) > FEW
    epsilons = targets.epsilon[places]
    same = float(epsilons.max() - epsilons.min()) < 1e-9
    title = "Soft target of " + (
        "each class, all alike"
        if alike
        else "each class"
        if len(places) == len(inspection.class_names)
        else f"the {len(places)} largest of {len(inspection.class_names):,} classes"
    )
    if len(inspection.moments) > 1:
        title += f", at {percent(targets.progress)} of the training"
    if inspection.by_confidence:
        title += f", model at {USUAL:.0%}"
    if same:
        title += f" (epsilon {float(epsilons[0]):.3g})"
    names = ["class", "rows", *([] if same else ["epsilon"]), "label\nkeeps", "the rest goes to"]
    names += ["logit gap\nleast, most", "floor\n(nats)"]
    near, far = targets.smallest_gap.tolist(), targets.largest_gap.tolist()
    rows = []
    for place in places[:1] if alike else places:
        k = int(targets.classes[place])
        cells = [
            "each" if alike else _cut(inspection.class_names[k], LONGEST_NAME),
            f"{inspection.probe.num_rows:,}" if alike else f"{inspection.class_counts[k]:,}",
            *([] if same else [f"{float(targets.epsilon[place]):.3g}"]),
            percent(float(targets.keeps[place])),
            _rest(inspection, targets, place),
            ", ".join(dict.fromkeys((number(near[place]), number(far[place])))),
            number(float(targets.entropy[place]), ".3f"),
        ]
        rows.append(cells)
    wide = names.index("the rest goes to")
    room = console.width - 3 * (len(names) - 1)  # rich would rather cut the numbers than this column
    for column, name in enumerate(names):
        if column != wide:
            room -= max(len(text) for text in (*name.split("\n"), *(row[column] for row in rows)))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column, name in enumerate(names):
        table.add_column(name, justify="left" if column in (0, wide) else "right", no_wrap=column != wide)
    for cells in rows:
        if len(rows) > FEW:
            cells[wide] = _cut(cells[wide], max(room, LONGEST_NAME))
        table.add_row(*map(Text, cells))
    print_table(console, title, table)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


def _are_alike(targets: SoftTargets) -> bool:
    """Whether every class has the same target, seen from the label."""
    columns = (targets.keeps, targets.entropy)
    return targets.is_even and all(float(column.max() - column.min()) <= 1e-9 for column in columns)


def _rest(inspection: Inspection, targets: SoftTargets, place: int) -> str:
    """The classes that get most of what leaves the label, by name."""
    row = targets.others[place].nan_to_num(nan=0.0)
    order = row.abs().argsort(descending=True, stable=True)
    order = order[row[order] != 0]
    if not len(order):
        return "-"
    values, names = row[order], [inspection.class_names[k] for k in order[:FEW].tolist()]
    tied = (
        int((values >= values[0] - 1e-6 * values[0].abs()).sum()) if values[0] > 0 else int((values == values[0]).sum())
    )
    each = percent(float(values[0]))
    if tied == len(values) and tied > 2:
        return f"the {tied:,} others, {each} each"
    if tied > 2:
        parts = [f"{names[0]} and {tied - 1:,} more {each} each"]
    else:
        tied = min(2, len(values))
        parts = [f"{names[index]} {percent(float(values[index]))}" for index in range(tied)]
    if len(values) > tied:
        parts.append(f"{len(values) - tied:,} more {percent(float(values[tied:].sum()))}")
    return ", ".join(parts)


def _training(inspection: Inspection) -> Table:
    table = table_of("progress", "epoch", "epsilon", "label keeps", "best confidence", "logit gap", "floor (nats)")
    curve, epochs = inspection.epsilon, inspection.plan.epochs
    for moment in inspection.moments:
        place = min(range(len(curve.x)), key=lambda i: abs(curve.x[i] - moment.progress))
        low, high = curve.low[place], curve.high[place]
        spread = f"{moment.mean(moment.epsilon):.3g}" + (f" ({low:.3g} to {high:.3g})" if high - low > 1e-9 else "")
        table.add_row(
            percent(moment.progress),
            "-" if epochs is None else f"{moment.progress * epochs:.0f}",
            spread,
            percent(moment.mean(moment.keeps)),
            percent(moment.mean(moment.confidence)),
            number(moment.mean(moment.smallest_gap)),
            number(moment.mean(moment.entropy), ".3f"),
        )
    return table


def _confidence(inspection: Inspection) -> Table:
    right, wrong = inspection.by_confidence["right"], inspection.by_confidence["wrong"]
    table = table_of("confidence", "model right", "model wrong")
    for place in range(0, len(right.x), 4):
        cells = [between(curve.low[place], curve.high[place], ".3g") for curve in (right, wrong)]
        table.add_row(percent(right.x[place]), *cells)
    return table


def _epochs(inspection: Inspection) -> Table:
    assert inspection.history is not None
    used = inspection.history.epsilon
    assert used is not None
    table = table_of("epoch", "mean", "smallest", "largest")
    last = len(used.x) - 1
    for place in sorted({round(step * last / (MOST_EPOCHS - 1)) for step in range(MOST_EPOCHS)}):
        cells = [number(column[place], ".4g") for column in (used.mean, used.low, used.high)]
        table.add_row(f"{used.x[place]:.0f}", *cells)
    return table


def _tree(key: str, tree: ClassTree, inspection: Inspection, console: Console) -> None:
    """The tree with the training rows below each node; siblings are cut where it is large."""
    rows = [0] * len(tree.names)
    classes = set()
    for name, count in zip(inspection.class_names, inspection.class_counts, strict=True):
        try:
            node = tree.node(name)
        except InvalidArgument:
            continue  # a tree of other names, whose order was given
        classes.add(node)
        for above in (node, *tree.ancestors(node)):
            rows[above] += count
    cut = len(tree.names) > MOST_NODES
    most = max(2, MOST_NODES // max(1, len(tree.children[0])) - 2) if cut else len(tree.names)

    def label(node: int) -> Text:
        return Text.assemble((tree.names[node], "bold" if node in classes else ""), (f"  {rows[node]:,}", "dim"))

    def grow(branch: TextTree, node: int) -> None:
        below = tree.children[node]
        shown = below if node == 0 and len(below) <= MOST_NODES // 3 else below[:most]
        for child in shown:
            grow(branch.add(label(child)), child)
        if len(shown) < len(below):
            branch.add(Text(f"... {len(below) - len(shown):,} more", style="dim"))

    root = TextTree(label(0))
    grow(root, 0)
    console.print()
    console.print(Text(f"Tree of {key}, with training rows", style="bold"))
    console.print(root)
