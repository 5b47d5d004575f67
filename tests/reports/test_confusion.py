"""Confusion matrix and table by class, against scikit-learn and sums by hand."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix as by_sklearn
from sklearn.metrics import precision_recall_fscore_support

from smoothlab.errors import InvalidArgument
from smoothlab.metrics import classification_metrics
from smoothlab.reports.classes import class_table
from smoothlab.reports.confusion import confusion_counts, confusion_matrix


def draw(n, k, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, k, generator=generator) * 2
    return logits, torch.multinomial(torch.softmax(logits * 0.6, 1), 1, generator=generator)[:, 0]


def names(k):
    return [f"class {index}" for index in range(k)]


def test_rows_are_labels_and_columns_predictions():
    logits, labels = draw(300, 4)
    expected = by_sklearn(labels, logits.argmax(1), labels=range(4))
    assert confusion_counts(logits, labels, from_logits=True).tolist() == expected.tolist()
    image = confusion_matrix(logits, labels, from_logits=True, class_names=names(4)).axes[0].images[0]
    np.testing.assert_allclose(image.get_array(), expected / expected.sum(1, keepdims=True))


def test_cells_say_their_counts_where_they_have_room():
    logits = torch.eye(3)[[0, 1, 1, 2]] * 9
    figure = confusion_matrix(logits, torch.tensor([0, 1, 0, 2]), from_logits=True, class_names=["a", "b", "c"])
    texts_by_place = {text.get_position(): text.get_text() for text in figure.axes[0].texts}
    assert texts_by_place == {(0, 0): "1", (1, 0): "1", (1, 1): "1", (2, 2): "1"}
    assert not confusion_matrix(*draw(99, 20), from_logits=True, class_names=names(20)).axes[0].texts


def test_of_many_classes_those_in_most_mistakes_are_drawn():
    labels = torch.arange(50)
    predicted = labels.clone()
    predicted[7], predicted[9] = 30, 30
    figure = confusion_matrix(
        torch.eye(50)[predicted] * 9, labels, from_logits=True, class_names=names(50), most=3, title="t"
    )
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["class 7", "class 9", "class 30"]
    assert figure._suptitle.get_text() == "t: the 3 of 50 classes in most mistakes"


@pytest.mark.parametrize(("n", "k"), [(1, 2), (80, 45)])
def test_a_matrix_is_drawn_with_classes_that_no_sample_has(n, k):
    target = io.BytesIO()
    figure = confusion_matrix(*draw(n, k), from_logits=True, class_names=["a name that is far too long"] * k)
    figure.savefig(target, format="png", dpi=50)
    assert target.getvalue()[:4] == b"\x89PNG"


def test_a_row_a_class_agrees_with_scikit_learn_and_with_the_metrics_of_all():
    logits, labels = draw(500, 3)
    table = class_table(logits, labels, from_logits=True, class_names=names(3))
    precision, recall, f1, support = precision_recall_fscore_support(labels, logits.argmax(1))
    for name, expected in {"precision": precision, "recall": recall, "f1": f1, "samples": support}.items():
        np.testing.assert_allclose(table[name], expected, err_msg=name)
    whole = classification_metrics(logits, labels, from_logits=True)
    assert (table["nll"] * table["share"]).sum() == pytest.approx(whole["nll"])
    assert table["ece"].mean() == pytest.approx(whole["ece_classwise"])
    weight = table["predicted"] / table["predicted"].sum()
    assert (table["confidence_gap"] * weight).sum() == pytest.approx(whole["confidence_gap"])
    np.testing.assert_allclose(table["mean_probability"], torch.softmax(logits.double(), 1).mean(0))
    assert table["probability_gap"].sum() == pytest.approx(0, abs=1e-12)


def test_what_nothing_is_known_of_is_nan():
    table = class_table(torch.tensor([[9.0, 0.0, 0.0]]), torch.tensor([1]), from_logits=True, class_names=names(3))
    assert table["recall"].isna().tolist() == [True, False, True]
    assert table["precision"].isna().tolist() == [False, True, True]
    assert table["f1"].isna().tolist() == [False, False, True]


@pytest.mark.parametrize("function", [class_table, confusion_matrix])
def test_as_many_names_as_classes_are_expected(function):
    with pytest.raises(InvalidArgument, match="class_names = 2: expected 3 names"):
        function(*draw(9, 3), from_logits=True, class_names=["a", "b"])
