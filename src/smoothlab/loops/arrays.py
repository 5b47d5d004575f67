"""Smoothed labels as arrays of NumPy, for libraries that take a distribution for each row."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from smoothlab.errors import InvalidArgument
from smoothlab.targets import SoftTarget


def smooth_labels(labels: Any, epsilon: Any = 0.1, *, num_classes: int | None = None, prior: Any = None) -> np.ndarray:
    """Soft targets ``(..., K)``: ``(1 - epsilon) * label + epsilon * prior``.

    Args:
        labels: class indices ``(...,)`` of a whole-number type, or distributions ``(..., K)``, such as one-hot rows.
        epsilon: in [0, 1): a number, or one for each row ``(...,)``.
        num_classes: K, for class indices; None: the largest index and 1.
        prior: where the mass goes: None (uniform), ``"exclusive"`` (the other classes), a vector ``(K,)``, or a row for
            each class ``(K, K)``.

    Returns:
        float64 for float64 distributions, else float32.

    Raises:
        InvalidArgument: an argument outside its range, or labels of another shape.

    Source: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016.
    """
    given = np.asarray(labels)
    if given.ndim == 0 or given.dtype.kind not in "iufb":
        raise InvalidArgument("labels", labels, "class indices (...,), or distributions (..., K)")
    none = given.shape == (0,)  # no labels, whose type NumPy does not know
    index = none or (given.dtype.kind in "iu" and (given.ndim == 1 or num_classes is not None))
    if index:
        most = int(given.max(initial=-1)) + 1
        classes = most if num_classes is None else num_classes
        if classes < max(most, 1) or given.min(initial=0) < 0:
            wrong = int(given.max() if classes < most else given.min(initial=0))
            raise InvalidArgument("labels", wrong, f"class indices in [0, {classes})")
        base = torch.from_numpy(given.astype(np.int64))
    else:
        classes = given.shape[-1]
        base = torch.from_numpy(given.astype(np.float64 if given.dtype == np.float64 else np.float32))
    strength = float(epsilon) if np.ndim(epsilon) == 0 else torch.from_numpy(np.array(epsilon, dtype=np.float64))
    where: Any = (
        prior if prior is None or isinstance(prior, str) else torch.from_numpy(np.array(prior, dtype=np.float64))
    )
    dtype = torch.float64 if base.dtype is torch.float64 else torch.float32
    return np.asarray(SoftTarget(base, strength, where).validate().dense(classes, dtype=dtype).numpy())
