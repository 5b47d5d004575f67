"""What the training data say about the classes, for strengths and priors that ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

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
        encoder: state of the encoder that makes the features, for those that ask another net; None where not known.

    Raises:
        InvalidArgument: for lists of different lengths.
    """

    class_names: list[str]
    class_counts: list[int]
    num_rows: int = 0
    num_samples: int = 0
    encoder: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if len(self.class_counts) != len(self.class_names):
            expected = f"{len(self.class_names)} numbers, one for each class name"
            raise InvalidArgument("class_counts", self.class_counts, expected)


@runtime_checkable
class NeedsClasses(Protocol):
    """A strength or prior that learns about the classes before the training begins."""

    def bind(self, info: ClassInfo) -> None:
        """Take what is needed; called once, before the first step, and again without harm."""
