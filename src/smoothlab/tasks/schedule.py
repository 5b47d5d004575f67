"""A learning-rate scheduler of torch, or a function that makes one, and when it takes a step."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau, SequentialLR

from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_whole

INTERVALS = ("step", "epoch")
LENGTH = "total_steps"  # the argument of a scheduler that takes the length of the run


@dataclass(frozen=True)
class Schedule:
    """What makes a learning-rate scheduler, and when it takes a step.

    Args:
        function: a scheduler class of torch, or a function of the optimizer that returns a scheduler. Its argument
            ``total_steps``, where it has one and ``arguments`` does not set it, is the number of steps that the
            scheduler takes in the whole run.
        arguments: its keyword arguments; a Schedule among them, or in a list of them (``SequentialLR``), becomes a
            scheduler of the same optimizer.
        interval: ``step`` of the optimizer or ``epoch``; None is ``step`` for what takes ``total_steps``, else
            ``epoch``, as in Lightning.
        frequency: the scheduler steps at every n-th interval, at least 1.
        monitor: the validation metric that the scheduler watches: ``ReduceLROnPlateau`` needs one, no other takes one.
            Such a scheduler steps at the end of each epoch that has a validation.

    Raises:
        InvalidArgument: an argument outside its range.
    """

    function: Callable[..., Any]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    interval: Literal["step", "epoch"] | None = None
    frequency: int = 1
    monitor: str | None = None

    def __post_init__(self) -> None:
        if self.interval not in (None, *INTERVALS):
            raise InvalidArgument("interval", self.interval, f"{' or '.join(INTERVALS)}")
        check_whole("frequency", self.frequency, 1)
        name = getattr(self.function, "__name__", str(self.function))
        if self.watches and self.monitor is None:
            raise InvalidArgument("monitor", None, f"the metric that {name} watches, such as val/nll")
        if self.watches and self.interval == "step":
            raise InvalidArgument("interval", "step", f"epoch: {name} steps after a validation")
        if not self.watches and self.monitor is not None:
            raise InvalidArgument("monitor", self.monitor, f"none: {name} watches no metric")

    @classmethod
    def of(cls, scheduler: Schedule | Callable[..., Any] | None) -> Schedule | None:
        """A schedule of what makes a scheduler: a class, a function, or a partial call of one."""
        if scheduler is None or isinstance(scheduler, Schedule):
            return scheduler
        if isinstance(scheduler, partial) and not scheduler.args:
            return cls(scheduler.func, scheduler.keywords)
        return cls(scheduler)

    @cached_property
    def watches(self) -> bool:
        """Whether the scheduler's step takes a metric."""
        return inspect.isclass(self.function) and issubclass(self.function, ReduceLROnPlateau)

    @cached_property
    def takes_length(self) -> bool:
        """Whether the scheduler has to be told the number of its steps, which the arguments do not say."""
        given = {name for name, value in self.arguments.items() if value is not None}
        return self._knows_length and LENGTH not in given and not {"epochs", "steps_per_epoch"} <= given

    @cached_property
    def _knows_length(self) -> bool:
        return LENGTH in inspect.signature(self.function).parameters

    @property
    def needs_end(self) -> bool:
        """Whether it, or a schedule among its arguments, needs the length of the run."""
        return self.takes_length or any(inner.needs_end for inner in self.nested)

    @cached_property
    def nested(self) -> list[Schedule]:
        """The schedules among its arguments."""
        return _schedules_in(self.arguments.values())

    @property
    def by_step(self) -> bool:
        """Whether it steps with the optimizer, else with the epochs."""
        return self.interval == "step" or (self.interval is None and self._knows_length)

    def make(self, optimizer: Optimizer, total_steps: int) -> Any:
        """The scheduler.

        Args:
            optimizer: whose learning rates it changes.
            total_steps: how many steps it will take in the whole run.
        """
        arguments = dict(self.arguments)
        if self.function is SequentialLR and isinstance(arguments.get("milestones"), Sequence):
            ends = [0, *arguments["milestones"], total_steps]  # each takes the steps up to the next one's first
            lengths = [max(1, end - start) for start, end in itertools.pairwise(ends)]
            schedulers = zip(arguments["schedulers"], lengths, strict=False)
            arguments["schedulers"] = [_made(inner, optimizer, length) for inner, length in schedulers]
        arguments = {name: _made(value, optimizer, total_steps) for name, value in arguments.items()}
        if self.takes_length:
            arguments[LENGTH] = total_steps
        if "optimizer" in inspect.signature(self.function).parameters:
            return self.function(optimizer=optimizer, **arguments)
        return self.function(optimizer, **arguments)


def _made(value: Any, optimizer: Optimizer, total_steps: int) -> Any:
    if isinstance(value, Schedule):
        return value.make(optimizer, total_steps)
    if isinstance(value, list | tuple):
        return [_made(item, optimizer, total_steps) for item in value]
    return value


def _schedules_in(values: Any) -> list[Schedule]:
    schedules: list[Schedule] = []
    for value in values:
        if isinstance(value, Schedule):
            schedules.append(value)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            schedules += _schedules_in(value)
    return schedules


def is_plateau(scheduler: Any) -> bool:
    """Whether a scheduler's step takes a metric."""
    return isinstance(scheduler, ReduceLROnPlateau)
