"""Conditions on a sample, in the few words that rules are written with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from smoothlab.classes.info import ClassInfo
from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_number
from smoothlab.smoothing.strengths.column import column_of
from smoothlab.smoothing.strengths.feedback import plain_labels
from smoothlab.step import Step

COMPARISONS = ("equals", "in", "at_least", "below")
SUBJECTS = ("column", "class", "confidence")
Categories = Mapping[str, Sequence[str]]  # the words that a column's numbers 0, 1, ... stand for


class Condition(Protocol):
    """Says of each sample whether it is met."""

    def __call__(self, step: Step) -> Tensor:
        """A truth value for each sample, ``(...,)``."""


@dataclass(frozen=True)
class Comparison:
    """A number lies in a range, or is one of a few; nan meets nothing.

    Args:
        values: what the number may be, or None: anything.
        at_least: its least value.
        below: what it stays below.
    """

    values: tuple[float, ...] | None = None
    at_least: float | None = None
    below: float | None = None

    def __call__(self, numbers: Tensor) -> Tensor:
        """Of each of the numbers ``(...,)``."""
        met = ~numbers.isnan()
        if self.values is not None:
            equal = torch.zeros_like(met)
            for value in self.values:
                equal = equal | (numbers == value)
            met = met & equal
        if self.at_least is not None:
            met = met & (numbers >= self.at_least)
        if self.below is not None:
            met = met & (numbers < self.below)
        return met


@dataclass(frozen=True)
class ColumnIs:
    """A metadata column compares so."""

    column: str
    comparison: Comparison

    def __call__(self, step: Step) -> Tensor:
        """Of each sample."""
        return self.comparison(column_of(step, self.column))


@dataclass(frozen=True)
class ConfidenceIs:
    """The model's largest probability compares so."""

    comparison: Comparison

    def __call__(self, step: Step) -> Tensor:
        """Of each sample; a row of logits with a nan meets nothing."""
        if step.logits is None:
            raise InvalidArgument("logits", None, "the model's output: a rule depends on its confidence")
        logits = step.logits.to(torch.promote_types(step.logits.dtype, torch.float32))
        return self.comparison((logits.amax(-1) - logits.logsumexp(-1)).exp())


@dataclass
class ClassIs:
    """The label, for votes their mode, is one of these classes, which have to be bound to those of the data."""

    names: tuple[str, ...]
    name_of_argument: str
    indices: list[int] | None = field(default=None, init=False)

    def bind(self, info: ClassInfo) -> None:
        """Find the classes among the data's."""
        for name in self.names:
            if name not in info.class_names:
                expected = f"names of classes: {', '.join(info.class_names)}"
                raise InvalidArgument(self.name_of_argument, name, expected)
        self.indices = [info.class_names.index(name) for name in self.names]

    def __call__(self, step: Step) -> Tensor:
        """Of each sample; an ignored label meets nothing."""
        if self.indices is None:
            expected = "Smoother.bind with the names of the classes"
            raise InvalidArgument(self.name_of_argument, list(self.names), expected)
        labels = plain_labels(step.labels)
        met = torch.zeros_like(labels, dtype=torch.bool)
        for index in self.indices:
            met = met | (labels == index)
        return met


def conditions_of(name: str, when: object, categories: Categories) -> list[Condition]:
    """The conditions of a rule, all of which have to be met.

    Args:
        name: of the argument, for errors.
        when: a mapping with ``class``, ``confidence``, or ``column`` and its comparisons in it, or a list of such.
        categories: the words of columns that are compared with words.

    Raises:
        InvalidArgument: for anything else.
    """
    if isinstance(when, list):
        parts = [conditions_of(f"{name}[{index}]", part, categories) for index, part in enumerate(when)]
        return [condition for part in parts for condition in part]
    if not isinstance(when, Mapping) or not any(subject in when for subject in SUBJECTS):
        raise InvalidArgument(name, when, f"a mapping with one of {', '.join(SUBJECTS)}")
    unknown = [key for key in when if key not in (*SUBJECTS, *COMPARISONS)]
    if unknown:
        raise InvalidArgument(name, unknown[0], f"one of {', '.join((*SUBJECTS, *COMPARISONS))}")
    conditions: list[Condition] = []
    compared = {key: value for key, value in when.items() if key in COMPARISONS}
    if "column" in when:
        column = when["column"]
        if not isinstance(column, str):
            raise InvalidArgument(f"{name}.column", column, "the name of a metadata column")
        conditions.append(ColumnIs(column, _comparison(name, compared, categories.get(column))))
    elif compared:
        raise InvalidArgument(name, next(iter(compared)), "a column to compare")
    if "confidence" in when:
        conditions.append(ConfidenceIs(_comparison(f"{name}.confidence", when["confidence"], None)))
    if "class" in when:
        classes = when["class"]
        classes = classes if isinstance(classes, list | tuple) else [classes]
        if not classes or any(isinstance(label, Mapping | list | bool) or label is None for label in classes):
            raise InvalidArgument(f"{name}.class", when["class"], "a class name, or a list of them")
        conditions.append(ClassIs(tuple(str(label) for label in classes), f"{name}.class"))
    return conditions


def _comparison(name: str, given: object, words: Sequence[str] | None) -> Comparison:
    if not isinstance(given, Mapping) or not given or any(key not in COMPARISONS for key in given):
        raise InvalidArgument(name, given, f"one or more of {', '.join(COMPARISONS)}")
    values: tuple[float, ...] | None = None
    if "equals" in given and "in" in given:
        raise InvalidArgument(f"{name}.in", given["in"], "no equals beside it")
    if "equals" in given:
        values = (_number(f"{name}.equals", given["equals"], words),)
    elif "in" in given:
        if not isinstance(given["in"], list | tuple) or not given["in"]:
            raise InvalidArgument(f"{name}.in", given["in"], "a list of values")
        values = tuple(_number(f"{name}.in", value, words) for value in given["in"])
    limits = {key: check_number(f"{name}.{key}", given[key]) for key in COMPARISONS[2:] if key in given}
    if len(limits) == 2 and limits["below"] <= limits["at_least"]:
        raise InvalidArgument(f"{name}.below", given["below"], f"a number above at_least, {limits['at_least']:g}")
    return Comparison(values, **limits)


def _number(name: str, value: object, words: Sequence[str] | None) -> float:
    if isinstance(value, str):
        if words is None:
            raise InvalidArgument(name, value, "a number, as the column holds it, or categories for the column")
        if value not in words:
            raise InvalidArgument(name, value, f"one of {', '.join(words)}")
        return float(list(words).index(value))
    return float(value) if isinstance(value, bool) else check_number(name, value, "a number, as the column holds it")
