"""Hierarchical cross-entropy against the published numbers and a plain sum over paths; and where the original fails."""

from __future__ import annotations

import itertools
import math
import re

import pytest
import torch
from torch.testing import assert_close

from smoothlab import InvalidArgument, SoftTarget, soft_cross_entropy
from smoothlab.classes import ClassInfo, ClassTree
from smoothlab.config.build import build
from smoothlab.losses import HierarchicalCrossEntropy
from smoothlab.smoothing import Smoother, Tree

EXACT = {"rtol": 1e-8, "atol": 1e-12}
UNBALANCED = {"root": {"A": {"A1": ["a", "b"], "c": None}, "B": ["d", "e"], "f": None}}


def number(values, **options):
    return torch.tensor(values, dtype=torch.float64, **options)


def draw(*shape, seed=0, scale=3.0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale


def tree_of(text):
    """A tree written as ``(root (A a b) c)``, as the vectors have it."""
    names, parents, above, opened = [], [], [-1], False
    for word in re.findall(r"[()]|[^\s()]+", text):
        if word == "(":
            opened = True
        elif word == ")":
            above.pop()
        else:
            names.append(word)
            parents.append(above[-1])
            if opened:
                above.append(len(names) - 1)
                opened = False
    return ClassTree(tuple(names), tuple(parents))


def loss_of(case):
    tree = tree_of(case["params"]["tree"])
    assert case["params"]["weighting"] == "exponential"
    leaves = [tree.names[node] for node in tree.leaves]
    classes = case["params"].get("classes", leaves)
    return HierarchicalCrossEntropy(tree, case["params"]["alpha"], classes=classes)


def value_and_gradient(loss, logits, target):
    logits = logits.detach().clone().requires_grad_()
    rows = loss(logits, target)
    rows.sum().backward()
    return rows.detach(), logits.grad


def depths_of_labels(loss, labels):
    nodes = loss.tree.nodes(loss.classes)
    return torch.tensor([len(loss.tree.ancestors(nodes[label])) for label in labels])


def cases_of(vectors, runs):
    cases = [case for case in vectors("hxe")["cases"] if ("error" not in case) == runs]
    assert cases
    return cases


def test_published_numbers_of_every_row_that_the_original_can_compute(vectors):
    whole = 0
    for case in cases_of(vectors, runs=True):
        loss, labels = loss_of(case), case["inputs"]["target"]
        rows, gradient = value_and_gradient(loss, number(case["inputs"]["logits"]), SoftTarget(torch.tensor(labels)))
        shallow = depths_of_labels(loss, labels) == 1
        theirs = torch.tensor([[float(x) for x in row] for row in case["grad_logits"]], dtype=torch.float64)
        assert_close(gradient[~shallow] / len(labels), theirs[~shallow], **EXACT)
        if not shallow.any() or loss.tree.heights[0] == 1:
            whole += 1
            assert_close(rows.mean(), number(case["loss"]), **EXACT)
    assert whole


def test_published_weights_of_the_edges(vectors):
    for case in vectors("hxe")["cases"]:
        if "edge_weights_leaf_to_root" not in case:
            continue
        loss = loss_of(case)
        depths = depths_of_labels(loss, range(loss.num_classes)).tolist()
        for depth, theirs in zip(depths, case["edge_weights_leaf_to_root"], strict=True):
            ours = loss.weights[depth:0:-1]  # up the way from the leaf
            assert theirs == pytest.approx(ours + [0.0] * (len(theirs) - depth), rel=1e-12)


def test_the_original_gives_minus_infinity_for_a_label_at_depth_1_and_we_do_not(vectors):
    seen = 0
    for case in cases_of(vectors, runs=True):
        loss, labels = loss_of(case), case["inputs"]["target"]
        shallow = depths_of_labels(loss, labels) == 1
        if float(case["loss"]) != -math.inf:
            continue
        seen += 1
        rows, gradient = value_and_gradient(loss, number(case["inputs"]["logits"]), SoftTarget(torch.tensor(labels)))
        assert shallow.any()
        for i in shallow.nonzero().flatten().tolist():
            log_p = number(case["inputs"]["logits"][i]).log_softmax(-1)
            assert_close(rows[i], -loss.weights[1] * log_p[labels[i]])
        assert gradient.isfinite().all()
    assert seen


def test_the_original_fails_where_all_classes_are_at_depth_1_and_here_it_is_the_weighed_cross_entropy(vectors):
    for case in cases_of(vectors, runs=False):
        assert "IndexError" in case["error"]
        loss = loss_of(case)
        logits, target = draw(5, loss.num_classes), SoftTarget(torch.arange(5) % loss.num_classes, 0.1)
        weight = math.exp(-case["params"]["alpha"])
        share = weight / (1 + loss.num_classes * weight)
        assert_close(loss(logits, target), share * soft_cross_entropy(logits, target, reduction="none"))


def test_the_original_loses_a_probability_that_is_0_in_float32_and_we_do_not():
    """Their term for it is left out, so that the worst mistake costs next to nothing."""
    loss = HierarchicalCrossEntropy({"r": {"A": ["a", "b"], "B": ["c", "d"]}}, 0.0, False, ["a", "b", "c", "d"])
    logits = torch.tensor([[0.0, -1000.0, 1000.0, 0.0]])
    assert not logits.softmax(-1)[0, 0]
    rows, gradient = value_and_gradient(loss, logits, SoftTarget(torch.tensor([0])))
    assert_close(rows, torch.tensor([1000.0]))
    assert_close(gradient, torch.tensor([[-1.0, 0.0, 1.0, 0.0]]))


def by_paths(loss, logits, q):
    """The definition, from probabilities, class by class and edge by edge."""
    tree, nodes = loss.tree, loss.tree.nodes(loss.classes)
    counted = {0, *nodes, *(up for node in nodes for up in tree.ancestors(node))}
    depth = {node: len(tree.ancestors(node)) for node in counted}
    total = sum(math.exp(-loss.alpha * depth[node]) for node in counted) if loss.normalized else 1.0
    values = []
    for p, mass in zip(logits.softmax(-1).tolist(), q.tolist(), strict=True):
        below = dict.fromkeys(counted, 0.0)
        for node, share in zip(nodes, p, strict=True):
            for ancestor in (node, *tree.ancestors(node)):
                below[ancestor] += share
        value = 0.0
        for node, weight in zip(nodes, mass, strict=True):
            way = [node, *tree.ancestors(node)]
            for ancestor, up in itertools.pairwise(way):
                value -= (
                    weight * math.exp(-loss.alpha * depth[ancestor]) / total * math.log(below[ancestor] / below[up])
                )
        values.append(value)
    return number(values)


@pytest.mark.parametrize("alpha", [-0.4, 0.0, 0.1, 2.0])
@pytest.mark.parametrize("normalized", [True, False])
def test_soft_targets_against_a_sum_over_all_paths(alpha, normalized):
    """Of a tree with branches of all depths, a chain, and a node that none of the classes lies below."""
    nested = {"r": {"A": {"A1": ["a", "b", {"A2": ["g"]}], "c": None}, "B": ["d", "e"], "f": None, "unused": ["x"]}}
    loss = HierarchicalCrossEntropy(nested, alpha, normalized, ["f", "d", "b", "a", "c", "g", "e"])
    logits, q = draw(6, 7), draw(6, 7, seed=1).softmax(-1)
    assert_close(loss(logits, SoftTarget(q)), by_paths(loss, logits, q))
    smoothed = SoftTarget(torch.arange(6), 0.3, q[0])
    assert_close(loss(logits, smoothed), by_paths(loss, logits, smoothed.dense(7, dtype=torch.float64)))


def test_with_alpha_0_it_is_the_cross_entropy():
    loss = HierarchicalCrossEntropy(UNBALANCED, 0.0, False, list("abcdef"))
    logits, target = draw(6, 6), SoftTarget(torch.arange(6), 0.2)
    assert_close(loss(logits, target), soft_cross_entropy(logits, target, reduction="none"))


def test_a_class_that_is_an_inner_node_is_a_leaf_of_its_own_below_it():
    inner = HierarchicalCrossEntropy({"r": {"dog": ["pug", "spaniel"], "cat": None}}, 0.5, True, ["dog", "pug", "cat"])
    own = {"r": {"dog": ["other dog", "pug"], "cat": None}}
    leaf = HierarchicalCrossEntropy(own, 0.5, True, ["other dog", "pug", "cat"])
    logits, target = draw(3, 3), SoftTarget(torch.arange(3), 0.1)
    assert_close(inner(logits, target), leaf(logits, target))


def test_a_near_mistake_costs_less_than_a_far_one():
    loss = HierarchicalCrossEntropy(UNBALANCED, 0.5, True, list("abcdef"))
    near, far = torch.zeros(1, 6), torch.zeros(1, 6)
    near[0, 1] = far[0, 4] = 5.0  # for the label a: its sibling b, and e
    label = SoftTarget(torch.tensor([0]))
    assert loss(near, label) < loss(far, label)


def test_a_branch_that_is_masked_as_a_whole_is_as_if_it_were_not_there():
    loss = HierarchicalCrossEntropy(UNBALANCED, 0.3, False, list("abcdef"))
    left = HierarchicalCrossEntropy({"root": {"A": {"A1": ["a", "b"], "c": None}, "f": None}}, 0.3, False, list("abcf"))
    logits, labels = draw(3, 6), torch.tensor([0, 2, 5])
    logits[:, [3, 4]] = -math.inf
    rows, gradient = value_and_gradient(loss, logits, SoftTarget(labels, 0.2))
    chosen = [0, 1, 2, 5]
    q = 0.8 * (labels.unsqueeze(1) == torch.tensor(chosen)).double() + 0.2 / 4
    alone, of_alone = value_and_gradient(left, logits[:, chosen], SoftTarget(q))
    assert_close(rows, alone)
    assert_close(gradient[:, chosen], of_alone)
    assert not gradient[:, [3, 4]].any()


def test_gradient_against_differences():
    loss = HierarchicalCrossEntropy(UNBALANCED, 0.3, classes=list("abcdef"))
    logits = draw(4, 6).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: loss(z, SoftTarget(torch.arange(4), 0.1)), (logits,))


