"""Residual nets for small images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_whole

STAGES = 3


class ResNet(nn.Module):
    """The residual net for small images: a convolution, three stages of residual blocks, a linear layer on the means.

    With n blocks a stage it has ``6 n + 2`` layers: depth 20, 32, 44, 56 or 110 in the paper, here any from depth 8 on.
    The second and third stage halve height and width and double the channels; where a block changes the shape, its
    shortcut is a 1 x 1 convolution.

    Args:
        in_channels: of the images ``(N, in_channels, H, W)``.
        num_classes: width of the output, the logits ``(N, num_classes)``.
        depth: 8, 14, 20, 26, ...: ``6 n + 2``.
        width: channels of the first stage; 16 in the paper.
        stem_stride: of the first convolution; 1 for images up to about 64 pixels, 2 or 4 for larger ones.
        image_size: height and width of the images that will come, to find what is too small; None: not checked.

    Raises:
        InvalidArgument: for arguments outside their range, or images that are too small.

    Source: He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2 (shortcuts as
    in its option B).
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        depth: int = 20,
        width: int = 16,
        stem_stride: int = 1,
        image_size: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if depth < 8 or (depth - 2) % (2 * STAGES):
            raise InvalidArgument("depth", depth, "8, 14, 20, 26, ... (6 n + 2)")
        check_whole("width", width, 1)
        check_whole("stem_stride", stem_stride, 1)
        smallest = stem_stride * 2 ** (STAGES - 1)
        if image_size is not None and min(image_size) < smallest:
            raise InvalidArgument(
                "stem_stride", stem_stride, f"less for images of {image_size[0]} x {image_size[1]} (or larger images)"
            )
        blocks: list[nn.Module] = []
        channels = width
        for stage in range(STAGES):
            for place in range((depth - 2) // (2 * STAGES)):
                stride = 2 if stage and not place else 1
                blocks.append(ResidualBlock(channels, width * 2**stage, stride))
                channels = width * 2**stage
        self.stem = nn.Conv2d(in_channels, width, 3, stride=stem_stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(N, num_classes)`` for images ``(N, in_channels, H, W)``."""
        images = images.contiguous(memory_format=torch.channels_last)
        hidden = functional.relu(self.norm(self.stem(images)), inplace=True)
        return self.head(self.blocks(hidden).mean((2, 3)))


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions, and the input added to their result.

    Args:
        in_channels: of the input ``(N, in_channels, H, W)``.
        out_channels: of the output.
        stride: of the first convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(out_channels)
        self.second = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(out_channels)
        same = stride == 1 and in_channels == out_channels
        self.shortcut: nn.Module = nn.Identity()
        if not same:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, hidden: Tensor) -> Tensor:
        """``(N, out_channels, H / stride, W / stride)``."""
        inner = functional.relu(self.first_norm(self.first(hidden)), inplace=True)
        return functional.relu(self.second_norm(self.second(inner)) + self.shortcut(hidden))
