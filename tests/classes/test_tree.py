"""Class trees: every way to write one, what is refused, and heights of common ancestors."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smoothlab import InvalidArgument
from smoothlab.classes.tree_file import read_tree
from smoothlab.smoothing import ClassTree

NESTED = {"root": {"A": {"A1": ["a", "b"], "c": None}, "B": ["d", "e"], "f": {}}}
PATHS = ["A > A1 > a", "A > A1 > b", "A>c", "B > d", " B > e ", "f"]
PARENTS = [("a", "A1"), ("b", "A1"), ("A1", "A"), ("c", "A"), ("d", "B"), ("e", "B"), ("A", "root"), ("B", "root")]
PARENTS += [("f", "root"), ("root", None)]
HEIGHTS = [  # of the lowest common ancestor, counted by hand
    [0, 1, 2, 3, 3, 3],
    [1, 0, 2, 3, 3, 3],
    [2, 2, 0, 3, 3, 3],
    [3, 3, 3, 0, 1, 3],
    [3, 3, 3, 1, 0, 3],
    [3, 3, 3, 3, 3, 0],
]


@pytest.mark.parametrize(
    "tree",
    [
        ClassTree.from_nested(NESTED),
        ClassTree.from_nested(NESTED["root"]),  # several at the top
        ClassTree.from_nested([{"A": [{"A1": ["a", "b"]}, "c"]}, {"B": ["d", "e"]}, "f"]),
        ClassTree.from_paths(PATHS),
        ClassTree.from_parents(PARENTS),
        ClassTree.from_parents(dict(reversed(PARENTS))),
    ],
)
def test_every_way_to_write_it_is_the_same_tree(tree):
    assert tree.distances(tree.nodes("abcdef")).tolist() == HEIGHTS
    assert tree.names[0] == "root"
    assert sorted(tree.names[leaf] for leaf in tree.leaves) == list("abcdef")
    assert tree.heights[tree.node("A")] == 2
    assert tree.path(tree.node("a")) == "A > A1 > a"
    assert tree.node("A > A1 > a") == tree.node("root > A > A1 > a") == tree.node("A>A1>a") == tree.node("a")


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_it_is_read_from_a_file(tmp_path, suffix):
    file = tmp_path / f"tree.{suffix}"
    file.write_text(json.dumps(NESTED) if suffix == "json" else "A: {A1: [a, b], c: }\nB: [d, e]\nf:\n")
    tree = read_tree(file)
    assert tree.distances(tree.nodes("abcdef")).tolist() == HEIGHTS


def test_its_text_is_a_picture():
    assert str(ClassTree.from_nested({"animal": {"cat": None, "dog": ["pug"]}})) == "animal\n  cat\n  dog\n    pug"


def test_a_class_may_be_an_inner_node():
    tree = ClassTree.from_paths(["shoes", "shoes > boots", "hats"])
    distances = tree.distances(tree.nodes(["shoes", "boots", "hats"]))
    assert distances.tolist() == [[0, 1, 2], [1, 0, 2], [2, 2, 0]]


def test_a_name_in_two_branches_is_called_by_its_path():
    tree = ClassTree.from_nested({"men": ["shoes", "hats"], "women": ["shoes"]})
    with pytest.raises(
        InvalidArgument, match="classes = 'shoes': expected the path of one of men > shoes, women > shoes"
    ):
        tree.node("shoes")
    assert tree.node("men > shoes") != tree.node("women > shoes")
    leaf = ClassTree.from_nested({"shoes": ["shoes", "boots"], "hats": None})
    assert leaf.path(leaf.node("shoes")) == "shoes > shoes"


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("a", "r"), ("b", "s")], r"parents = \['r', 's'\]: expected one root"),
        ([("a", "b"), ("b", "c"), ("c", "a")], r"parents = \[\]|a > b > c > a"),
        ([("a", "b"), ("b", "a"), ("c", "r")], "parents = 'a > b > a': expected no cycle"),
        ([("a", "a"), ("c", "r")], "parents = 'a > a': expected no cycle"),
        ([("a", "r"), ("b", "r"), ("a", "b")], "parents = 'a': expected one parent, not 'r' and 'b'"),
        ([], r"parents = \[\]: expected one root"),
        ([(1.5, "r")], "tree = 1.5: expected a name"),
    ],
)
def test_parents_that_are_no_tree_are_refused(pairs, message):
    with pytest.raises(InvalidArgument, match=message):
        ClassTree.from_parents(pairs)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ClassTree.from_nested({"r": ["a", "b", "a"]}), "tree = 'a': expected a name once below 'r'"),
        (lambda: ClassTree.from_nested({"r": {}}), "expected nested names"),
        (lambda: ClassTree.from_nested({"r": [True, "b"]}), "tree = True: expected a name; quote it"),
        (lambda: ClassTree.from_nested({"r": {"a": 1.5}}), "tree = 1.5: expected mappings, lists and names"),
        (lambda: ClassTree.from_paths(["a > b", "a>b"]), "paths = 'a>b': expected each path once"),
        (lambda: ClassTree.from_paths(["a >  > b"]), "paths = 'a >  > b': expected names joined by '>'"),
        (lambda: ClassTree.from_paths([None]), "paths = None: expected names"),
        (lambda: ClassTree.from_paths([]), "expected at least one path"),
        (lambda: ClassTree(("r", "a"), (-1, -1)), "expected -1 for the root"),
        (lambda: ClassTree.from_paths(PATHS).nodes(["a", "A > A1 > a"]), "classes = 'A > A1 > a': expected each node"),
        (lambda: ClassTree.from_nested({"dog": ["spaniel"]}).node("spanial"), "nearest: spaniel"),
    ],
)
def test_what_is_no_tree_is_refused(make, message):
    with pytest.raises(InvalidArgument, match=message):
        make()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("tree.yaml", "A: [a]\nA: [b]\n", "tree = 'A': expected a name once below one parent"),
        ("tree.json", '{"A": ["a"], "A": ["b"]}', "tree = 'A': expected a name once below one parent"),
        ("tree.yaml", "A: [a", "expected YAML or JSON"),
        ("tree.json", "{", "expected YAML or JSON"),
        ("tree.txt", "A", r"a .yaml, .yml or .json file"),
        ("tree.yaml", None, r"expected a file that can be read \(No such file"),
    ],
)
def test_files_that_hold_no_tree_are_refused(tmp_path, name, text, message):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InvalidArgument, match=message):
        read_tree(tmp_path / name)


@given(
    parents=st.lists(st.integers(0, 30), min_size=1, max_size=20).map(
        lambda ups: [u % (i + 1) for i, u in enumerate(ups)]
    )
)
def test_distances_are_those_of_a_walk_up_the_tree(parents):
    tree = ClassTree(tuple(f"n{node}" for node in range(len(parents) + 1)), (-1, *parents))
    nodes = list(range(len(tree.names)))
    distances = tree.distances(nodes)

    def height(node):
        return max((1 + height(child) for child in nodes if tree.parents[child] == node), default=0)

    def walk(node):
        return [node, *(walk(tree.parents[node]) if node else [])]

    for first in nodes:
        for second in nodes:
            common = next(node for node in walk(first) if node in walk(second))
            assert distances[first, second] == (0 if first == second else height(common))
    assert torch.equal(distances, distances.T)
