"""Figures of whole sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import spearmanr

from smoothlab.reports.figures import GUIDE, MODEL, UNDER, _figure, _percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from smoothlab.metrics.inputs import Array

MOST_BINS, LEAST_IN_BIN = 10, 10
TWO_SIDED = 1.96  # standard errors to either side that hold 95%


def confidence_against_bleu(confidence: Array, bleu: Array, *, title: str | None = None) -> Figure:
    """The BLEU of sentences over the model's confidence in them, sentence by sentence and in bins of equally many.

    A model whose confidence tells good translations from bad ones has a line that rises. There is no diagonal to lie
    on: BLEU is no probability.

    Args:
        confidence: (N,) the geometric mean of a translation's token probabilities.
        bleu: (N,) of each sentence, in [0, 100].
        title: of the figure.

    Source of the question: Kumar and Sarawagi, "Calibration of Encoder Decoder Models for Neural Machine Translation",
    2019.
    """
    order = np.argsort(confidence, kind="stable")
    bins = [part for part in np.array_split(order, max(1, min(MOST_BINS, len(order) // LEAST_IN_BIN))) if len(part)]
    x = np.array([confidence[part].mean() for part in bins])
    y = np.array([bleu[part].mean() for part in bins])
    spread = np.array([bleu[part].std(ddof=1) / len(part) ** 0.5 if len(part) > 1 else 0.0 for part in bins])
    varied = min(np.ptp(confidence), np.ptp(bleu)) > 0
    correlation = f", Spearman's rank correlation {spearmanr(confidence, bleu).statistic:.2f}" if varied else ""
    with _figure(4.6, 3.6, title) as figure:
        axes = figure.subplots()
        axes.plot(confidence, bleu, ".", color=GUIDE, markersize=3, alpha=0.4, label="sentence")
        label = f"mean of {len(bins[0]):,} sentences, 95%"
        axes.errorbar(x, y, TWO_SIDED * spread, color=UNDER, ecolor=MODEL, marker="o", capsize=2, label=label)
        axes.set(xlim=(0, 1), ylim=(0, 103))
        axes.set_title(f"N = {len(order):,}{correlation}", loc="left", fontsize=8)
        axes.set_xlabel("confidence (geometric mean of the tokens' probabilities)")
        axes.set_ylabel("BLEU of the sentence")
        _percent(axes.xaxis)
        axes.legend(loc="best")
    return figure
