"""The weights of several nets side by side, and one forward pass for all of them."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

RATE = "member_rate"  # the buffer of a dropout layer that has another share in each net


class MemberDropout(nn.Module):
    """Dropout whose share is a buffer, so that each net of a stack has its own."""

    member_rate: Tensor

    def __init__(self, share: float) -> None:
        super().__init__()
        self.register_buffer(RATE, torch.tensor(float(share)))

    def forward(self, features: Tensor) -> Tensor:
        """As torch's own: zero with that probability, else divided by what is left."""
        if not self.training:
            return features
        left: Tensor = (1 - self.member_rate).to(features.dtype)
        return features * (torch.rand_like(features) < left) / left


class StackedNets:
    """Nets of one architecture as one: each weight ``(S, ...)``, features ``(S, N, ...)`` to logits ``(S, N, K)``.

    Args:
        nets: S of them, alike in all but their weights and the shares of their dropout.

    Raises:
        ValueError: a net that does not stack.
    """

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        shares = [[part.p for part in net.modules() if isinstance(part, nn.Dropout)] for net in nets]
        self._template = _with_member_dropout(copy.deepcopy(nets[0]))
        names = [name for name, _ in nets[0].named_parameters()]
        for net in nets:
            if [name for name, _ in net.named_parameters()] != names or len(shares[0]) != len(shares[nets.index(net)]):
                raise ValueError("nets of several architectures")
        parameters = [dict(net.named_parameters()) for net in nets]
        self.weights = {
            name: torch.stack([own[name].detach() for own in parameters]).requires_grad_() for name in names
        }
        buffers = [dict(net.named_buffers()) for net in nets]
        self._buffers = {name: torch.stack([own[name] for own in buffers]) for name in buffers[0]}
        rates = [name for name, _ in self._template.named_buffers() if name.endswith(RATE)]
        for place, name in enumerate(rates):
            self._buffers[name] = torch.tensor([of_net[place] for of_net in shares], dtype=torch.float64)
        self._run = torch.vmap(self._of_one, in_dims=(0, 0, 0), randomness="different")

    def _of_one(self, weights: dict[str, Tensor], buffers: dict[str, Tensor], features: Tensor) -> Tensor:
        logits: Tensor = functional_call(self._template, (weights, buffers), (features,))
        return logits

    def __call__(self, features: Tensor, *, training: bool) -> Tensor:
        """Logits ``(S, N, K)`` of features ``(S, N, ...)``."""
        self._template.train(training)
        logits: Tensor = self._run(self.weights, self._buffers, features)
        return logits

    def keep(self, places: Tensor) -> None:
        """Leave out all nets but those at ``places`` ``(S',)``."""
        self.weights = {
            name: weight.detach().index_select(0, places).requires_grad_() for name, weight in self.weights.items()
        }
        self._buffers = {name: buffer.index_select(0, places) for name, buffer in self._buffers.items()}


def _with_member_dropout(net: nn.Module) -> nn.Module:
    for part in net.modules():
        for name, child in part.named_children():
            if isinstance(child, nn.Dropout):
                setattr(part, name, MemberDropout(child.p))
    return net


def same_architecture(net: nn.Module) -> str:
    """A text that is equal for nets that stack: their layers and shapes, without the shares of dropout."""
    lines = [f"{name} {type(part).__qualname__} {'' if _has_parts(part) else _shown(part)}" for name, part in _all(net)]
    shapes = [f"{name} {tuple(weight.shape)} {weight.dtype}" for name, weight in net.state_dict().items()]
    return "\n".join([*lines, *shapes])


def _all(net: nn.Module) -> list[tuple[str, nn.Module]]:
    return list(net.named_modules())


def _has_parts(part: nn.Module) -> bool:
    return any(True for _ in part.children())


def _shown(part: nn.Module) -> str:
    return "" if isinstance(part, nn.Dropout) else part.extra_repr()


def can_stack(net: nn.Module, features: Tensor) -> bool:
    """Whether a net gives in a stack what it gives alone, tried on some rows.

    Nets that keep statistics of their batches do not, nor code that torch's vmap refuses.

    Args:
        net: as it begins.
        features: some rows ``(N, ...)``.
    """
    if any(isinstance(part, nn.modules.batchnorm._NormBase) for part in net.modules()):
        return False
    if any(True for part in net.modules() if part._forward_hooks or part._forward_pre_hooks):
        return False
    training, before = net.training, {name: buffer.clone() for name, buffer in net.named_buffers()}
    random = torch.get_rng_state()
    try:
        with torch.no_grad():
            stack = StackedNets([net, net])
            stack(torch.stack([features, features]), training=True)
            together = stack(torch.stack([features, features]), training=False)
            net.train()
            net(features)
            unchanged = all(torch.equal(buffer, before[name]) for name, buffer in net.named_buffers())
            alone = net.eval()(features)
    except Exception:  # what vmap does not bear has no end of types
        return False
    finally:
        net.train(training)
        torch.set_rng_state(random)
    close = torch.allclose(together[0].double(), alone.double(), rtol=1e-3, atol=1e-4)
    return unchanged and alone.ndim == 2 and close
