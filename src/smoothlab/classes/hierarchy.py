"""Classes and labels as nodes of a tree: which lie above which, closed sets of labels, distances, levels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from smoothlab.classes.tree_file import TreeSource, tree_from
from smoothlab.errors import InvalidArgument


class Hierarchy:
    """K labels (or classes) that are nodes of a tree, leaves or inner ones, in the order of the logits.

    A label's parent is the nearest node above it that is a label too; nodes of the tree that are no labels are passed
    over. A label that is present implies those above it, so a set of labels is *closed* where every label is at least
    as large as each label below it.

    Args:
        tree: a :class:`ClassTree`, nested names, or a file of them.
        names: of the K labels, nodes by name or path.

    Raises:
        InvalidArgument: a name is no node, or two are the same one.
    """

    def __init__(self, tree: TreeSource, names: Sequence[str]) -> None:
        self.tree = tree_from(tree)
        self.names = list(names)
        self.nodes = self.tree.nodes(self.names)
        place = {node: index for index, node in enumerate(self.nodes)}
        above = [[place[up] for up in self.tree.ancestors(node) if up in place] for node in self.nodes]
        self.parents = [ups[0] if ups else -1 for ups in above]
        by_depth: dict[int, list[int]] = {}
        for index, ups in enumerate(above):
            by_depth.setdefault(len(ups), []).append(index)
        # the edges to walk when something rises from the leaves to the top, lowest children first
        self._rising = [
            (torch.tensor(children), torch.tensor([self.parents[child] for child in children]))
            for depth, children in sorted(by_depth.items(), reverse=True)
            if depth
        ]
        self._families = [family for level in self._rising for family in _families(*level)]
        self._moved: dict[torch.device, list[tuple[Tensor, Tensor]]] = {}
        self._families_moved: dict[torch.device, list[tuple[Tensor, Tensor]]] = {}

    def __len__(self) -> int:
        return len(self.nodes)

    def edges(self, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
        """Children and their parents, two index tensors ``(E,)``."""
        rising = self._on(torch.device(device))
        if not rising:
            nothing = torch.zeros(0, dtype=torch.int64, device=device)
            return nothing, nothing
        return torch.cat([children for children, _ in rising]), torch.cat([parents for _, parents in rising])

    def ancestors(self) -> Tensor:
        """``(K, K)`` bools: entry (i, j) says whether label j is label i or above it."""
        matrix = torch.eye(len(self), dtype=torch.bool)
        for index, up in enumerate(self.parents):
            while up != -1:
                matrix[index, up] = True
                up = self.parents[up]
        return matrix

    def close(self, labels: Tensor) -> Tensor:
        """Raise every label to the largest of those below it: the smallest closed labels that hold the given ones.

        Args:
            labels: ``(..., K)`` of any number type: 1 present, 0 absent, shares in between, negative unknown. What is
                absent or unknown says nothing about the labels above it.

        Returns:
            ``(..., K)``; an unknown label stays so unless one below it is present.

        Raises:
            InvalidArgument: another number of labels.
        """
        self.check(labels)
        columns = labels.reshape(-1, len(self)).T.clone(
            memory_format=torch.contiguous_format
        )  # a label's samples together
        for children, parents in self._families_on(labels.device):
            highest = columns.index_select(0, children.reshape(-1)).view(*children.shape, -1).amax(1)
            own = columns.index_select(0, parents)
            # a mark such as -100 stays what it is
            columns[parents] = torch.where(highest > 0, torch.maximum(highest, own), own)
        return columns.T.contiguous().view(labels.shape)

    def deepest(self, labels: Tensor) -> Tensor:
        """``(..., K)`` bools: the labels of a closed set that are present without any that is below them."""
        self.check(labels)
        present = labels > 0.5
        above = torch.zeros_like(labels)
        for children, parents in self._on(labels.device):
            below = present.index_select(-1, children).to(above.dtype)
            above = above.scatter_reduce(-1, parents.expand_as(below), below, "amax")
        return present & (above == 0)

    def is_closed(self, labels: Tensor) -> Tensor:
        """``(...)`` bools: whether no known label is smaller than one below it."""
        return ((labels < 0) | (self.close(labels) == labels)).all(-1)

    def check(self, labels: Tensor) -> None:
        """Refuse another number of labels.

        Raises:
            InvalidArgument: the last dimension is not K.
        """
        if labels.ndim < 1 or labels.shape[-1] != len(self):
            raise InvalidArgument("labels", f"shape {tuple(labels.shape)}", f"shape (..., {len(self)}), one a label")

    def distances(self) -> Tensor:
        """Height of the lowest common ancestor of each two, ``(K, K)`` in float64; see :meth:`ClassTree.distances`."""
        return self.tree.distances(self.nodes)

    @property
    def depth(self) -> int:
        """Levels below the root: the edges from it to the deepest of the labels."""
        return max(len(self.tree.ancestors(node)) for node in self.nodes)

    def level(self, number: int) -> list[int]:
        """The node of each label at a level: its ancestor so many edges below the root, or itself if it is not so deep.

        Args:
            number: 1 for the nodes right below the root, up to ``depth``.
        """
        paths = ([*reversed(self.tree.ancestors(node)), node] for node in self.nodes)
        return [path[min(number, len(path) - 1)] for path in paths]

    def _on(self, device: torch.device) -> list[tuple[Tensor, Tensor]]:
        if device.type == "cpu":
            return self._rising
        if device not in self._moved:
            self._moved[device] = [(children.to(device), parents.to(device)) for children, parents in self._rising]
        return self._moved[device]

    def _families_on(self, device: torch.device) -> list[tuple[Tensor, Tensor]]:
        if device.type == "cpu":
            return self._families
        if device not in self._families_moved:
            moved = [(children.to(device), parents.to(device)) for children, parents in self._families]
            self._families_moved[device] = moved
        return self._families_moved[device]

    def __repr__(self) -> str:
        return f"Hierarchy({len(self)} labels, depth {self.depth})"


def _families(children: Tensor, parents: Tensor) -> list[tuple[Tensor, Tensor]]:
    """A level's edges as children ``(P, C)`` of parents ``(P,)``, in groups of about equally many children.

    Where a parent has fewer than C its first child stands there again; it has more than half of them, so that the
    padding stays below the edges however uneven the tree is.
    """
    order = parents.argsort(stable=True)
    children = children[order]
    above, counts = parents[order].unique_consecutive(return_counts=True)
    begins = counts.cumsum(0) - counts
    size = torch.tensor([int(count - 1).bit_length() for count in counts.tolist()])
    groups = []
    for exponent in size.unique().tolist():
        here = size == exponent
        step = torch.arange(int(counts[here].max()))
        step = torch.where(step < counts[here].unsqueeze(1), step, 0)
        groups.append((children[begins[here].unsqueeze(1) + step], above[here]))
    return groups
