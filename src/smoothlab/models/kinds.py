"""Refuse a task whose kind nothing knows to score."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from smoothlab.config.allowed import resolve_target
from smoothlab.errors import UserMistake
from smoothlab.kinds import KINDS
from smoothlab.tasks import ClassificationTask, MultilabelTask, OrdinalTask, TranslationTask
from smoothlab.tasks.task import Task

TASKS: tuple[type[Task], ...] = (ClassificationTask, MultilabelTask, TranslationTask, OrdinalTask)


def check_task_class(config: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    """Refuse a task class of another kind, which would be scored as what it is not, before anything is made.

    Args:
        config: the resolved config.
        allowed: prefixes that targets may begin with.

    Raises:
        UserMistake: the class is no task, or of no kind that there is.
    """
    target = config["task"].get("_target_")
    if not isinstance(target, str):
        raise UserMistake(f"task._target_ = {target!r}: expected {_expected()}")
    task = resolve_target(target, allowed, key="task._target_")
    if inspect.isclass(task):  # what a function makes is seen when it is made
        _check(task, task, target)


def check_task(task: Any, target: str) -> None:
    """Refuse a task of another kind, as :func:`check_task_class` does, when it is made.

    Args:
        task: what was made.
        target: what made it, for the message.

    Raises:
        UserMistake: it is no task, or of no kind that there is.
    """
    _check(task, type(task), target)


def _check(task: Any, made: type, target: str) -> None:
    if not issubclass(made, Task):
        raise UserMistake(f"task._target_ = {target!r}: is no task; expected {_expected()}")
    kind = getattr(task, "kind", None)
    if not isinstance(kind, str) or kind not in KINDS:
        says = "says no kind" if kind is None else f"is of the kind {kind!r}"
        raise UserMistake(f"task._target_ = {target!r}: {says}, for which there are no scores; expected {_expected()}")


def _expected() -> str:
    names = ", ".join(f"{task.__name__} ({task.kind})" for task in TASKS)
    return f"a task of smoothlab, or a class of your own that extends it and keeps its kind: {names}"
