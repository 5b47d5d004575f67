"""Labels as nodes of a tree: closed sets, the deepest labels, levels; against walks up the tree, on random trees."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smoothlab import InvalidArgument
from smoothlab.classes import ClassTree, Hierarchy

NESTED = {"all": {"footwear": {"boots": ["hiking", "rubber"], "shoes": None}, "hats": None}}
NAMES = ["hiking", "boots", "footwear", "hats", "rubber"]  # any order; shoes and the root are no labels


@st.composite
def hierarchies(draw, least=1):
    """Random trees, of which some nodes are labels, in any order."""
    size = draw(st.integers(2, 14))
    parents = [-1, *(draw(st.integers(0, node - 1)) for node in range(1, size))]
    tree = ClassTree(tuple(f"n{node}" for node in range(size)), tuple(parents))
    chosen = draw(st.permutations(range(size)))[: draw(st.integers(least, size))]
    return Hierarchy(tree, [f"n{node}" for node in chosen])


def draw_labels(hierarchy, seed, rows=4, unknown=0.0):
    generator = torch.Generator().manual_seed(seed)
    labels = (torch.rand(rows, len(hierarchy), generator=generator) < 0.3).double()
    return labels.masked_fill(torch.rand(labels.shape, generator=generator) < unknown, -1)


def above(hierarchy, index):
    """Labels above one, by a walk up the tree."""
    return [k for k, node in enumerate(hierarchy.nodes) if node in hierarchy.tree.ancestors(hierarchy.nodes[index])]


@given(hierarchies(), st.integers(0, 2**31), st.sampled_from([0.0, 0.3]))
def test_closing_adds_what_is_above_each_label_and_nothing_else(hierarchy, seed, unknown):
    labels = draw_labels(hierarchy, seed, unknown=unknown)
    expected = labels.clone()
    for row, column in (labels > 0).nonzero().tolist():
        expected[row, above(hierarchy, column)] = 1.0
    closed = hierarchy.close(labels)
    assert torch.equal(closed, expected)
    assert hierarchy.is_closed(closed).all()
    assert torch.equal(hierarchy.is_closed(labels), (labels == expected).logical_or(labels < 0).all(1))
    assert torch.equal(hierarchy.close(labels.long()), expected.long())


@given(hierarchies(), st.integers(0, 2**31))
def test_closing_raises_each_share_to_the_largest_below(hierarchy, seed):
    shares = torch.rand(3, len(hierarchy), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    closed = hierarchy.close(shares)
    reached = hierarchy.ancestors()
    for column in range(len(hierarchy)):
        assert torch.equal(closed[:, column], shares[:, reached[:, column]].amax(1))


@given(hierarchies(), st.integers(0, 2**31))
def test_the_deepest_labels_are_those_without_one_below(hierarchy, seed):
    closed = hierarchy.close(draw_labels(hierarchy, seed))
    deepest = hierarchy.deepest(closed)
    for row in range(len(closed)):
        there = closed[row].nonzero()[:, 0].tolist()
        expected = [k for k in there if not any(k in above(hierarchy, other) for other in there)]
        assert deepest[row].nonzero()[:, 0].tolist() == expected


@given(hierarchies())
def test_ancestors_and_edges_are_those_of_the_tree(hierarchy):
    matrix = hierarchy.ancestors()
    for index in range(len(hierarchy)):
        assert set(matrix[index].nonzero()[:, 0].tolist()) == {index, *above(hierarchy, index)}
    children, parents = hierarchy.edges()
    assert dict(zip(children.tolist(), parents.tolist(), strict=True)) == {
        child: parent for child, parent in enumerate(hierarchy.parents) if parent != -1
    }


def test_nodes_that_are_no_labels_are_passed_over():
    assert Hierarchy({"r": {"a": {"between": ["b"]}}}, ["b", "a"]).parents == [1, -1]
    labels = torch.tensor([[1, 0, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 1, 0]])
    assert Hierarchy(NESTED, NAMES).close(labels).tolist() == [[1, 1, 1, 0, 0], [0, 1, 1, 0, 1], [0, 0, 0, 1, 0]]


def test_an_absent_or_unknown_label_says_nothing_about_those_above():
    labels = torch.tensor([[0.0, -100.0, -100.0, 0.0, 0.0], [1.0, -100.0, -100.0, 0.0, 0.0]])
    assert Hierarchy(NESTED, NAMES).close(labels).tolist() == [[0, -100, -100, 0, 0], [1, 1, 1, 0, 0]]


def test_levels_are_ancestors_at_a_depth_or_the_label_itself():
    hierarchy = Hierarchy(NESTED, ["hiking", "rubber", "shoes", "hats"])
    names = hierarchy.tree.names
    assert hierarchy.depth == 3
    assert [names[node] for node in hierarchy.level(1)] == ["footwear", "footwear", "footwear", "hats"]
    assert [names[node] for node in hierarchy.level(2)] == ["boots", "boots", "shoes", "hats"]
    assert [names[node] for node in hierarchy.level(3)] == ["hiking", "rubber", "shoes", "hats"]


def test_a_tree_as_deep_as_a_chain_of_two_thousand():
    names = [f"n{depth}" for depth in range(2000)]
    tree = ClassTree(tuple(names), tuple(range(-1, 1999)))
    labels = torch.zeros(2, 2000)
    labels[0, 1999] = 1.0
    assert Hierarchy(tree, names).close(labels).sum(1).tolist() == [2000.0, 0.0]


def test_the_x_ray_codes_of_imclef07a_close_as_their_file_says(shared):
    """Its codes are paths, and each row names a leaf after all that is above it: 1@1/2@1/2/3."""
    file = shared / "data" / "hier_multilabel" / "imclef07a" / "ImCLEF07A_Train.arff"
    if not file.is_file():
        pytest.skip(f"no data: {file} does not exist")
    head, rows = file.read_text().split("@DATA")
    codes = head.split("hierarchical")[1].split()[0].split(",")
    names = [f"root > {code.replace('/', ' > ')}" for code in codes]  # "2" alone is also the name of leaves
    hierarchy = Hierarchy(ClassTree.from_paths(codes, separator="/"), names)
    assert len(hierarchy) == 96
    assert hierarchy.depth == 3
    answers = [row.split(",")[-1].strip().split("@") for row in rows.strip().splitlines()]
    labels = torch.zeros(len(answers), 96)
    for row, answer in enumerate(answers):
        labels[row, codes.index(answer[-1])] = 1.0  # the leaf alone
    for row, answer in zip(hierarchy.close(labels), answers, strict=True):
        assert {codes[index] for index in row.nonzero()[:, 0].tolist()} == set(answer)


def test_a_node_with_two_parents_is_refused():
    with pytest.raises(InvalidArgument, match="one parent, not 'a' and 'b'"):
        ClassTree.from_parents([("a", None), ("b", "a"), ("c", "a"), ("c", "b")])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Hierarchy(NESTED, ["boot"]), "classes = 'boot': expected a node of the tree; nearest: boots"),
        (lambda: Hierarchy(7, ["a"]), "tree = 7: expected a ClassTree, nested names, or a file"),
        (lambda: Hierarchy(NESTED, NAMES).close(torch.zeros(2, 3)), r"labels = 'shape \(2, 3\)': expected shape .*5"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(InvalidArgument, match=message):
        make()
