"""The trees of a boosted model as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

CATEGORIES = 256  # places of a set of categories
BLOCK = 256  # trees that are gone down at once: memory stays small


@dataclass(frozen=True)
class Node:
    """A node of a tree, or a leaf.

    Args:
        column: by which it splits; of a leaf any.
        threshold: a number up to it goes left.
        left: the node of the tree where such rows go; below 0: it is a leaf.
        right: where the others go.
        missing_left: whether nan goes left.
        categories: that go left, of a split by them; None: it is one by numbers.
        value: of a leaf.
    """

    column: int = 0
    threshold: float = 0.0
    left: int = -1
    right: int = -1
    missing_left: bool = False
    categories: Sequence[int] | None = None
    value: float = 0.0


@dataclass(frozen=True)
class Trees:
    """Trees one after the other in flat tensors; a leaf is a node whose children are itself.

    Args:
        roots: the first node of each tree ``(T,)``.
        column: by which a node splits ``(M,)``.
        threshold: a number up to it goes left ``(M,)``.
        left: the node where such rows go ``(M,)``.
        right: the node where the others go ``(M,)``.
        missing_left: whether nan goes left ``(M,)``.
        set_of: the row in ``sets`` of a split by category, -1 of one by numbers ``(M,)``.
        sets: which categories go left ``(S, CATEGORIES)``.
        value: of a leaf ``(M,)``.
        depth: most splits from a root to a leaf, ``()``.
    """

    roots: Tensor
    column: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    missing_left: Tensor
    set_of: Tensor
    sets: Tensor
    value: Tensor
    depth: Tensor

    @classmethod
    def none(cls) -> Trees:
        """No tree at all."""
        whole, number = torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.float64)
        truth = torch.zeros(0, dtype=torch.bool)
        sets = torch.zeros(0, CATEGORIES, dtype=torch.bool)
        depth = torch.zeros((), dtype=torch.int64)
        return cls(whole, whole, number, whole, whole, truth, whole, sets, number, depth)

    @classmethod
    def of_scikit_learn(cls, predictors: Sequence[Any]) -> Trees:
        """The trees of a histogram gradient boosting.

        Args:
            predictors: ``TreePredictor`` objects of scikit-learn.
        """
        if not predictors:
            return cls.none()
        sizes = [len(predictor.nodes) for predictor in predictors]
        sets = [_sets(predictor.raw_left_cat_bitsets) for predictor in predictors]
        starts = np.cumsum([0, *sizes[:-1]])
        set_starts = np.cumsum([0, *map(len, sets[:-1])])
        nodes = np.concatenate([predictor.nodes for predictor in predictors])
        own, shift = np.arange(len(nodes)), np.repeat(starts, sizes)
        leaf, by_category = nodes["is_leaf"].astype(bool), nodes["is_categorical"].astype(bool)
        category = nodes["bitset_idx"].astype(np.int64) + np.repeat(set_starts, sizes)
        arrays = {
            "roots": starts,
            "column": np.where(leaf, 0, nodes["feature_idx"]),
            "threshold": nodes["num_threshold"],
            "left": np.where(leaf, own, nodes["left"] + shift),
            "right": np.where(leaf, own, nodes["right"] + shift),
            "missing_left": nodes["missing_go_to_left"].astype(bool),
            "set_of": np.where(by_category & ~leaf, category, -1),
            "sets": np.concatenate(sets),
            "value": nodes["value"],
            "depth": np.asarray(nodes["depth"].max(), dtype=np.int64),
        }
        return cls(**{name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()})

    @classmethod
    def of_nodes(cls, trees: Sequence[Sequence[Node]]) -> Trees:
        """Trees of their nodes, the root first, parents before their children."""
        starts = np.cumsum([0, *map(len, trees)])
        nodes = [(node, at, start) for tree, start in zip(trees, starts, strict=False) for at, node in enumerate(tree)]
        depth = [0] * len(nodes)
        ends = []
        for node, at, start in nodes:
            left, right = (at, at) if node.left < 0 else (node.left, node.right)
            ends.append((left + start, right + start))
            for child in {left, right} - {at}:
                depth[child + start] = depth[at + start] + 1
        named = [node.categories for node, _, _ in nodes if node.categories is not None]
        sets = np.zeros((len(named), CATEGORIES), dtype=bool)
        for row, categories in enumerate(named):
            sets[row, list(categories)] = True
        has = np.array([node.categories is not None for node, _, _ in nodes], dtype=bool)
        arrays = {
            "roots": starts[:-1],
            "column": np.array([node.column for node, _, _ in nodes], dtype=np.int64),
            "threshold": np.array([node.threshold for node, _, _ in nodes], dtype=np.float64),
            "left": np.array([left for left, _ in ends], dtype=np.int64),
            "right": np.array([right for _, right in ends], dtype=np.int64),
            "missing_left": np.array([node.missing_left for node, _, _ in nodes], dtype=bool),
            "set_of": np.where(has, np.cumsum(has) - 1, -1),
            "sets": sets,
            "value": np.array([node.value for node, _, _ in nodes], dtype=np.float64),
            "depth": np.asarray(max(depth, default=0), dtype=np.int64),
        }
        return cls(**{name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()})

    def check(self, columns: int) -> None:
        """Refuse tensors in which a row would not come to a leaf, as a file that somebody wrote may hold.

        Args:
            columns: of the cells.

        Raises:
            ValueError: a place outside of what it is in.
        """
        nodes, depth = len(self.value), int(self.depth)
        of_nodes = (self.column, self.threshold, self.left, self.right, self.missing_left, self.set_of)
        ends = [(self.roots, nodes), (self.left, nodes), (self.right, nodes), (self.column, columns)]
        within = all(not len(places) or (int(places.min()) >= 0 and int(places.max()) < end) for places, end in ends)
        sets = not nodes or int(self.set_of.max()) < len(self.sets)
        if not (within and sets and 0 <= depth <= nodes and all(part.shape == (nodes,) for part in of_nodes)):
            raise ValueError("trees whose nodes lead to no node")

    def tensors(self) -> dict[str, Tensor]:
        """All of them by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def values(self, cells: Tensor, levels: int) -> Tensor:
        """The value of each tree's leaf for each row, ``(N, T)`` in float64.

        Args:
            cells: ``(N, C)``, nan where empty.
            levels: how often to go down; ``depth`` reaches every leaf.
        """
        parts = [self._values(cells, roots, levels) for roots in self.roots.split(BLOCK)]
        return torch.cat(parts, 1)

    def _values(self, cells: Tensor, roots: Tensor, levels: int) -> Tensor:
        # flat indices throughout: index_select is several times as fast as indexing by a matrix
        first = torch.arange(cells.shape[0], device=cells.device).unsqueeze(1) * cells.shape[1]
        first, node = (first + torch.zeros_like(roots)).flatten(), (torch.zeros_like(first) + roots).flatten()
        flat, children = cells.flatten(), torch.stack([self.right, self.left], 1).flatten()
        for _ in range(levels):
            cell = flat.index_select(0, first + self.column.index_select(0, node))
            missing = cell.isnan()
            left = cell <= self.threshold.index_select(0, node)  # not of nan
            if self.sets.shape[0]:
                members = self.set_of.index_select(0, node)
                place = cell.nan_to_num(0.0).clamp(0, CATEGORIES - 1).long() + CATEGORIES * members.clamp_min(0)
                by_number, named = members < 0, self.sets.flatten().index_select(0, place)
                left = (by_number & left) | (~by_number & ~missing & named)
            left = left | (missing & self.missing_left.index_select(0, node))
            node = children.index_select(0, 2 * node + left)
        return self.value.index_select(0, node).reshape(cells.shape[0], roots.shape[0])


def _sets(bitsets: np.ndarray) -> np.ndarray:
    """Sets of categories ``(S, CATEGORIES)`` of eight words of 32 bits each."""
    bits = np.unpackbits(np.ascontiguousarray(bitsets).astype("<u4").view(np.uint8), axis=1, bitorder="little")
    return np.asarray(bits.reshape(len(bitsets), CATEGORIES), dtype=bool)
