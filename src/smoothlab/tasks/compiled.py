"""The training step as one compiled graph: the net's forward pass, the loss, the penalties, and their backward pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from smoothlab.nets.tabm import mean_of_members
from smoothlab.step import LazyLogits, Step
from smoothlab.targets import SoftTarget

if TYPE_CHECKING:
    from smoothlab.data.batch import Batch
    from smoothlab.tasks.task import Task

OF_MEMBERS = 3  # dimensions of the logits of an ensemble in one net, (N, members, K)
Terms = tuple[Any, Tensor, dict[str, Tensor]]


class CompiledTerms:
    """``Task.terms``, compiled by torch.compile; with CUDA graphs where the net is on a CUDA device.

    Targets are made outside, by Python code that learns and keeps state. Where a strategy looks at no logits, forward
    pass and loss are one graph; where it does, the net alone is compiled. Epsilon goes in as a tensor, so that one that
    changes with progress compiles once. The sums are those of the plain formula (:mod:`smoothlab.losses.reference`),
    which differ from the fast ones in their rounding alone.

    Args:
        task: whose net and losses they are; its weights keep their names.
        backend: of torch.compile.
    """

    def __init__(self, task: Task, backend: str = "inductor") -> None:
        self._task, self._backend = task, backend
        self._ready: tuple[torch.device, Callable[..., Any], Callable[..., Any]] | None = None

    def __call__(self, seen: Batch) -> Terms:
        """Target, sum of the losses, and sums of the penalties of what the net sees of a batch."""
        task = self._task
        device = seen.features.device if isinstance(seen.features, Tensor) else task.device
        net, whole = self._functions(device)
        rows = seen.rows if task.mixing is None else None
        made: list[Tensor] = []

        def logits() -> Tensor:
            made.append(net(seen.features))
            return mean_of_members(made[0]) if made[0].ndim == OF_MEMBERS else made[0]

        lazy = LazyLogits(logits, len(task.class_names), next(task.net.parameters()).dtype)
        step = Step(seen.labels, lazy, task.progress, rows, seen.metadata, seen.features)
        target = task.smoother.target(step)
        if made:
            return target, *self._losses(made[0], target, seen.features, rows, seen.metadata)
        return target, *whole(seen.features, _with_tensor(target, device), rows, seen.metadata)

    def _functions(self, device: torch.device) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """The net, and the net with the losses; compiled anew for another device."""
        if self._ready is None or self._ready[0] != device:
            mode = "reduce-overhead" if device.type == "cuda" else None
            compiled = [
                torch.compile(function, backend=self._backend, mode=mode)
                for function in (self._task.net.forward, self._whole)
            ]
            self._ready = (device, compiled[0], compiled[1])
        if device.type == "cuda":
            torch.compiler.cudagraph_mark_step_begin()
        return self._ready[1:]

    def _whole(
        self, features: Any, target: Any, rows: Tensor | None, metadata: Any
    ) -> tuple[Tensor, dict[str, Tensor]]:
        return self._losses(self._task.net(features), target, features, rows, metadata)

    def _losses(
        self, logits: Tensor, target: Any, features: Any, rows: Tensor | None, metadata: Any
    ) -> tuple[Tensor, dict[str, Tensor]]:
        of_members = logits.ndim == OF_MEMBERS
        shown = (mean_of_members(logits) if of_members else logits).detach()
        labels = target.base if isinstance(target, SoftTarget) else target.values
        step = Step(labels, shown, 0.0, rows, metadata, features)
        return self._task.mean_losses(logits.unbind(1) if of_members else (logits,), target, step)


def _with_tensor(target: Any, device: torch.device) -> Any:
    """The target with its epsilon as a tensor."""
    if isinstance(target.epsilon, Tensor):
        return target
    return replace(target, epsilon=torch.tensor(target.epsilon, dtype=torch.float32, device=device))