def test_it_holds_no_array_of_classes_times_classes():
    """20,000 classes in 200 branches: a dense table of their pairs would have 1.6 GB."""
    tree = ClassTree.from_paths(f"{i % 200} > {i}" for i in range(20000))
    loss = HierarchicalCrossEntropy(tree, 0.1, classes=[f"{i % 200} > {i}" for i in range(20000)])
    assert sum(tensor.numel() for level in loss.levels for tensor in level) < 50000
    rows, gradient = value_and_gradient(loss, draw(2, 20000).float(), SoftTarget(torch.tensor([3, 9]), 0.1))
    assert rows.isfinite().all()
    assert_close(gradient.sum(-1), torch.zeros(2), atol=1e-5, rtol=0)


def test_binding_takes_the_order_of_the_data():
    loss = HierarchicalCrossEntropy(UNBALANCED, 0.3, classes=list("abcdef"))
    logits, labels = draw(6, 6), torch.arange(6)
    rows = loss(logits, SoftTarget(labels))
    loss.bind(ClassInfo(list("fedcba"), [1] * 6))
    assert_close(loss(logits.flip(-1), SoftTarget(5 - labels)), rows)


def test_names_that_the_tree_has_never_heard_leave_the_given_order():
    loss = HierarchicalCrossEntropy(UNBALANCED, 0.3, classes=list("abcdef"))
    rows = loss(draw(6, 6), SoftTarget(torch.arange(6)))
    loss.bind(ClassInfo([str(i) for i in range(6)], [1] * 6))
    assert_close(loss(draw(6, 6), SoftTarget(torch.arange(6))), rows)
    with pytest.raises(InvalidArgument, match="classes = 'z'"):
        loss.bind(ClassInfo(["a", "b", "c", "d", "e", "z"], [1] * 6))


