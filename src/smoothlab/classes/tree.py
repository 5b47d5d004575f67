"""Trees of classes: read from nested names, paths or parents, checked, and measured."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from smoothlab.errors import InvalidArgument

SEPARATOR = ">"
Nested = Mapping[str, Any] | Sequence[Any]  # names within names, as YAML and JSON have them


@dataclass(frozen=True, eq=False)
class ClassTree:
    """A tree whose nodes have names; some of them are classes.

    Nodes are numbered so that a parent comes before its children; node 0 is the root. A name may occur twice in
    different branches; such a node is called by its path, ``"Footwear > Boots"``. Make one by :meth:`from_nested`,
    :meth:`from_paths`, :meth:`from_parents`, or :func:`~smoothlab.classes.tree_file.read_tree`.

    Args:
        names: of the nodes, the root's first.
        parents: number of each node's parent; -1 for the root.

    Raises:
        InvalidArgument: for a second root, a parent that does not come before its child, or two children of one
            parent with the same name.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    children: tuple[tuple[int, ...], ...] = field(init=False, repr=False)
    heights: tuple[int, ...] = field(init=False, repr=False)
    _by_name: dict[str, list[int]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.names or len(self.names) != len(self.parents):
            raise InvalidArgument("parents", len(self.parents), f"one for each of the {len(self.names)} names")
        if self.parents[0] != -1 or any(not 0 <= up < node for node, up in enumerate(self.parents) if node):
            raise InvalidArgument("parents", list(self.parents), "-1 for the root, and a node before it for each other")
        children: list[list[int]] = [[] for _ in self.names]
        heights = [0] * len(self.names)
        for node in range(len(self.names) - 1, 0, -1):
            up = self.parents[node]
            children[up].insert(0, node)
            heights[up] = max(heights[up], heights[node] + 1)
        object.__setattr__(self, "children", tuple(map(tuple, children)))
        object.__setattr__(self, "heights", tuple(heights))
        for node, below in enumerate(children):
            twice = [name for name, times in Counter(self.names[child] for child in below).items() if times > 1]
            if twice:
                expected = f"a name once below {self.names[node]!r}"
                raise InvalidArgument("tree", twice[0], expected)
        nodes: dict[str, list[int]] = {}
        for node in range(len(self.names)):
            for key in {self.names[node], self.path(node), f"{self.names[0]} {SEPARATOR} {self.path(node)}"}:
                nodes.setdefault(key, []).append(node)
        object.__setattr__(self, "_by_name", nodes)

    @classmethod
    def from_nested(cls, nested: Nested) -> ClassTree:
        """A tree of nested mappings and lists, as in YAML and JSON: ``{"animal": {"cat": None, "dog": ["pug"]}}``.

        A mapping has a branch for each key, a list holds leaves (names) or further mappings. One key at the top is the
        root; several get a root above them that is called ``root``.

        Raises:
            InvalidArgument: for something else than mappings, lists and names, or a name twice below one parent.
        """
        if isinstance(nested, Mapping) and len(nested) == 1:
            ((root, below),) = nested.items()
        else:
            root, below = "root", nested
        names, parents = [_name(root)], [-1]
        waiting = [(0, below)]
        while waiting:
            up, below = waiting.pop(0)
            for name, rest in _branches(below):
                names.append(_name(name))
                parents.append(up)
                waiting.append((len(names) - 1, rest))
        if len(names) == 1:
            raise InvalidArgument("tree", nested, "nested names, such as {animal: [cat, dog]}")
        return cls(tuple(names), tuple(parents))

    @classmethod
    def from_paths(cls, paths: Iterable[str], separator: str = SEPARATOR) -> ClassTree:
        """A tree of paths from the top, ``"Footwear > Boots"``, below a root that is called ``root``.

        Args:
            paths: one for each class, in any order; a path may go on below another one.
            separator: between names; spaces around it do not count.

        Raises:
            InvalidArgument: for an empty path or name in it, or a path that is there twice.
        """
        names, parents = ["root"], [-1]
        nodes: dict[tuple[str, ...], int] = {(): 0}
        seen: set[tuple[str, ...]] = set()
        for path in paths:
            parts = split_path(path, separator)
            if parts in seen:
                raise InvalidArgument("paths", path, "each path once")
            seen.add(parts)
            for length in range(1, len(parts) + 1):
                if parts[:length] not in nodes:
                    nodes[parts[:length]] = len(names)
                    names.append(parts[length - 1])
                    parents.append(nodes[parts[: length - 1]])
        if not seen:
            raise InvalidArgument("paths", [], "at least one path, such as 'Footwear > Boots'")
        return cls(tuple(names), tuple(parents))

    @classmethod
    def from_parents(cls, pairs: Mapping[str, str | None] | Iterable[tuple[str, str | None]]) -> ClassTree:
        """A tree of pairs (child, parent); a name is one node wherever it stands, and the root has no parent, or None.

        Raises:
            InvalidArgument: for a child with two parents, no root, several roots, or a cycle.
        """
        parent_of: dict[str, str | None] = {}
        below: dict[str, list[str]] = {}
        for child, parent in pairs.items() if isinstance(pairs, Mapping) else pairs:
            if parent_of.get(_name(child), parent) != parent:
                raise InvalidArgument("parents", child, f"one parent, not {parent_of[child]!r} and {parent!r}")
            if child in parent_of:
                continue
            parent_of[child] = parent
            below.setdefault(child, [])
            if parent is not None:
                below.setdefault(_name(parent), []).append(child)
        roots = [name for name in below if parent_of.get(name) is None]
        if len(roots) > 1 or not below:
            raise InvalidArgument("parents", roots, "one root, a node without a parent")
        order = list(roots)
        for name in order:  # grows while it is walked
            order.extend(below[name])
        if len(order) < len(below):
            lost = sorted(set(below) - set(order))
            raise InvalidArgument("parents", _cycle(lost[0], parent_of), "no cycle: every node below the root")
        place = {name: number for number, name in enumerate(order)}
        ups = (parent_of.get(name) for name in order)
        return cls(tuple(order), tuple(-1 if up is None else place[up] for up in ups))

    @property
    def leaves(self) -> list[int]:
        """Nodes without children."""
        return [node for node, below in enumerate(self.children) if not below]

    def ancestors(self, node: int) -> list[int]:
        """The nodes above it, from its parent to the root."""
        above = []
        while (node := self.parents[node]) != -1:
            above.append(node)
        return above

    def path(self, node: int) -> str:
        """Names from the first one below the root to the node's own; the root's own name for the root."""
        above = [*reversed(self.ancestors(node)[:-1]), node]
        return f" {SEPARATOR} ".join(self.names[ancestor] for ancestor in above)

    def node(self, name: str) -> int:
        """The node of a class: by its name, the leaf of that name if there are inner nodes too, or by its path.

        Raises:
            InvalidArgument: no such node, or several.
        """
        nodes = self._by_name.get(name)
        if nodes is None and isinstance(name, str) and SEPARATOR in name:
            nodes = self._by_name.get(f" {SEPARATOR} ".join(split_path(name)))
        if nodes is None:
            near = difflib.get_close_matches(str(name), self._by_name, n=1)
            raise InvalidArgument("classes", name, "a node of the tree" + (f"; nearest: {near[0]}" if near else ""))
        leaves = [node for node in nodes if not self.children[node]]
        if len(nodes) > 1 and len(leaves) != 1:
            raise InvalidArgument("classes", name, f"the path of one of {', '.join(map(self.path, leaves or nodes))}")
        return leaves[0] if len(nodes) > 1 else nodes[0]

    def nodes(self, class_names: Iterable[str]) -> list[int]:
        """The nodes of the classes, in their order.

        Raises:
            InvalidArgument: a class is no node, or several are the same node.
        """
        nodes = [self.node(name) for name in class_names]
        twice = [self.path(node) for node, times in Counter(nodes).items() if times > 1]
        if twice:
            raise InvalidArgument("classes", twice[0], "each node for one class")
        return nodes

    def nodes_for(self, class_names: Sequence[str], given: Sequence[str] | None = None) -> list[int]:
        """The nodes of the data's classes, for what was told the classes by other names before.

        Args:
            class_names: the data's, in the order of the logits.
            given: the same classes as the tree knows them, in the order of the logits, or None. They count where no
                name of the data is in the tree.

        Raises:
            InvalidArgument: a class is no node, or several are the same node.
        """
        try:
            return self.nodes(class_names)
        except InvalidArgument:
            if given is None or len(given) != len(class_names) or any(map(self._knows, class_names)):
                raise
            return self.nodes(given)

    def _knows(self, name: str) -> bool:
        try:
            self.node(name)
        except InvalidArgument:
            return False
        return True

    def distances(self, nodes: Sequence[int]) -> Tensor:
        """Height of the lowest common ancestor of each two of K nodes, 0 on the diagonal, ``(K, K)`` in float64.

        The height of a node is the number of edges to the farthest leaf below it, so branches may differ in depth. A
        class that is an inner node is its own ancestor: its distance to a class below it is its height.
        """
        below: list[list[int]] = [[] for _ in self.names]
        for place, node in enumerate(nodes):
            for ancestor in (node, *self.ancestors(node)):
                below[ancestor].append(place)
        distances = torch.zeros(len(nodes), len(nodes), dtype=torch.float64)
        for node, places in enumerate(below):  # from the root down: the last to write is the lowest
            if len(places) > 1:
                index = torch.tensor(places)
                distances[index.unsqueeze(1), index] = float(self.heights[node])
        return distances.fill_diagonal_(0.0)

    def __str__(self) -> str:
        lines, waiting = [], [(0, 0)]
        while waiting:
            node, depth = waiting.pop()
            lines.append("  " * depth + self.names[node])
            waiting.extend((child, depth + 1) for child in reversed(self.children[node]))
        return "\n".join(lines)


def split_path(path: str, separator: str = SEPARATOR) -> tuple[str, ...]:
    """The names of a path.

    Raises:
        InvalidArgument: no text, or an empty name in it.
    """
    parts = tuple(part.strip() for part in path.split(separator)) if isinstance(path, str) else ()
    if not parts or not all(parts):
        raise InvalidArgument("paths", path, f"names joined by {separator!r}, none of them empty")
    return parts


def _name(name: object) -> str:
    if isinstance(name, bool) or not isinstance(name, str | int) or name == "":
        raise InvalidArgument("tree", name, "a name; quote it where YAML takes it for something else")
    return str(name)


def _branches(below: object) -> list[tuple[object, object]]:
    """Children with what is below each of them."""
    if below is None:
        return []
    if isinstance(below, Mapping):
        return list(below.items())
    if isinstance(below, str | int):
        return [(below, None)]
    if not isinstance(below, Sequence):
        raise InvalidArgument("tree", below, "mappings, lists and names")
    branches: list[tuple[object, object]] = []
    for branch in below:
        branches.extend(branch.items() if isinstance(branch, Mapping) else [(branch, None)])
    return branches


def _cycle(start: str, parent_of: Mapping[str, str | None]) -> str:
    """The cycle that the way up from a node ends in, in words."""
    seen = [start]
    while (up := parent_of[seen[-1]]) is not None and up not in seen:
        seen.append(up)
    assert up is not None
    return f" {SEPARATOR} ".join([*seen[seen.index(up) :], up])
