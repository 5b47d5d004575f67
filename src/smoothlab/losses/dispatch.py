"""What decides which path computes a loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch._C import _are_functorch_transforms_active  # as torch.autograd.Function.apply asks it
from torch.autograd import forward_ad
from torch.nn import Parameter

from smoothlab.targets import SoftTarget


def is_eager(tensor: Tensor) -> bool:
    """Whether a plain tensor is computed on at once: no subclass, no compiler, no transform of torch.func."""
    return (
        type(tensor) in (Tensor, Parameter)
        and not torch.compiler.is_compiling()
        and not _are_functorch_transforms_active()
        and forward_ad._current_level < 0
    )


def wants_gradient(target: SoftTarget, *weights: Tensor | None) -> bool:
    """Whether a factor of the target or a weight is learned; the fast paths make no gradient of those."""
    if not torch.is_grad_enabled():
        return False
    for factor in (target.base, target.epsilon, target.prior_tensor, *weights):
        if isinstance(factor, Tensor) and factor.requires_grad:
            return True
    return False
