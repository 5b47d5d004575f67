"""Where the labels of samples stand, and of which kind they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from smoothlab.classes import ClassTree
from smoothlab.data.parts.keys import Name, all_named, check_choice, check_least, named, settle
from smoothlab.data.table.labels import LabelKind, LabelledRows, read_labels
from smoothlab.data.table.trees import class_tree, tree_of_nodes
from smoothlab.errors import InvalidArgument, UserMistake


@dataclass(frozen=True)
class Labels:
    """The target, its kind, and what is known of its classes; see ``conf/data/part/labels.yaml``."""

    target: Name | Sequence[Name] | None = None
    labels: LabelKind = "single"
    label_separator: str | None = None
    classes: dict[str, str] | None = None
    order: list[str] | None = None
    tree: str | dict[str, Any] | list[Any] | None = None
    rare_classes: int = 0
    positive: Name | None = None

    def __post_init__(self) -> None:
        several = isinstance(self.target, Sequence) and not isinstance(self.target, str)
        if self.target is not None:
            settle(self, target=all_named(self.target) if several else str(self.target))  # type: ignore[arg-type]
        check_choice("labels", self.labels, LabelKind)
        check_least("rare_classes", self.rare_classes, 0)
        settle(self, positive=named(self.positive))

    @property
    def columns(self) -> list[str]:
        """The columns that hold labels."""
        return [self.target] if isinstance(self.target, str) else all_named(self.target)  # type: ignore[arg-type]

    def read(self, frame: pd.DataFrame, lost: Sequence[str] = ()) -> LabelledRows:
        """The rows that have a label.

        Args:
            frame: all rows.
            lost: words of the file that were taken as missing labels.

        Raises:
            UserMistake: no target is named, or the labels cannot be used.
        """
        if self.target is None:
            raise UserMistake("data.target: missing; give the column with the label as data.target=...")
        separator = self.label_separator or ("@" if self._nodes(frame) else None)
        return read_labels(
            frame,
            self.target if isinstance(self.target, str) else self.columns,
            self.labels,
            separator=separator,
            classes=self.classes,
            order=self.order,
            rare_classes=self.rare_classes,
            positive=named(self.positive),
            lost=lost,
        )

    def class_tree(self, frame: pd.DataFrame, labelled: LabelledRows) -> ClassTree | None:
        """The tree of the classes, or None.

        Raises:
            UserMistake: the tree does not fit the classes.
        """
        if self.tree is not None:
            words: list[str | None] = [None] * len(frame)
            if labelled.values.ndim == 1:
                for place, label in zip(labelled.rows, labelled.values, strict=True):
                    words[place] = labelled.names[label]
            elif isinstance(self.tree, str) and self.tree in frame.columns:
                raise InvalidArgument("tree", self.tree, f"nested names or a file with labels={self.labels}")
            return class_tree(self.tree, frame, words, labelled.names)
        if nodes := self._nodes(frame):
            tree = tree_of_nodes(nodes)
            tree.nodes(labelled.names)
            return tree
        return None

    def _nodes(self, frame: pd.DataFrame) -> Sequence[str]:
        """The nodes of a hierarchy that an ARFF file declares for its target."""
        if self.labels != "multilabel" or not isinstance(self.target, str):
            return ()
        return frame.attrs.get("hierarchy", {}).get(self.target) or ()
