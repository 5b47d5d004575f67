"""A multi-layer perceptron."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from smoothlab.errors import InvalidArgument


class MLP(nn.Sequential):
    """Linear layers with ReLU and dropout between them.

    Args:
        in_features: width of the input ``(N, in_features)``.
        num_classes: width of the output, the logits ``(N, num_classes)``.
        hidden: widths of the hidden layers; none makes a linear model.
        dropout: share of the hidden units that a training step drops, in [0, 1).
    """

    def __init__(self, in_features: int, num_classes: int, *, hidden: Sequence[int], dropout: float = 0.0) -> None:
        if not 0 <= dropout < 1:
            raise InvalidArgument("dropout", dropout, "a number in [0, 1)")
        if any(width < 1 for width in hidden):
            raise InvalidArgument("hidden", list(hidden), "widths of at least 1")
        layers: list[nn.Module] = []
        for width in hidden:
            layers += [nn.Linear(in_features, width), nn.ReLU()]
            if dropout:
                layers.append(nn.Dropout(dropout))
            in_features = width
        super().__init__(*layers, nn.Linear(in_features, num_classes))

    def forward(self, features: Tensor) -> Tensor:
        """Logits ``(N, num_classes)`` for features ``(N, in_features)``."""
        for layer in self:
            features = layer(features)
        return features
