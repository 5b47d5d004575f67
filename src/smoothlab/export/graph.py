"""The whole model as one module: inputs, features, net, calibrator, probabilities."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from smoothlab.kinds import Kind


class WholeModel(nn.Module):
    """From the inputs of a graph to ``logits`` and ``probabilities``, ``(N, K)`` both.

    Args:
        features: from the inputs to the features of the net.
        net: from features to logits.
        calibrator: from logits to calibrated ones, or None.
        kind: of the task, which says what the probabilities of logits are.
    """

    def __init__(self, features: nn.Module, net: nn.Module, calibrator: nn.Module | None, kind: Kind) -> None:
        super().__init__()
        self.features = features
        self.net = with_plain_bags(net)
        self.calibrator = calibrator
        self.kind = kind
        self.dtype = next((weight.dtype for weight in net.parameters()), torch.float32)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, calibrated where there is a calibrator, and their probabilities."""
        features = self.features(*inputs)
        logits = self.net(features.to(self.dtype) if features.is_floating_point() else features)
        if self.calibrator is not None:
            logits = self.calibrator(logits)
        return logits, self.kind.probabilities(logits)


class PlainBag(nn.Module):
    """An ``EmbeddingBag`` of rows of equal length as a look-up and a sum; of ONNX's operators it would be a loop.

    Args:
        bag: with ``mode`` sum or mean.
    """

    def __init__(self, bag: nn.EmbeddingBag) -> None:
        super().__init__()
        self.weight = bag.weight
        self.mean = bag.mode == "mean"
        self.padding_index = bag.padding_idx

    def forward(self, ids: Tensor) -> Tensor:
        """Pooled vectors ``(N, W)`` of ids ``(N, T)``; padding does not count, and nothing else is pooled to 0."""
        vectors = nn.functional.embedding(ids, self.weight)
        if self.padding_index is None:
            return vectors.mean(1) if self.mean else vectors.sum(1)
        counts = (ids != self.padding_index).to(vectors.dtype)
        pooled = (vectors * counts.unsqueeze(-1)).sum(1)
        return pooled / counts.sum(1, keepdim=True).clamp_min(1) if self.mean else pooled


def with_plain_bags(net: nn.Module) -> nn.Module:
    """A copy of a net whose bags of embeddings are plain ones."""
    net = copy.deepcopy(net).eval()
    for module in list(net.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.EmbeddingBag) and child.mode in ("mean", "sum"):
                setattr(module, name, PlainBag(child))
    return net
