"""What the training data say about the classes, for strengths and priors that ask for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from smoothlab.classes.tree import ClassTree
from smoothlab.errors import InvalidArgument


@dataclass(frozen=True)
class ClassInfo:
    """The classes of the training data.

    Args:
        class_names: K names, in the order of the logits.
        class_counts: K numbers of training samples, over all ranks: the same on each of them.
        num_rows: the row numbers of training samples are below it; 0 where they are not known.
        num_samples: training samples, over all ranks; 0 where they are not known. With one label a sample they are the
            sum of the counts.
        tree: of the classes, where the data have one, for those that are not given another.
        never: names of classes that no sample has.
        ordered: whether the classes are in their ordinal order, such as grades; None where nobody has said.
        encoder: state of the encoder that makes the features, for those that ask another net; None where not known.

    Raises:
        InvalidArgument: for lists of different lengths.
    """

    class_names: list[str]
    class_counts: list[int]
    num_rows: int = 0
    num_samples: int = 0
    encoder: Mapping[str, Any] | None = None
    tree: ClassTree | None = None
    never: Sequence[str] = ()
    ordered: bool | None = None

    def __post_init__(self) -> None:
        if len(self.class_counts) != len(self.class_names):
            expected = f"{len(self.class_names)} numbers, one for each class name"
            raise InvalidArgument("class_counts", self.class_counts, expected)


def tree_of(tree: ClassTree | None, info: ClassInfo) -> ClassTree:
    """A tree that was given, or else that of the data.

    Raises:
        InvalidArgument: there is neither.
    """
    tree = info.tree if tree is None else tree
    if tree is None:
        raise InvalidArgument("tree", None, "nested names or a file of them: the data have no tree of their own")
    return tree


def check_order(info: ClassInfo) -> None:
    """Refuse classes that are in no order of theirs; of two classes either order gives the same distances.

    Raises:
        InvalidArgument: they are told to have none.
    """
    if info.ordered is False and len(info.class_names) > 2:
        shown = ", ".join(info.class_names[:5]) + (", ..." if len(info.class_names) > 5 else "")
        expected = (
            "classes in an order: say it as data.labels=ordinal 'data.order=[low, mid, high]' (numbers need no "
            "data.order), or task.ordered=true where they stand in it"
        )
        raise InvalidArgument("classes", shown, expected)


@runtime_checkable
class NeedsClasses(Protocol):
    """A strength or prior that learns about the classes before the training begins."""

    def bind(self, info: ClassInfo) -> None:
        """Take what is needed; called once, before the first step, and again without harm."""


def bind_part(name: str, part: object, info: ClassInfo) -> None:
    """Tell a part of something larger about the classes, if it asks for it.

    Args:
        name: of the part, as the larger one's argument.
        part: such as a strength or prior.
        info: the classes.

    Raises:
        InvalidArgument: the part does not fit the classes; the name of its argument stands behind that of the part.
    """
    if isinstance(part, NeedsClasses):
        try:
            part.bind(info)
        except InvalidArgument as error:
            raise InvalidArgument(f"{name}.{error.name}", error.value, error.expected) from None
