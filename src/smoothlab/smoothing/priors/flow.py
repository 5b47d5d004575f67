"""A prior of multi-label targets with a tree: mass flows along its edges, and a parent never has less than a child."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from smoothlab.classes.hierarchy import Hierarchy
from smoothlab.classes.info import ClassInfo, tree_of
from smoothlab.classes.tree import ClassTree
from smoothlab.classes.tree_file import TreeSource
from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_number
from smoothlab.smoothing.multilabel import bound_hierarchy, checked_labels
from smoothlab.smoothing.priors.table import Table
from smoothlab.smoothing.priors.tree import soft_labels
from smoothlab.step import Step

CERTAIN = -100.0  # a log-probability that no float64 tells from impossible


class Flow:
    """Each label goes to the probability that it is present if the deepest labels were replaced by relatives of theirs.

    A deepest label j (present, with none below it) is redrawn among all K labels m by Bertinetto's soft labels,
    ``t_jm ∝ exp(-beta h(j, m) / max h)``, h the height of the lowest common ancestor. With m come all labels above it,
    so the mass of m flows upward through the tree, and k is there with ``P_jk = sum of t_jm over m at k or below``.
    Several deepest labels are redrawn independently: ``prior_k = 1 - prod_j (1 - P_jk)``. So siblings of what is there
    get some mass, far labels hardly any, and the labels near the root, which are right even where the deepest is wrong,
    lose almost none. A sample without labels has the prior 0: it stays as it is.

    A parent never has less than a child: what is below the child is below the parent, so ``P_jk`` does not fall on the
    way up, and neither does the prior. Closed labels do not either, nor any mixture of the two.

    Args:
        tree: a :class:`Hierarchy`; or a tree, nested names, or a file of them, whose labels are then those that the
            smoother is bound to; or None: the tree of the data that it is bound to.
        beta: >= 0; larger keeps the mass nearer to the label, 0 draws all labels alike.

    Raises:
        InvalidArgument: for arguments outside their range; on binding, for labels that are no nodes; in a step where
            the labels are not known.

    No publication: the soft labels of Bertinetto et al., "Making Better Mistakes", CVPR 2020, for closed sets.
    """

    of_label_sets: ClassVar[bool] = True

    def __init__(self, tree: Hierarchy | TreeSource | None, beta: float) -> None:
        self.tree = tree
        self.beta = check_number("beta", beta, at_least=0)
        self._hierarchy: Hierarchy | None = None
        self._logs = Table(torch.zeros(0, 0))
        if isinstance(tree, Hierarchy):
            self._fill(tree)
        elif not isinstance(tree, ClassTree | dict | list | str | Path | None):
            raise InvalidArgument("tree", tree, "a ClassTree, nested names, or a file of them")

    def _fill(self, hierarchy: Hierarchy) -> None:
        self._hierarchy = hierarchy
        redrawn = soft_labels(hierarchy.distances(), self.beta)
        reached = (redrawn @ hierarchy.ancestors().double()).clamp(max=1.0)  # P, (K, K)
        self._logs = Table(torch.log1p(-reached).clamp_min(CERTAIN))

    @property
    def hierarchy(self) -> Hierarchy:
        """Labels and tree.

        Raises:
            InvalidArgument: nothing said which nodes the labels are.
        """
        if self._hierarchy is None:
            raise InvalidArgument("tree", self.tree, "a Hierarchy, or bind with the names of the labels")
        return self._hierarchy

    def bind(self, info: ClassInfo) -> None:
        """Take the order of the data's labels."""
        tree = tree_of(None, info) if self.tree is None else self.tree
        self._fill(bound_hierarchy(tree, info.class_names))

    def __call__(self, step: Step) -> Tensor:
        """The prior of each label of each sample, ``(N, K)``; labels that are not closed are closed here."""
        hierarchy = self.hierarchy
        deepest = hierarchy.deepest(hierarchy.close(checked_labels(step)))
        logs = self._logs.at(step)
        if not torch.amp.is_autocast_available(deepest.device.type):
            return -torch.expm1(deepest.to(logs.dtype) @ logs)
        with torch.autocast(deepest.device.type, enabled=False):  # which would make the product in half precision
            return -torch.expm1(deepest.to(logs.dtype) @ logs)

    def __repr__(self) -> str:
        return f"Flow(beta={self.beta})"
