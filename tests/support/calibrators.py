"""Every calibrator, and logits whose calibration is known."""

from __future__ import annotations

import torch

from smoothlab.calibration import (
    Beta,
    Dirichlet,
    EachAnswer,
    Histogram,
    Isotonic,
    LogitNormalisation,
    MatrixScaling,
    Temperature,
    Unsmooth,
    VectorScaling,
)

OF_MANY = {
    "temperature": Temperature,
    "vector": lambda: VectorScaling(0.01),
    "matrix": lambda: MatrixScaling(0.01),
    "dirichlet": lambda: Dirichlet(0.01),
    "isotonic": Isotonic,
    "histogram": Histogram,
    "unsmooth": lambda: Unsmooth(0.1),
    "unsmooth_matrix": lambda: Unsmooth(0.2, [[0.0, 0.5, 0.5], [1.0, 0.0, 0.0], [0.2, 0.3, 0.5]]),
    "logit_norm": LogitNormalisation,
}
OF_TWO = {"beta": Beta, "each_answer": lambda: EachAnswer(Temperature())}


def over_confident(rows: int, classes: int, seed: int, *, factor: float = 2.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits ``factor`` times as large as those that the labels are drawn from."""
    generator = torch.Generator().manual_seed(seed)
    logits = 1.5 * torch.randn(rows, classes, generator=generator, dtype=torch.float64)
    labels = torch.multinomial(torch.softmax(logits, 1), 1, generator=generator).squeeze(1)
    return factor * logits, labels
