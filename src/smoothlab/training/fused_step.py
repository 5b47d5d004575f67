"""Steps of torch's fused Adam and AdamW on lists of tensors that are collected once.

Of a small net the lists of weights, moments and step counts cost more than the kernel that they are for: torch makes
them anew in each step, sorts them by device and type, and enters a context of its profiler.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam, AdamW, Optimizer
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks

KERNELS = {Adam: torch._fused_adam_, AdamW: torch._fused_adamw_}


class FusedStep:
    """Takes the steps of an optimizer: the same kernel on the same tensors, or the optimizer's own step.

    Its own are the first, those of other optimizers, and those with anything that the kernel alone would pass over:
    hooks, weights without a gradient or of several types, rates that are tensors, amsgrad. A state that is loaded or a
    group that is added makes it collect the tensors again.

    Args:
        optimizer: whose steps it takes.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._kernel = KERNELS.get(type(optimizer))
        self._source: tuple[Any, ...] | None = None  # what the lists were collected from
        self._lists: list[tuple[dict[str, Any], list[Tensor], list[Tensor], list[Tensor], list[Tensor]]] = []

    def __call__(self) -> None:
        """Take one step with the gradients as they are."""
        optimizer = self._optimizer
        if self._kernel is None or not self._is_collected():
            optimizer.step()
            self._collect()
            return
        gradients = [[weights.grad for weights in lists[1]] for lists in self._lists]
        if self._is_watched() or any(gradient is None for each in gradients for gradient in each):
            optimizer.step()
            return
        with torch.no_grad():
            for (group, weights, means, squares, steps), of_group in zip(self._lists, gradients, strict=True):
                first, second = group["betas"]
                torch._foreach_add_(steps, 1)
                self._kernel(
                    weights,
                    of_group,  # type: ignore[arg-type]
                    means,
                    squares,
                    [],
                    steps,
                    amsgrad=False,
                    lr=group["lr"],
                    beta1=first,
                    beta2=second,
                    weight_decay=group["weight_decay"],
                    eps=group["eps"],
                    maximize=group["maximize"],
                )

    def _is_collected(self) -> bool:
        """Whether the lists are those of the optimizer as it is."""
        source, groups = self._source, self._optimizer.param_groups
        if source is None or source[0] is not self._optimizer.state or source[1] is not groups:
            return False
        return len(groups) == len(self._lists) and all(
            lists[0] is group and len(lists[1]) == len(group["params"]) and type(group["lr"]) is float
            for lists, group in zip(self._lists, groups, strict=True)
        )

    def _is_watched(self) -> bool:
        """Whether somebody has a hook of the step; a scheduler notes the first one alone."""
        optimizer = self._optimizer
        own = vars(optimizer).get("step")
        return bool(
            optimizer._optimizer_step_pre_hooks
            or optimizer._optimizer_step_post_hooks
            or _global_optimizer_pre_hooks
            or _global_optimizer_post_hooks
            or (own is not None and not getattr(own, "_wrapped_by_lr_sched", False))
        )

    def _collect(self) -> None:
        """Collect the tensors of all groups, if the kernel can take them."""
        optimizer = self._optimizer
        self._source, self._lists = None, []
        if self._kernel is None:
            return
        for group in optimizer.param_groups:
            states = [optimizer.state.get(weights) for weights in group["params"]]
            if not _is_plain(group) or not all(states):
                return
            of_states = ([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq", "step"))  # type: ignore[index]
            self._lists.append((group, list(group["params"]), *of_states))  # type: ignore[arg-type]
        self._source = (optimizer.state, optimizer.param_groups)


def _is_plain(group: dict[str, Any]) -> bool:
    """Whether a group's weights go to the fused kernel as they are."""
    weights = group["params"]
    numbers = all(type(value) is float for value in (group["lr"], *group["betas"]))
    kinds = {(each.device, each.dtype) for each in weights}
    options = group["fused"] and not (group["amsgrad"] or group["differentiable"] or group["capturable"])
    return bool(options and numbers and len(kinds) == 1 and weights[0].is_cpu and not weights[0].is_complex())
