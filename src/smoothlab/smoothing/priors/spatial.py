"""A prior by neighbours in space: the labels around a pixel or voxel."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from smoothlab.classes.info import ClassInfo
from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_number, check_whole
from smoothlab.step import Step
from smoothlab.targets import PerSample


class Spatial:
    """The mass of a pixel's label goes to the labels around it, with weights that fall as a Gaussian of the distance.

    In a cube of ``size`` pixels a side, its centre left out, ``w(offset) = exp(-|offset| ** 2 / (2 sigma ** 2))``,
    normalised. Beyond the border the pixels at the border are repeated. A label outside [0, K), such as an ignored one,
    has no weight in the neighbours of others. A pixel without any neighbour keeps its label.

    SVLS is this prior with epsilon 1/2: its kernel gives the centre as much as all its neighbours. (In its code that
    holds for size 3 alone, since it looks for the centre at the place 1; and an ignored label, whose row is empty
    there, takes mass from its neighbours' targets.)

    The prior is a distribution for each pixel, ``(N, ..., K)``, as large as the logits.

    Args:
        sigma: width of the Gaussian in pixels, above 0; the authors take 1.
        size: pixels a side, odd, 3 or more.

    Raises:
        InvalidArgument: for arguments outside their range; in a step, for labels that are no images, or where nothing
            shows K.

    Source: Islam and Glocker, "Spatially Varying Label Smoothing: Capturing Uncertainty from Expert Annotations", IPMI
    2021.
    """

    def __init__(self, sigma: float, size: int) -> None:
        self.sigma = check_number("sigma", sigma, above=0)
        self.size = check_whole("size", size, 3)
        if size % 2 == 0:
            raise InvalidArgument("size", size, "an odd number, so that a pixel is at the centre")
        self.weights = [math.exp(-(d**2) / (2 * self.sigma**2)) for d in range(1, size // 2 + 1)]
        self._classes: int | None = None

    def bind(self, info: ClassInfo) -> None:
        """Learn the number of classes."""
        self._classes = len(info.class_names)

    def __call__(self, step: Step) -> PerSample:
        """The distributions ``(N, ..., K)`` of labels ``(N, H, W)`` or ``(N, H, W, D)``, or of votes with K behind."""
        labels, votes = step.labels, step.labels.is_floating_point()
        classes = step.num_classes or self._classes
        if classes is None:
            raise InvalidArgument("num_classes", None, "K, where neither logits nor the data's classes show it")
        if labels.ndim < (3 if votes else 2):
            raise InvalidArgument("labels", tuple(labels.shape), "labels of pixels (N, H, W) or (N, H, W, D)")
        dtype = step.dtype
        own = labels.to(dtype) if votes else (labels.unsqueeze(-1) == _numbers(classes, labels)).to(dtype)
        rows = self._around(own)
        sums = rows.sum(-1, keepdim=True)
        if not votes:  # an ignored label, too, gets a row that is a distribution
            own = own.scatter(-1, labels.clamp(0, classes - 1).unsqueeze(-1), 1.0)
        return PerSample(torch.where(sums > 0, rows / sums.where(sums > 0, 1), own))

    def _around(self, own: Tensor) -> Tensor:
        """The sum over the neighbours, ``(N, ..., K)``, one axis after the other, as Gaussians allow.

        With ``all`` the sum over neighbours and centre, and ``side`` that along one axis without the centre, whose
        weight is 1, the next axis makes ``around + side(all)`` of ``around`` and ``all + side(all)`` of ``all``.
        """
        everything, around = own, torch.zeros_like(own)
        for axis in range(1, own.ndim - 1):
            length = own.shape[axis]
            places = _numbers(length, own)
            side = torch.zeros_like(own)
            for distance, weight in enumerate(self.weights, start=1):
                for offset in (-distance, distance):
                    shifted = everything.index_select(axis, (places + offset).clamp(0, length - 1))
                    side.add_(shifted, alpha=weight)
            around = around + side
            everything = everything + side
        return around

    def __repr__(self) -> str:
        return f"Spatial(sigma={self.sigma}, size={self.size})"


def _numbers(count: int, like: Tensor) -> Tensor:
    return torch.arange(count, device=like.device)
