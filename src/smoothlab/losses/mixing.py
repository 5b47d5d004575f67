"""Mixup and cutmix: batches mixed with themselves, labels and all, before anything is smoothed.

They give the features and the *base* of a soft target. Smoothing comes after, in the smoother, and so once; since
a soft target is linear in its base, the result is that of smoothing first, where epsilon is one number.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from smoothlab.errors import InvalidArgument, LabelOutOfRange
from smoothlab.numbers import check_number
from smoothlab.targets import IGNORED, check_tensor

LABELS = "class indices (N,) or distributions (N, K)"


def mixed_labels(labels: Tensor, partner: Tensor, share: float | Tensor, num_classes: int) -> Tensor:
    """``share * label + (1 - share) * label[partner]``, distributions ``(N, K)`` in float32 or wider.

    Args:
        labels: class indices ``(N,)`` in [0, K), or distributions ``(N, K)``; -100 (a distribution filled with it) for
            rows that are left out.
        partner: ``(N,)``, the row that each row is mixed with.
        share: of the row itself, in [0, 1]: a number or a tensor of one value.
        num_classes: K.

    Returns:
        The distributions; filled with -100, which leaves them out, where either of the two rows is left out.

    Raises:
        InvalidArgument: for labels of another shape.
        LabelOutOfRange: for any other label outside [0, K), on the CPU; on CUDA it is a device-side assertion.
    """
    check_tensor("labels", labels, LABELS)
    if not labels.is_floating_point():
        if labels.ndim != 1:
            raise InvalidArgument("labels", f"tensor of shape {tuple(labels.shape)}", "class indices of shape (N,)")
        _check_classes(labels, num_classes)
        base = (labels.unsqueeze(-1) == torch.arange(num_classes, device=labels.device)).float()
    elif labels.ndim == 2 and labels.shape[1] == num_classes:
        base = labels.to(torch.promote_types(labels.dtype, torch.float32))
    else:
        expected = f"distributions of shape (N, {num_classes})"
        raise InvalidArgument("labels", f"tensor of shape {tuple(labels.shape)}", expected)
    absent = left_out(labels)
    absent = absent | absent[partner]
    return (share * base + (1 - share) * base[partner]).masked_fill(absent.unsqueeze(-1), IGNORED)


def left_out(labels: Tensor) -> Tensor:
    """Which rows ``(N,)`` of class indices ``(N,)`` or distributions ``(N, K)`` are left out: labelled -100."""
    return (labels[:, 0] if labels.is_floating_point() and labels.ndim == 2 else labels) == IGNORED


def drawn_partners(labels: Tensor) -> Tensor:
    """A row to mix each row with, ``(N,)``, from all permutations; a row's own where that one is left out."""
    partner = torch.randperm(len(labels), device=labels.device)
    if labels.ndim != (2 if labels.is_floating_point() else 1):
        return partner
    return torch.where(left_out(labels)[partner], torch.arange(len(labels), device=labels.device), partner)


def _check_classes(labels: Tensor, num_classes: int) -> None:
    """Refuse class indices that are no class, and not -100; no device waits."""
    wrong = ((labels < 0) | (labels >= num_classes)) & (labels != IGNORED)
    if labels.is_cuda:
        torch._assert_async(~wrong.any())
    elif labels.device.type != "meta" and bool(wrong.any()):
        raise LabelOutOfRange("labels", int(labels[wrong][0]), num_classes)


@dataclass(frozen=True)
class Mixup:
    """Mixes each row of a batch with another, features and labels alike, by one share a batch.

    The share is drawn from Beta(alpha, alpha) and the partners from all permutations, by torch's own random numbers.

    Args:
        alpha: a finite number > 0; 0.1 to 0.4 for ImageNet, 1 for CIFAR. Small ones mix little.
        num_classes: K.

    Called with features ``(N, ...)`` of a float type and labels (class indices ``(N,)`` or distributions ``(N, K)``,
    not smoothed), it gives the mixed features and the base ``(N, K)`` for a smoother or a SoftTarget. A row labelled
    -100 is left out: its base is filled with -100, which no loss or penalty counts, and no other row is mixed with it;
    a row whose partner it would be stays as it is.

    Raises:
        InvalidArgument: for an alpha that is not positive, infinite or no number; for features or labels that are no
            tensors, labels of another shape.
        LabelOutOfRange: for any other label outside [0, K), on the CPU; on CUDA it is a device-side assertion.

    Source: Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", ICLR 2018.
    """

    alpha: float
    num_classes: int

    def __post_init__(self) -> None:
        check_number("alpha", self.alpha, above=0)

    def __call__(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mixed features ``(N, ...)`` and base ``(N, K)``."""
        check_tensor("features", features, "shape (N, ...) of a float type")
        check_tensor("labels", labels, LABELS)
        share = drawn_share(self.alpha)
        partner = drawn_partners(labels)
        mixed = share * features + (1 - share) * features[partner]
        return mixed, mixed_labels(labels, partner, share, self.num_classes)


@dataclass(frozen=True)
class CutMix:
    """Puts a box of another image over each image of a batch, and mixes the labels by the areas.

    One box a batch: its area is a share ``1 - s`` of the image, with s drawn from Beta(alpha, alpha), its centre
    anywhere; what sticks out is cut off, and the labels follow the area that is left. The partners are drawn from all
    permutations.

    Args:
        alpha: a finite number > 0; the authors' 1 draws all areas alike.
        num_classes: K.

    Called with images ``(N, ..., H, W)`` and labels (class indices ``(N,)`` or distributions ``(N, K)``, not
    smoothed), it gives the mixed images and the base ``(N, K)`` for a smoother or a SoftTarget. A row labelled -100 is
    left out, as :class:`Mixup` says.

    Raises:
        InvalidArgument: for an alpha that is not positive, infinite or no number; for images or labels that are no
            tensors, images without height and width, labels of another shape.
        LabelOutOfRange: as :class:`Mixup`.

    Source: Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features",
    ICCV 2019.
    """

    alpha: float
    num_classes: int

    def __post_init__(self) -> None:
        check_number("alpha", self.alpha, above=0)

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mixed images ``(N, ..., H, W)`` and base ``(N, K)``."""
        check_tensor("images", images, "shape (N, ..., H, W)")
        check_tensor("labels", labels, LABELS)
        if images.ndim < 3:
            raise InvalidArgument("images", f"tensor of shape {tuple(images.shape)}", "shape (N, ..., H, W)")
        height, width = images.shape[-2:]
        rows, columns = drawn_box(height, width, 1 - drawn_share(self.alpha))
        partner = drawn_partners(labels)
        mixed = images.clone()
        mixed[..., rows, columns] = images[partner][..., rows, columns]
        covered = (rows.stop - rows.start) * (columns.stop - columns.start) / (height * width)
        return mixed, mixed_labels(labels, partner, 1 - covered, self.num_classes)


def drawn_share(alpha: float) -> float:
    """A draw from Beta(alpha, alpha)."""
    # in float64: for a small alpha both of float32's gamma draws are often 0
    concentration = torch.tensor(alpha, dtype=torch.float64)
    return torch.distributions.Beta(concentration, concentration).sample().item()


def drawn_box(height: int, width: int, area: float) -> tuple[slice, slice]:
    """Rows and columns of a box with this share of the image's area, centred anywhere and cut off at the edges."""
    side = area**0.5
    centre = (int(torch.randint(height, ())), int(torch.randint(width, ())))
    spans = []
    for middle, length in zip(centre, (height, width), strict=True):
        half = int(length * side) // 2
        spans.append(slice(max(middle - half, 0), min(middle + half, length)))
    return spans[0], spans[1]
