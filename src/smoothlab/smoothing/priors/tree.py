"""A prior by a tree of classes: the mass goes to the label's relatives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from smoothlab.classes.info import ClassInfo, tree_of
from smoothlab.classes.tree import SEPARATOR, ClassTree, split_path
from smoothlab.classes.tree_file import TreeSource, tree_from
from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_number
from smoothlab.smoothing.priors.table import Table
from smoothlab.smoothing.ranges import check_matrix
from smoothlab.step import Step
from smoothlab.targets import PerClass


class Tree:
    """The mass of label y goes to class k as ``exp(-beta * d(k, y))``, normalised over the K classes, y included.

    d is the height of the lowest common ancestor of the two, divided by the largest such height among the K classes, so
    that it lies in [0, 1]. The original takes this distribution alone as the target: that is a strength just below 1. A
    smaller epsilon mixes it with the label.

    Args:
        tree: a :class:`ClassTree`; nested names, as :meth:`ClassTree.from_nested` takes them; a YAML or JSON file of
            such; or None: the tree of the data that it is bound to.
        beta: >= 0; larger keeps the mass nearer to the label, 0 is uniform. Published: 4 to 30.
        classes: the K classes by name or path in the order of the logits, or None: those that the smoother is bound to.

    Raises:
        InvalidArgument: for arguments outside their range, classes that are no nodes, or a tree that is none; on
            binding, for classes of the data that are no nodes; in a step where the classes are not known.

    Source: Bertinetto et al., "Making Better Mistakes: Leveraging Class Hierarchies with Deep Networks", CVPR 2020.
    """

    by_label = True

    def __init__(self, tree: TreeSource | None, beta: float, classes: Sequence[str] | None = None) -> None:
        self.tree = None if tree is None else tree_from(tree)
        self.beta = check_number("beta", beta, at_least=0)
        self.classes = None if classes is None else list(classes)
        if classes is not None and self.tree is None:
            raise InvalidArgument("classes", list(classes), "None, where the tree is that of the data")
        self._table: Table | None = None
        if self.tree is not None and classes is not None:
            self._table = Table(soft_labels(self.tree.distances(self.tree.nodes(classes)), self.beta))

    @classmethod
    def from_paths(cls, paths: Iterable[str], beta: float, separator: str = SEPARATOR) -> Tree:
        """By paths such as ``"Footwear > Boots"``, one a class in the order of the logits."""
        paths = list(paths)
        tree = ClassTree.from_paths(paths, separator)
        return cls(tree, beta, [f" {SEPARATOR} ".join(split_path(path, separator)) for path in paths])

    @classmethod
    def from_parents(
        cls,
        pairs: Mapping[str, str | None] | Iterable[tuple[str, str | None]],
        beta: float,
        classes: Sequence[str] | None = None,
    ) -> Tree:
        """By pairs (child, parent)."""
        return cls(ClassTree.from_parents(pairs), beta, classes)

    def bind(self, info: ClassInfo) -> None:
        """Take the order of the data's classes.

        Classes that were given in the constructor may be the same in another order. Where the data know their classes
        by other names altogether, the given order stays.
        """
        check_matrix(len(info.class_names))
        tree = self.tree = tree_of(self.tree, info)
        self._table = Table(soft_labels(tree.distances(tree.nodes_for(info.class_names, self.classes)), self.beta))

    def __call__(self, step: Step) -> PerClass:
        """The matrix of soft labels, whose row the label picks."""
        if self._table is None:
            expected = "the classes in the order of the logits, or Smoother.bind with those of the data"
            raise InvalidArgument("classes", None, expected)
        return self._table.per_class(step)

    def __repr__(self) -> str:
        if self.tree is None:
            return f"Tree(of the data, beta={self.beta})"
        return f"Tree({len(self.tree.leaves)} leaves, height {self.tree.heights[0]}, beta={self.beta})"


def soft_labels(distances: Tensor, beta: float) -> Tensor:
    """``softmax(-beta * d / max d)`` of each row.

    Args:
        distances: ``(K, K)``, symmetric; all 0 where there is one class.
        beta: >= 0.

    Returns:
        ``(K, K)``, rows summing to 1.
    """
    largest = distances.max()
    return torch.softmax(-beta * distances / largest.where(largest > 0, 1.0), 1)
