"""Hierarchical cross-entropy: the way from the root of a class tree to the label, each step weighed by its depth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from smoothlab.classes.info import ClassInfo, tree_of
from smoothlab.classes.tree import ClassTree
from smoothlab.classes.tree_file import TreeSource, tree_from
from smoothlab.errors import InvalidArgument
from smoothlab.losses.by_row import by_row
from smoothlab.losses.weights import accumulator
from smoothlab.numbers import check_number
from smoothlab.step import Step
from smoothlab.targets import SoftTarget


class Level(NamedTuple):
    """The nodes of one depth, those that have children first."""

    leaves: Tensor  # the classes that lie here, (leaves,)
    parents: Tensor  # place of each node's parent in the level above, (nodes,)


class HierarchicalCrossEntropy:
    """``sum_n w(n) Q(n) (log P(parent of n) - log P(n))``, over the nodes n of a class tree below its root.

    P(n) is the sum of the predicted probabilities of the classes below n, Q(n) that of the target; for a plain label it
    is the way to the label, ``sum_n w(n) (-log P(n | parent of n))``. A soft target has the expected loss of its
    classes. A node of depth h (1 below the root) weighs

        w(n) = exp(-alpha h)    divided, if ``normalized``, by the sum of exp(-alpha h) over all nodes, root included

    so that with a larger alpha a mistake between branches far up costs more than one between neighbours. With alpha 0
    it is the cross-entropy, divided by the number of nodes if normalised: as published, a loss in a larger tree is
    smaller, and a learning rate tuned for cross-entropy is too low.

    Args:
        tree: a :class:`ClassTree`; nested names, as :meth:`ClassTree.from_nested` takes them; or a YAML or JSON file of
            such. Branches may differ in depth. Nodes without a class below them do not count. A class that is an
            inner node is a leaf of its own below that node.
        alpha: a finite number; published: 0.1 to 0.9. A negative one weighs the last decisions most.
        normalized: whether the weights are divided by their sum, as published.
        classes: the K classes by name or path in the order of the logits, or None: those that it is bound to.

    A class whose logit is -inf takes no part, and gets no smoothing mass; a masked label has the loss inf. All is
    computed from sums of logits in log space, level by level, in memory for rows times nodes.

    The published code takes probabilities, and leaves out a term whose probability is 0 in float32, so that the worst
    mistakes cost little; it gives -inf for a label at depth 1 of a tree that is deeper elsewhere, fails where all
    labels are at depth 1, and holds two dense arrays of classes times classes times depth.

    Raises:
        InvalidArgument: for arguments outside their range, classes that are no nodes, or a tree that is none; on
            binding, for classes of the data that are no nodes; in a step where the classes are not known, or are not
            as many as the logits.

    Source: Bertinetto et al., "Making Better Mistakes: Leveraging Class Hierarchies with Deep Networks", CVPR 2020.
    """

    def __init__(
        self,
        tree: TreeSource | None,
        alpha: float = 0.1,
        normalized: bool = True,
        classes: Sequence[str] | None = None,
    ) -> None:
        check_number("alpha", alpha)
        self.tree = None if tree is None else tree_from(tree)
        self.alpha = float(alpha)
        self.normalized = normalized
        self.classes = None if classes is None else list(classes)
        self.levels: list[Level] = []
        if classes is not None and self.tree is None:
            raise InvalidArgument("classes", list(classes), "None, where the tree is that of the data")
        if self.tree is not None and classes is not None:
            self._take(self.tree, self.tree.nodes(classes))

    def bind(self, info: ClassInfo) -> None:
        """Take the order of the data's classes.

        Classes that were given in the constructor may be the same in another order. Where the data know their classes
        by other names altogether, the given order stays.
        """
        tree = self.tree = tree_of(self.tree, info)
        self._take(tree, tree.nodes_for(info.class_names, self.classes))

    def _take(self, tree: ClassTree, nodes: Sequence[int]) -> None:
        self.num_classes = len(nodes)
        self.levels = levels_of(tree, nodes)
        weights = [math.exp(-self.alpha * depth) for depth in range(len(self.levels))]
        total = sum(weight * len(level.parents) for weight, level in zip(weights, self.levels, strict=True))
        self.weights = [weight / total if self.normalized else weight for weight in weights]

    @by_row
    def __call__(self, logits: Tensor, target: SoftTarget, step: Step | None = None) -> Tensor:
        """The loss of each row, ``(...)`` in float32 or wider, from logits ``(..., K)``."""
        if not self.levels:
            expected = "the classes in the order of the logits, or bind with those of the data"
            raise InvalidArgument("classes", None, expected)
        if logits.shape[-1] != self.num_classes:
            raise InvalidArgument("logits", tuple(logits.shape), f"{self.num_classes} classes, as in the tree")
        if self.levels[0].parents.device != logits.device:
            self.levels = [Level(*(part.to(logits.device) for part in level)) for level in self.levels]
        z = logits.to(accumulator(logits.dtype))
        q = target.dense(z.shape[-1], z, dtype=z.dtype)
        masked = z == -math.inf
        # the smallest float in place of -inf: its probability is 0 too, and a branch masked as a whole is no nan
        z = z.masked_fill(masked, torch.finfo(z.dtype).min)
        z = z - z.detach().amax(-1, keepdim=True)
        rows = self._rows(z, q)
        return rows.masked_fill(((q > 0) & masked).any(-1), math.inf)

    def _rows(self, z: Tensor, q: Tensor) -> Tensor:
        rows = z.new_zeros(z.shape[:-1])
        scores = mass = z[..., :0]  # of the nodes of the level below: log sum exp of logits, and the target's
        for depth in range(len(self.levels) - 1, -1, -1):
            leaves, parents = self.levels[depth]
            inner = len(parents) - len(leaves)
            above, up = z[..., :0], None
            if inner:
                up = self.levels[depth + 1].parents
                above = log_sums(scores, up, inner)
                rows = rows + self.weights[depth + 1] * (mass * (above.index_select(-1, up) - scores)).sum(-1)
                mass = mass.new_zeros(*mass.shape[:-1], inner).index_add(-1, up, mass)
            scores = torch.cat([above, z.index_select(-1, leaves)], -1)
            mass = torch.cat([mass, q.index_select(-1, leaves)], -1)
        return rows

    def __repr__(self) -> str:
        if self.tree is None:
            return f"HierarchicalCrossEntropy(of the data's tree, alpha={self.alpha})"
        leaves, height = len(self.tree.leaves), self.tree.heights[0]
        return f"HierarchicalCrossEntropy({leaves} leaves, height {height}, alpha={self.alpha})"


def log_sums(scores: Tensor, groups: Tensor, number: int) -> Tensor:
    """Log sum exp ``(..., number)`` of the columns of ``(..., M)`` by their group ``(M,)``, each of which has some."""
    held = scores.detach()
    index = groups.expand(held.shape)
    top = held.new_full((*held.shape[:-1], number), -math.inf).scatter_reduce(-1, index, held, "amax")
    shares = (scores - top.index_select(-1, groups)).exp()
    return top + torch.zeros_like(top).index_add(-1, groups, shares).log()


def levels_of(tree: ClassTree, nodes: Sequence[int]) -> list[Level]:
    """The part of a tree that leads to some nodes, the classes, by depth; the root's level is the first.

    A class with classes below it becomes a leaf one level below its node.
    """
    inner = {above for node in nodes for above in tree.ancestors(node)}
    depth = {0: 0}
    for node in range(1, len(tree.names)):  # parents come first
        depth[node] = depth[tree.parents[node]] + 1
    # where each class lies, and below which node
    places = [(depth[node] + 1, node) if node in inner else (depth[node], tree.parents[node]) for node in nodes]
    height = max(place for place, _ in places)
    rank: dict[int, int] = {-1: 0}  # of a node among the inner ones of its level
    levels = []
    for at in range(height + 1):
        here = sorted(node for node in inner if depth[node] == at)
        rank |= {node: number for number, node in enumerate(here)}
        leaves = [number for number, (place, _) in enumerate(places) if place == at]
        parents = [tree.parents[node] for node in here] + [places[number][1] for number in leaves]
        levels.append(Level(torch.tensor(leaves, dtype=torch.long), torch.tensor([rank[up] for up in parents])))
    return levels
