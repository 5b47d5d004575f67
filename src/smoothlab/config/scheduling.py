"""The learning-rate schedule of a config: the group ``scheduler``."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler

from smoothlab.config.allowed import resolve_target
from smoothlab.config.build import build
from smoothlab.errors import InvalidArgument, UserMistake
from smoothlab.tasks.schedule import Schedule, is_plateau

TIMING = ("interval", "frequency", "monitor")  # when a scheduler steps; the names of Lightning's own config of it
WAYS = ("_target_", "_partial_")
TRIED = 10  # steps


def without_timing(node: Any) -> Any:
    """A scheduler's node less what says when it steps, which its target does not take."""
    if not isinstance(node, Mapping) or "_target_" not in node:
        return node
    return {name: value for name, value in node.items() if name not in TIMING}


def make_schedule(node: Mapping[str, Any], allowed: tuple[str, ...], key: str = "scheduler") -> Schedule | None:
    """The schedule that a node describes: a target's keyword arguments, and beside them when the scheduler steps.

    Args:
        node: of the group ``scheduler``; empty for none.
        allowed: prefixes that targets may begin with.
        key: where the node stands, for errors.

    Raises:
        UserMistake: a target is refused, or an argument has a wrong value.
    """
    if not node:
        return None
    if node.get("_target_") is None:
        raise UserMistake(f"{key}._target_: missing; expected a scheduler such as torch.optim.lr_scheduler.StepLR")
    function = resolve_target(str(node["_target_"]), allowed, key=f"{key}._target_")
    if inspect.isclass(function) and not _takes_optimizer(function):
        raise UserMistake(f"{key}._target_ = {node['_target_']!r}: expected a learning-rate scheduler")
    arguments = {
        name: _argument(value, f"{key}.{name}", allowed)
        for name, value in without_timing(node).items()
        if name not in WAYS
    }
    for name, value in arguments.items():
        if isinstance(value, list) and any(isinstance(item, str) for item in value):
            raise UserMistake(f"{key}.{name} = {value!r}: expected a list of numbers")
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, int) and not isinstance(number, bool) and number < 0 and name != "last_epoch":
                raise UserMistake(f"{key}.{name} = {value!r}: expected no negative number")
    timing = {name: node[name] for name in TIMING if node.get(name) is not None}
    try:
        return Schedule(function, arguments, **timing)
    except InvalidArgument as error:
        raise UserMistake(f"{key}.{error}") from None


def _argument(value: Any, key: str, allowed: tuple[str, ...]) -> Any:
    if isinstance(value, list):
        return [_argument(item, f"{key}[{index}]", allowed) for index, item in enumerate(value)]
    if isinstance(value, Mapping) and value.get("_target_") is not None:
        function = resolve_target(str(value["_target_"]), allowed, key=f"{key}._target_")
        if _takes_optimizer(function):
            timed = next((name for name in TIMING if name in value), None)
            if timed is not None:
                raise UserMistake(f"{key}.{timed}: give it once, as scheduler.{timed}")
            return make_schedule(value, allowed, key)
    return build(value, key, allowed=allowed)


def _takes_optimizer(function: Any) -> bool:
    """Whether a function or class makes a scheduler, as against the function that a LambdaLR is of."""
    is_scheduler = inspect.isclass(function) and issubclass(function, LRScheduler)
    return is_scheduler or "optimizer" in inspect.signature(function).parameters


def _step(scheduler: Any) -> None:
    if is_plateau(scheduler):
        scheduler.step(0.0)
    else:
        scheduler.step()


def try_schedule(optimizer: torch.optim.Optimizer, schedule: Schedule | None) -> None:
    """Make a scheduler, and those that it is made of, for a run of ten steps, and take them.

    Raises:
        UserMistake: an argument is refused.
    """
    if schedule is None:
        return
    for inner in schedule.nested:
        group = {"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 1.0}
        try_schedule(torch.optim.SGD([group], momentum=0.9), inner)
    try:
        scheduler = schedule.make(optimizer, TRIED)
        steps = 1 if schedule.nested else min(TRIED, getattr(scheduler, "total_steps", None) or TRIED)
        for step in range(steps):
            optimizer.step(lambda: 0.0)  # of a constant: nothing moves
            _step(scheduler)
            rate = float(optimizer.param_groups[0]["lr"])
            if not math.isfinite(rate):
                raise ValueError(f"the learning rate is {rate} after step {step + 1}")
    except InvalidArgument as error:
        raise UserMistake(f"scheduler.{error}") from None
    except Exception as error:  # torch raises what comes: TypeError, ValueError, KeyError, NotImplementedError
        name = getattr(schedule.function, "__name__", str(schedule.function))
        reason = (str(error).strip() or "it makes no learning rate").splitlines()[0]
        raise UserMistake(f"scheduler: {name}: {reason} ({type(error).__name__})") from error