def test_any_smoother_makes_its_targets():
    loss = HierarchicalCrossEntropy(UNBALANCED, 0.3, classes=list("abcdef"))
    smoother = Smoother(lambda step: 0.2, Tree(UNBALANCED, 4.0, list("abcdef")))
    logits = draw(6, 6)
    target = smoother(torch.arange(6), logits=logits)
    dense = SoftTarget(target.dense(6, dtype=torch.float64))
    assert_close(loss(logits, target), loss(logits, dense))


def test_the_tree_comes_from_a_file_or_a_config(tmp_path):
    file = tmp_path / "tree.json"
    file.write_text('{"tumour": ["benign", "malignant"]}')
    node = {"_target_": "smoothlab.losses.HierarchicalCrossEntropy", "tree": str(file), "alpha": 0.5}
    loss = build(node, "loss")
    loss.bind(ClassInfo(["malignant", "benign"], [1, 1]))
    target = SoftTarget(torch.tensor([0, 1]))
    share = math.exp(-0.5) / (1 + 2 * math.exp(-0.5))
    rows = soft_cross_entropy(draw(2, 2), target, reduction="none")
    assert_close(loss(draw(2, 2), target), share * rows)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: HierarchicalCrossEntropy(UNBALANCED, math.nan), "alpha = nan"),
        (lambda: HierarchicalCrossEntropy(7), "tree = 7: expected a ClassTree, nested names, or a file"),
        (lambda: HierarchicalCrossEntropy(UNBALANCED, classes=["a", "z"]), "classes = 'z': expected a node"),
        (lambda: HierarchicalCrossEntropy(UNBALANCED)(draw(1, 6), SoftTarget(torch.tensor([0]))), "classes = None"),
        (
            lambda: HierarchicalCrossEntropy(UNBALANCED, classes=["a", "b"])(draw(1, 6), SoftTarget(torch.tensor([0]))),
            r"logits = \(1, 6\): expected 2 classes, as in the tree",
        ),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(InvalidArgument, match=message):
        make()
