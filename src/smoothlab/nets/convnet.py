"""A small convolutional net for small images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_share, check_whole


class ConvNet(nn.Module):
    """Blocks of convolution, batch normalisation, ReLU and pooling by 2, then a linear layer on the means over space.

    Each block halves height and width, so it takes images of any size from ``2 ** len(widths)`` pixels on.

    Args:
        in_channels: of the images ``(N, in_channels, H, W)``.
        num_classes: width of the output, the logits ``(N, num_classes)``.
        widths: channels of each block, at least one.
        layers: convolutions a block, at least 1.
        dropout: share of the features before the linear layer that a training step drops, in [0, 1).
        image_size: height and width of the images that will come, to find what is too small; None: not checked.

    Raises:
        InvalidArgument: for arguments outside their range, or images that the blocks would pool away.

    After Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015, with
    batch normalisation and the mean over space in place of their fully connected layers.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        widths: Sequence[int],
        layers: int = 1,
        dropout: float = 0.0,
        image_size: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if not widths or any(width < 1 for width in widths):
            raise InvalidArgument("widths", list(widths), "at least one width, each at least 1")
        check_whole("layers", layers, 1)
        check_share("dropout", dropout)
        if image_size is not None and min(image_size) < 2 ** len(widths):
            expected = (
                f"at most {min(image_size).bit_length() - 1} blocks for images of {image_size[0]} x {image_size[1]}"
            )
            raise InvalidArgument("widths", list(widths), expected)
        blocks: list[nn.Module] = []
        for width in widths:
            for _ in range(layers):
                blocks += [
                    nn.Conv2d(in_channels, width, 3, padding=1, bias=False),
                    nn.BatchNorm2d(width),
                    nn.ReLU(inplace=True),
                ]
                in_channels = width
            blocks.append(nn.MaxPool2d(2))
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(in_channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(N, num_classes)`` for images ``(N, in_channels, H, W)``."""
        images = images.contiguous(memory_format=torch.channels_last)
        return self.head(self.dropout(self.blocks(images).mean((2, 3))))
