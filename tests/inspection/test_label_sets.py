"""What an inspection of several labels a sample says is what the smoother does."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from rich.console import Console

from smoothlab.classes import ClassInfo, ClassTree
from smoothlab.data.batch import Batch
from smoothlab.inspection import LabelInspection
from smoothlab.inspection.findings import MOMENTS
from smoothlab.inspection.label_tables import show_labels
from smoothlab.reports.label_inspection import label_figures
from smoothlab.smoothing import ByClass, Constant, Cosine, Flow, Half, MultilabelSmoother

NAMES = ["food", "apple", "pear", "tool", "saw"]
TREE = ClassTree.from_nested({"food": ["apple", "pear"], "tool": ["saw"]})
LABELS = torch.tensor(
    [[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [0, 0, 0, 1, 1], [0, 0, 0, 0, -1], [1, 1, -1, 1, 1]],
    dtype=torch.float32,
)


def inspection(strength, prior, labels=LABELS, tree=None, **more) -> LabelInspection:
    counts = (labels > 0).sum(0).tolist()
    names = NAMES[: labels.shape[1]]
    smoother = MultilabelSmoother(strength, prior, tree)
    smoother.bind(ClassInfo(names, counts, len(labels), len(labels), tree))
    batch = Batch(torch.zeros(len(labels), 1), labels, torch.arange(len(labels)))
    return LabelInspection.of(smoother, batch, names, counts, **more)


def test_present_and_absent_labels_of_half_smoothing_are_the_known_ones():
    inspected = inspection(Constant(0.2), Half())
    torch.testing.assert_close(inspected.present, torch.full((5,), 0.9, dtype=torch.double))
    torch.testing.assert_close(inspected.absent, torch.full((5,), 0.1, dtype=torch.double))
    floor = -(0.9 * np.log(0.9) + 0.1 * np.log(0.1))
    torch.testing.assert_close(inspected.floor, torch.full((5,), floor, dtype=torch.double))


def test_the_flow_is_the_mean_change_in_the_rows_that_have_a_label():
    inspected = inspection(Constant(0.2), Half())
    for j in range(5):
        for k in range(5):
            rows = [row for row in LABELS.tolist() if row[j] > 0.5 and row[k] >= 0]
            expected = np.mean([0.1 if row[k] == 0 else -0.1 for row in rows])
            assert float(inspected.flow[j, k]) == pytest.approx(expected)


def test_epsilon_by_label_is_told_label_by_label():
    epsilons = [0.0, 0.1, 0.2, 0.3, 0.4]
    inspected = inspection(ByClass(dict(zip(NAMES, epsilons, strict=True)), 0.0), Half())
    assert inspected.epsilon.tolist() == pytest.approx(epsilons)
    assert inspected.present.tolist() == pytest.approx([1 - epsilon / 2 for epsilon in epsilons])


def test_mass_flows_to_siblings_before_strangers_and_lines_are_of_deepest_labels():
    inspected = inspection(Constant(0.1), Flow(TREE, 2.0), tree=TREE)
    apple, pear, saw = (NAMES.index(name) for name in ("apple", "pear", "saw"))
    assert float(inspected.flow[pear, apple]) > float(inspected.flow[pear, saw]) > 0
    assert torch.isnan(inspected.flow[NAMES.index("food")]).all()  # a fruit is always told
    assert [NAMES[k] for k in inspected.order] == ["food", "apple", "pear", "tool", "saw"]


def test_labels_that_the_tree_adds_are_told():
    unclosed = LABELS.clone()
    unclosed[:2, 0] = 0
    inspected = inspection(Constant(0.1), Flow(TREE, 2.0), unclosed, TREE)
    assert "The tree adds labels to 2 of 6 rows: those above a present one." in inspected.sentences
    assert torch.equal(inspected.labels[0], LABELS[0].double())


def test_examples_are_rows_of_the_commonest_sets():
    inspected = inspection(Constant(0.1), Half())
    assert inspected.examples[0] == 0
    assert len({tuple(LABELS[row].tolist()) for row in inspected.examples}) == len(inspected.examples)
    assert 4 not in inspected.examples  # has no label


def test_the_moment_with_the_largest_epsilon_is_shown():
    inspected = inspection(Cosine(0.0, 0.2), Half())
    assert [moment for moment, _ in inspected.over_training] == list(MOMENTS)
    assert inspected.shown_at == 1.0
    torch.testing.assert_close(inspected.present, torch.full((5,), 0.9, dtype=torch.double))


def test_labels_that_never_occur_are_warned_of():
    without = LABELS.clone()
    without[:, 2] = 0
    assert inspection(Constant(0.1), Half(), without).warnings == [
        "no training row has 1 of the labels, such as 'pear'"
    ]


def test_no_smoothing_is_said_in_words():
    assert inspection(Constant(0.0), Half()).sentences[0].startswith("The targets stay as they are")


@pytest.mark.parametrize(
    ("prior", "tree", "labels"),
    [
        (Half(), None, LABELS),
        (Flow(TREE, 2.0), TREE, LABELS),
        (Half(), None, LABELS[:, :2]),
        (Half(), None, torch.zeros(4, 3)),
        (Half(), None, -torch.ones(4, 3)),
    ],
)
def test_tables_and_figures_are_made_of_any_labels(prior, tree, labels):
    inspected = inspection(Constant(0.1), prior, labels, tree)
    output = io.StringIO()
    show_labels(inspected, Console(file=output, width=100))
    assert all(name in output.getvalue() for name in inspected.class_names)
    for figure in label_figures(inspected).values():
        saved = io.BytesIO()
        figure.savefig(saved, format="png", dpi=30)
        assert saved.getvalue()[:4] == b"\x89PNG"
    numbers = inspected.json()
    assert [label["name"] for label in numbers["labels"]] == list(inspected.class_names)
