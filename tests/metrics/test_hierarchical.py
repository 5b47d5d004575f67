"""Metrics on a tree: by hand, against walks up the tree, and the streaming forms against the exact ones."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ranks import on_ranks

from smoothlab import metrics
from smoothlab.classes import ClassTree, Hierarchy
from smoothlab.errors import InvalidArgument

NESTED = {"clothes": {"footwear": {"boots": ["hiking", "rubber"], "shoes": None}, "hats": None}}
HIERARCHY = Hierarchy(NESTED, ["hiking", "rubber", "shoes", "hats"])  # heights: boots 1, footwear 2, clothes 3
LABELS = Hierarchy(NESTED, ["footwear", "boots", "hiking", "hats"])


def one_hot(predicted):
    return np.eye(4)[predicted]


def test_by_hand():
    values = metrics.hierarchical_metrics(one_hot([0, 1, 2, 3, 3]), [0, 0, 0, 0, 3], HIERARCHY, from_logits=False)
    assert values == {
        "mistake_severity": pytest.approx((1 + 2 + 3) / 3),
        "hierarchical_distance": pytest.approx(6 / 5),
        "accuracy_level_1": pytest.approx(4 / 5),
        "accuracy_level_2": pytest.approx(3 / 5),
        "accuracy_level_3": pytest.approx(2 / 5),
    }
    assert list(values) == metrics.hierarchical_names(HIERARCHY)


def test_the_distance_of_the_most_probable_ones():
    p = np.array([[0.5, 0.1, 0.3, 0.1], [0.25, 0.25, 0.25, 0.25]])
    known = {"from_logits": False}
    assert metrics.hierarchical_distance(p, [0, 0], HIERARCHY, k=1, **known) == 0.0
    assert metrics.hierarchical_distance(p, [0, 0], HIERARCHY, k=2, **known) == pytest.approx((1.0 + 0.5) / 2)
    assert metrics.hierarchical_distance(p, [0, 0], HIERARCHY, k=4, **known) == pytest.approx(6 / 4)


def test_no_mistake_has_no_severity():
    values = metrics.hierarchical_metrics(np.eye(4), range(4), HIERARCHY, from_logits=False)
    assert math.isnan(values["mistake_severity"])
    assert values["hierarchical_distance"] == 0.0
    assert metrics.mistake_severity(np.eye(4)[::-1], range(4), HIERARCHY, from_logits=False) == 2.5


@st.composite
def trees(draw):
    """Random trees of which some nodes, leaves or not, are classes."""
    size = draw(st.integers(2, 12))
    parents = [-1, *(draw(st.integers(0, node - 1)) for node in range(1, size))]
    names = draw(st.permutations([f"n{node}" for node in range(size)]))[: draw(st.integers(2, size))]
    return Hierarchy(ClassTree(tuple(f"n{node}" for node in range(size)), tuple(parents)), names)


def walk(tree, node):
    """From the root to a node."""
    path = [node]
    while tree.parents[path[0]] != -1:
        path.insert(0, tree.parents[path[0]])
    return path


def height(tree, node):
    return max((1 + height(tree, child) for child in tree.children[node]), default=0)


@given(trees(), st.integers(0, 2**32 - 1), st.booleans())
def test_they_are_what_walks_up_the_tree_give(hierarchy, seed, weighted):
    random, tree = np.random.default_rng(seed), hierarchy.tree
    classes = len(hierarchy)
    values, labels = random.normal(size=(9, classes)), random.integers(0, classes, 9)
    weights = random.integers(0, 3, 9) + np.eye(9, dtype=int)[0] if weighted else np.ones(9)

    def distance(node, other):
        shared = [a for a, b in zip(*(walk(tree, hierarchy.nodes[k]) for k in (node, other)), strict=False) if a == b]
        return 0 if node == other else height(tree, shared[-1])

    far = np.array([distance(p, y) for p, y in zip(values.argmax(1), labels, strict=True)])
    k = min(3, classes)
    top = np.array(
        [np.mean([distance(p, y) for p in np.argsort(-row)[:k]]) for row, y in zip(values, labels, strict=True)]
    )
    judged = metrics.hierarchical_metrics(
        values, labels, hierarchy, from_logits=True, sample_weight=weights if weighted else None, top_k=(k,)
    )
    wrong = values.argmax(1) != labels
    if weights @ wrong:
        assert judged["mistake_severity"] == pytest.approx((weights * far)[wrong].sum() / weights[wrong].sum())
    assert judged["hierarchical_distance"] == pytest.approx(weights @ far / weights.sum())
    assert judged[f"hierarchical_distance_top_{k}"] == pytest.approx(weights @ top / weights.sum())
    for number in range(1, hierarchy.depth + 1):
        ends = [walk(tree, hierarchy.nodes[c])[: number + 1][-1] for c in range(classes)]
        same = np.array([ends[p] == ends[y] for p, y in zip(values.argmax(1), labels, strict=True)])
        assert judged[f"accuracy_level_{number}"] == pytest.approx(weights @ same / weights.sum())
    accuracy = metrics.accuracy(values, labels, from_logits=True, sample_weight=weights)
    assert judged[f"accuracy_level_{hierarchy.depth}"] == pytest.approx(accuracy)


def test_sets_of_labels_by_hand():
    """Predicted hiking brings boots and footwear; the true ones are footwear, and footwear and boots and hats."""
    p = np.array([[0.4, 0.3, 0.9, 0.1], [0.9, 0.8, 0.2, 0.3]])
    values = metrics.multilabel_hierarchical_metrics(p, [[1, 0, 0, 0], [0, 1, 0, 1]], LABELS, from_logits=False)
    assert values == {
        "hierarchical_precision": pytest.approx(3 / 5),
        "hierarchical_recall": pytest.approx(3 / 4),
        "hierarchical_f1": pytest.approx(6 / 9),
        "hierarchy_violations": pytest.approx(1 / 4),
    }
    precision, recall = values["hierarchical_precision"], values["hierarchical_recall"]
    assert values["hierarchical_f1"] == pytest.approx(2 / (1 / precision + 1 / recall))


def test_labels_that_are_unknown_do_not_count():
    p = np.array([[0.6, 0.9, 0.1, 0.1]])
    known = {"from_logits": False, "mask": [[True, False, True, True]]}
    values = metrics.multilabel_hierarchical_metrics(p, [[1, 0, 0, 0]], LABELS, **known)
    assert (values["hierarchical_precision"], values["hierarchical_recall"]) == (1.0, 1.0)
    assert math.isnan(values["hierarchy_violations"])  # no pair of known labels


def test_the_root_is_in_every_set_and_does_not_count():
    hierarchy = Hierarchy(NESTED, ["clothes", "hats"])
    values = metrics.multilabel_hierarchical_metrics([[0.9, 0.1]], [[1, 1]], hierarchy, from_logits=False)
    assert values["hierarchical_recall"] == 0.0
    assert math.isnan(values["hierarchical_precision"])


@given(trees(), st.integers(0, 2**32 - 1))
def test_sets_of_labels_against_sets(hierarchy, seed):
    random, size = np.random.default_rng(seed), len(hierarchy)
    values, labels = random.normal(size=(6, size)), random.integers(0, 2, (6, size))
    computed = metrics.multilabel_hierarchical_metrics(values, labels, hierarchy, from_logits=True)
    sets = []
    for there in (values > 0, labels > 0):
        nodes = [{n for c in np.flatnonzero(row) for n in walk(hierarchy.tree, hierarchy.nodes[c])} for row in there]
        sets.append([(label_set & set(hierarchy.nodes)) - {0} for label_set in nodes])
    hits = sum(len(p & t) for p, t in zip(*sets, strict=True))
    predicted, true = (sum(map(len, label_sets)) for label_sets in sets)
    pairs = [(c, up) for c, up in enumerate(hierarchy.parents) if up != -1]
    expected = {
        "hierarchical_precision": hits / predicted if predicted else math.nan,
        "hierarchical_recall": hits / true if true else math.nan,
        "hierarchical_f1": 2 * hits / (predicted + true) if predicted + true else math.nan,
        "hierarchy_violations": np.mean([row[c] > row[up] for row in values for c, up in pairs]) if pairs else math.nan,
    }
    assert computed == pytest.approx(expected, nan_ok=True)


# Streaming -----------------------------------------------------------------------------------------------------------


@given(trees(), st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_streaming_is_exact_however_batches_are_cut(hierarchy, seed, n):
    random, size = np.random.default_rng(seed), len(hierarchy)
    values, labels, sets = random.normal(size=(n, size)), random.integers(0, size, n), random.integers(0, 2, (n, size))
    weights, mask = random.uniform(0.1, 3.0, n), random.uniform(size=(n, size)) < 0.8
    single = metrics.HierarchicalMetrics(hierarchy, top_k=(2,))
    several = metrics.MultilabelHierarchicalMetrics(hierarchy)
    for part in np.split(np.arange(n), np.sort(random.integers(0, n + 1, 3))):
        single.update(values[part], labels[part], weights[part])
        several.update(values[part], sets[part], weights[part], mask[part])
    known = {"from_logits": True, "sample_weight": weights}
    assert single.compute() == pytest.approx(
        metrics.hierarchical_metrics(values, labels, hierarchy, top_k=(2,), **known), nan_ok=True, abs=1e-12
    )
    assert several.compute() == pytest.approx(
        metrics.multilabel_hierarchical_metrics(values, sets, hierarchy, mask=mask, **known), nan_ok=True, abs=1e-12
    )


def test_nothing_counted_is_nan_and_states_survive_pickle_and_reset():
    metric = metrics.HierarchicalMetrics(HIERARCHY)
    metric.update(np.zeros((0, 4)), np.zeros(0, dtype=int))
    assert all(math.isnan(value) for value in metric.compute().values())
    metric.update(one_hot([0, 2]), [0, 0])
    assert pickle.loads(pickle.dumps(metric)).compute() == metric.compute()
    assert metric.half().sums.dtype.itemsize == 8
    metric.reset()
    metric.update(one_hot([3]), [0])
    assert metric.compute()["mistake_severity"] == 3.0


def draw():
    random = np.random.default_rng(0)
    return random.normal(size=(50, 4)), random.integers(0, 4, 50), random.integers(0, 2, (50, 4))


def on_one_rank(number):
    values, labels, sets = draw()
    mine = slice(0, 37) if number == 0 else slice(37, 50)
    single, several = metrics.HierarchicalMetrics(HIERARCHY), metrics.MultilabelHierarchicalMetrics(LABELS)
    single.update(values[mine], labels[mine])
    several.update(values[mine], sets[mine])
    return single.compute() | several.compute()


def test_ranks_add_up():
    values, labels, sets = draw()
    expected = metrics.hierarchical_metrics(values, labels, HIERARCHY, from_logits=True)
    expected |= metrics.multilabel_hierarchical_metrics(values, sets, LABELS, from_logits=True)
    for on_rank in on_ranks(on_one_rank):
        assert on_rank == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: metrics.hierarchical_metrics(np.eye(3), range(3), HIERARCHY, from_logits=False), "4 classes, as in"),
        (lambda: metrics.hierarchical_metrics(np.eye(4), [9] * 4, HIERARCHY, from_logits=False), "a class index in"),
        (lambda: metrics.hierarchical_metrics([[math.nan] * 4], [0], HIERARCHY, from_logits=True), "values = 'NaN'"),
        (lambda: metrics.HierarchicalMetrics(HIERARCHY, top_k=(5,)), r"top_k = 5: expected an integer in \[1, 4\]"),
        (lambda: metrics.HierarchicalMetrics(Hierarchy(["a"], ["a"])), "hierarchy = 1: expected at least two"),
        (
            lambda: metrics.multilabel_hierarchical_metrics(np.eye(3), np.eye(3), HIERARCHY, from_logits=False),
            "4 labels, as in the tree",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(InvalidArgument, match=message):
        make()
