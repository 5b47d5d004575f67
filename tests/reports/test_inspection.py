"""Figures of an inspection: whole for few and many classes, and right in what they show."""

import io

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from smoothlab.classes import ClassInfo
from smoothlab.data.batch import Batch
from smoothlab.inspection import Inspection, Probe
from smoothlab.inspection.findings import Plan, RunHistory
from smoothlab.reports.inspection import figures
from smoothlab.smoothing import Cosine, Smoother, Sord, Uncertainty, Uniform


def inspection(k, strength, prior, *, names=None, history=False):
    labels = torch.cat([torch.arange(k), torch.arange(k // 2)])
    names = names or [f"class {index}" for index in range(k)]
    counts = torch.bincount(labels, minlength=k).tolist()
    smoother = Smoother(strength, prior)
    smoother.bind(ClassInfo(names, counts, len(labels)))
    probe = Probe.of(Batch(torch.zeros(len(labels), 1), labels, torch.arange(len(labels))), k)
    inspected = Inspection(smoother, probe, names, counts, Plan(100, 21))
    if not history:
        return inspected
    columns = {"epoch": [0, 1], "epsilon": [0.1, 0.2], "epsilon_min": [0.1, 0.2], "epsilon_max": [0.1, 0.3]}
    past = RunHistory("run", "last.ckpt", 1, inspected.targets, columns)
    return Inspection(smoother, probe, names, counts, Plan(100), {}, past)


CASES = {
    "two": lambda: inspection(2, Cosine(0.2, 0.0), Uniform()),
    "five": lambda: inspection(5, Uncertainty("margin", 0.0, 0.3), Sord(1.0), names=[*"abcd", "a long name"]),
    "thirty": lambda: inspection(30, Cosine(0.0, 0.2), Sord(1.0), history=True),
    "many": lambda: inspection(300, Cosine(0.2, 0.0), Sord(0.1)),
}


@pytest.mark.parametrize("case", CASES)
def test_every_figure_is_drawn_and_no_text_leaves_it(case):
    for name, figure in figures(CASES[case]()).items():
        FigureCanvasAgg(figure).draw()
        size = figure.get_window_extent()
        texts = [figure._suptitle, *(text for legend in figure.legends for text in legend.get_texts())]
        for axes in figure.axes:
            texts += [axes.title, axes.xaxis.label, axes.yaxis.label]
            assert "colorbar" in axes.get_label() or axes.get_window_extent().width > 0.3 * size.width, (
                name,
                "squeezed",
            )
        for text in texts:
            box = text.get_window_extent()
            inside = min(box.x0, box.y0) >= -1 and box.x1 <= size.x1 + 1 and box.y1 <= size.y1 + 1
            assert inside or not text.get_text(), (name, text.get_text())
        saved = io.BytesIO()
        figure.savefig(saved, format="png", dpi=30)
        assert saved.getvalue()[:4] == b"\x89PNG"


def test_the_heat_map_shows_the_matrix_and_leaves_the_label_out_of_the_colours():
    inspected = CASES["five"]()
    image = figures(inspected)["soft_targets"].axes[0].images[0].get_array()
    matrix = inspected.targets.matrix.numpy()
    off = ~np.eye(5, dtype=bool)
    assert np.allclose(image.data[off], matrix[off])
    assert image.mask.tolist() == np.eye(5, dtype=bool).tolist()


def test_of_many_classes_the_largest_are_shown_and_the_figure_says_so():
    drawn = figures(CASES["many"]())
    assert "256 largest of 300 classes" in drawn["soft_targets"]._suptitle.get_text()
    assert "30 largest of 300 classes" in drawn["logit_gaps"]._suptitle.get_text()
    assert drawn["soft_targets"].axes[0].images[0].get_array().shape == (256, 256)
    # the first half of the classes has two rows each, and comes first
    assert drawn["logit_gaps"].axes[0].get_yticklabels()[0].get_text() == "class 0"


def test_gaps_without_an_end_are_arrows():
    inspected = inspection(3, Cosine(0.0, 0.0), Uniform())
    right = figures(inspected)["logit_gaps"].axes[1]
    assert {line.get_marker() for line in right.lines if len(line.get_xdata()) == 3} >= {">"}


def test_a_run_is_drawn_before_and_after_with_the_epsilon_of_its_epochs():
    drawn = figures(CASES["thirty"]())
    titles = [axes.get_title() for axes in drawn["soft_targets"].axes]
    assert titles[0].startswith("before the training")
    assert titles[1].startswith("after epoch 1")
    (line,) = [line for line in drawn["epsilon_by_epoch"].axes[0].lines if line.get_label() == "mean of the epoch"]
    assert list(line.get_ydata()) == [0.1, 0.2]
