"""The prior by a tree of classes: against the original's soft labels, and against names in another order."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from smoothlab import InvalidArgument, Smoother, soft_cross_entropy
from smoothlab.smoothing import ClassInfo, ClassTree, Constant, Step, Tree

PATHS = ["Footwear > Boots", "Footwear > Shoes", "Hats"]
LABELS = torch.tensor([0, 1, 2])


def double(values):
    return torch.tensor(values, dtype=torch.float64)


def matrix(prior):
    return prior(Step(torch.tensor([0]), torch.zeros(1, 1, dtype=torch.float64))).matrix


def nested(text):
    """``(root (A a b) c)`` as nested mappings."""
    tokens = text.replace("(", " ( ").replace(")", " ) ").split()

    def node():
        token = tokens.pop(0)
        if token != "(":
            return token, None
        name, below = tokens.pop(0), {}
        while tokens[0] != ")":
            below.update([node()])
        tokens.pop(0)
        return name, below

    return dict([node()])


def test_it_is_bertinettos_soft_labels(vectors):
    for case in vectors("bertinetto_soft_labels")["cases"]:
        params = case["params"]
        tree = ClassTree.from_nested(nested(params["tree"]))
        assert tree.distances(tree.nodes(params["classes"])).tolist() == case["distance_lca_height"]
        prior = Tree(tree, params["beta"], params["classes"])
        assert_close(matrix(prior).T, double(case["soft_labels_columns"]), rtol=1e-8, atol=0)
        logits = torch.tensor(case["inputs"]["logits"], dtype=torch.float64, requires_grad=True)
        # the original takes the prior alone as the target
        target = Smoother(Constant(math.nextafter(1.0, 0.0)), prior)(
            torch.tensor(case["inputs"]["target"]), logits=logits
        )
        assert_close(target.dense(len(params["classes"])), double(case["targets"]), rtol=1e-8, atol=1e-15)
        loss = soft_cross_entropy(logits, target)
        assert_close(loss.item(), case["loss"], rtol=1e-8, atol=0)
        loss.backward()
        assert_close(logits.grad, double(case["grad_logits"]), rtol=1e-8, atol=1e-12)


def test_relatives_get_more_by_the_closed_form():
    near, far = math.exp(-2.0), math.exp(-4.0)
    row = double([1.0, near, far])
    assert_close(matrix(Tree.from_paths(PATHS, beta=4.0))[0], row / row.sum())


def test_a_beta_of_zero_is_uniform():
    """The original takes 0 for the order to use one-hot labels; the formula says uniform."""
    assert_close(matrix(Tree.from_paths(PATHS, beta=0)), double([[1 / 3] * 3] * 3))


def test_one_class_has_all_the_mass():
    """The original divides 0 by 0."""
    assert matrix(Tree.from_paths(["only"], beta=4.0)).tolist() == [[1.0]]


@pytest.mark.parametrize(
    "prior",
    [
        Tree.from_paths(["Footwear / Boots", "Footwear/Shoes", "Hats"], beta=4.0, separator="/"),
        Tree({"Footwear": ["Boots", "Shoes"], "Hats": None}, beta=4.0, classes=["Boots", "Shoes", "Hats"]),
        Tree.from_parents(
            {"Boots": "Footwear", "Shoes": "Footwear", "Footwear": "all", "Hats": "all"},
            4.0,
            ["Boots", "Shoes", "Hats"],
        ),
    ],
)
def test_every_way_to_write_the_tree_is_the_same_prior(prior):
    assert_close(matrix(prior), matrix(Tree.from_paths(PATHS, beta=4.0)))


def test_a_tree_in_a_file_takes_the_order_of_the_data(tmp_path):
    file = tmp_path / "classes.yaml"
    file.write_text("Hats:\nFootwear: [Shoes, Boots]\n")
    smoother = Smoother(Constant(0.5), Tree(str(file), beta=4.0))
    with pytest.raises(InvalidArgument, match=r"classes = None: expected .*Smoother.bind"):
        smoother(LABELS)
    smoother.bind(ClassInfo(["Boots", "Shoes", "Hats"], [1, 1, 1]))
    assert_close(smoother(LABELS, logits=torch.zeros(3, 3).double()).prior.matrix, matrix(Tree.from_paths(PATHS, 4.0)))


def test_the_datas_order_wins_over_that_of_the_paths():
    prior = Tree.from_paths(PATHS, beta=4.0)
    expected = matrix(prior)[[2, 0, 1]][:, [2, 0, 1]]
    prior.bind(ClassInfo(["Hats", "Footwear > Boots", "Shoes"], [1, 1, 1]))
    assert_close(matrix(prior), expected)


def test_names_that_the_tree_has_never_heard_leave_the_given_order():
    prior = Tree.from_paths(PATHS, beta=4.0)
    before = matrix(prior)
    prior.bind(ClassInfo(["0", "1", "2"], [1, 1, 1]))
    assert_close(matrix(prior), before)


@pytest.mark.parametrize("names", [["0", "1"], ["Boots", "Shoes", "Caps"], ["Boots", "Shoes", "Boots"]])
def test_classes_that_do_not_fit_the_tree_are_refused(names):
    with pytest.raises(InvalidArgument, match="classes = "):
        Tree.from_paths(PATHS, beta=4.0).bind(ClassInfo(names, [1] * len(names)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Tree.from_paths(PATHS, beta=-1), "beta = -1: expected a number >= 0"),
        (lambda: Tree({"r": ["a", "b"]}, 4.0, ["a", "c"]), "classes = 'c': expected a node of the tree"),
        (lambda: Tree(7, 4.0), "tree = 7: expected a ClassTree, nested names, or a file"),
        (lambda: Tree("nowhere.yaml", 4.0), "tree = 'nowhere.yaml': expected a file that can be read"),
    ],
)
def test_arguments_outside_their_range_are_refused(make, message):
    with pytest.raises(InvalidArgument, match=message):
        make()


def test_without_a_tree_of_its_own_it_takes_that_of_the_data():
    tree = ClassTree.from_nested({"tumour": ["benign", "malignant"], "none": None})
    names = ["malignant", "none", "benign"]
    prior = Tree(None, 2.0)
    prior.bind(ClassInfo(names, [1, 1, 1], tree=tree))
    expected = Tree(tree, 2.0, names)
    step = Step(torch.tensor([0]))
    assert_close(prior(step).matrix, expected(step).matrix)


def test_without_any_tree_it_says_so():
    with pytest.raises(InvalidArgument, match="the data have no tree of their own"):
        Tree(None, 2.0).bind(ClassInfo(["a", "b"], [1, 1]))
