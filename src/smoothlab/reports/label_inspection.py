"""The figure of an inspection of several labels a sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from smoothlab.inspection.label_tables import commonest, short
from smoothlab.reports.figures import MODEL, _figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from smoothlab.inspection.label_sets import LabelInspection

MOST_NAMES = 50  # labels up to which the axes say their names
MOST_CELLS = 256  # labels of the map
MOST_NUMBERS = 10  # labels up to which each cell says its value
LONGEST_NAME = 20


def label_figures(inspection: LabelInspection) -> dict[str, Figure]:
    """All figures of an inspection by their names as files; none where no row has a label."""
    return {"label_flow": label_flow(inspection)} if bool(inspection.flow.isfinite().any()) else {}


def label_flow(inspection: LabelInspection) -> Figure:
    """By how much each label rises or falls in the rows that have another one, as a heat map.

    Labels are in the order of the tree, so that relatives stand together; those that no row has are no line. Of more
    than 256 labels the commonest are drawn. Colours end at the largest rise, since what a label gives goes to many.
    """
    from matplotlib import colormaps

    columns = commonest(inspection, MOST_CELLS)
    lines = [k for k in columns if bool(inspection.flow[k].isfinite().any())]
    flow = inspection.flow[lines][:, columns].numpy().round(12)
    high, wide = len(lines), len(columns)
    end = float(np.nanmax(flow, initial=0.0)) or float(np.nanmax(np.abs(flow), initial=0.0)) or 1.0
    labelled = wide <= MOST_NAMES
    cell = 0.55 if wide <= MOST_NUMBERS else 0.17
    width, height = (max(2.6, cell * count) if labelled else 6.0 * count / wide for count in (wide, high))
    names = [short(name, LONGEST_NAME) for name in inspection.class_names]
    margin = 0.075 * max(map(len, names)) if labelled else 0.5
    title = "Where the mass flows" + ("" if wide == len(names) else f": the {wide} commonest labels")
    with _figure(width + margin + 1.7, height + margin + 1.0, title) as figure:
        figure.set_layout_engine("compressed")
        axes = figure.subplots()
        colours = colormaps["RdBu"].with_extremes(bad="#C8C8C8")
        shown = axes.imshow(np.ma.masked_invalid(flow), cmap=colours, vmin=-end, vmax=end, interpolation="nearest")
        axes.spines[:].set_visible(False)
        axes.set_xlabel("label whose target changes")
        axes.set_ylabel(
            "mean over the rows with this " + ("deepest " if inspection.hierarchy is not None else "") + "label"
        )
        axes.tick_params(length=0)
        axes.set_xticks(range(wide) if labelled else [], [names[k] for k in columns] if labelled else [])
        axes.set_yticks(range(high) if labelled else [], [names[k] for k in lines] if labelled else [])
        axes.tick_params(axis="x", rotation=90)
        axes.tick_params(labelsize=8)
        if wide <= MOST_NUMBERS:
            for i, j in np.ndindex(flow.shape):
                if np.isfinite(flow[i, j]):
                    colour = "w" if abs(flow[i, j]) > 0.55 * end else MODEL
                    text = f"{flow[i, j]:+.2g}" if flow[i, j] else "0"
                    axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=7.5)
        bar = figure.colorbar(
            shown, ax=axes, shrink=0.8, pad=0.02, extend="min" if np.nanmin(flow) < -end else "neither"
        )
        bar.set_label("change of the target")
        bar.outline.set_visible(False)
    return figure
