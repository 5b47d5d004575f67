"""Negative label smoothing, by its own name: the label gets more than all of the mass."""

from __future__ import annotations

from dataclasses import dataclass

from smoothlab.numbers import check_number, check_share
from smoothlab.step import Step


@dataclass(frozen=True)
class Negative:
    """Generalised label smoothing: plain labels during the warm-up, then an epsilon of any sign.

    The published loss ``plain_weight * CE(label) + smoothed_weight * [(1 - r) CE(label) + r CE(uniform)]`` is
    ``plain_weight + smoothed_weight`` times the cross-entropy against the soft target of

        epsilon = smoothed_weight * r / (plain_weight + smoothed_weight)

    (the factor is left to the learning rate). For r < 0 every other class has less than no mass: the loss goes below 0
    and has no lower bound, so that logits grow until something stops them (the end of the training, weight decay,
    early stopping). The model is then as certain as it can be: this is for labels that are wrong more often than the
    model, not for calibration. From a random start it diverges; hence the warm-up, the original's first stage. Such
    targets have no entropy, so that ``train/kl`` is not logged.

    Any prior does; the original's is uniform. Losses that take powers or logarithms of the target
    (``BiTempered``, ``SymmetricCrossEntropy``) cannot take a rate below 0, and say so.

    Args:
        rate: r, a finite number of at most 1; published: 0.8 to -8.
        warm_up: share of the training, in [0, 1), with plain labels; 0 only for a model that is already trained.
        plain_weight: of the plain cross-entropy, >= 0; published: 0 and 1.
        smoothed_weight: of the smoothed one, above 0.

    Raises:
        InvalidArgument: for an argument outside its range.

    Source: Wei et al., "To Smooth or Not? When Label Smoothing Meets Noisy Labels", ICML 2022, where the weights are
    called wa and wb.
    """

    rate: float
    warm_up: float
    plain_weight: float = 0.0
    smoothed_weight: float = 1.0

    signed = True  # the smoother lets its epsilon through

    @property
    def keeps_distributions(self) -> bool:
        """Whether every entry of its targets is at least 0, so that losses that need distributions take them."""
        return self.rate >= 0

    @property
    def follows_progress(self) -> bool:
        """Whether a run with it needs an end."""
        return self.warm_up > 0

    def __post_init__(self) -> None:
        rate = check_number("rate", self.rate, "a finite number of at most 1", at_most=1)
        object.__setattr__(self, "rate", rate)
        object.__setattr__(self, "plain_weight", check_number("plain_weight", self.plain_weight, at_least=0))
        object.__setattr__(self, "warm_up", check_share("warm_up", self.warm_up))
        object.__setattr__(self, "smoothed_weight", check_number("smoothed_weight", self.smoothed_weight, above=0))

    @property
    def epsilon(self) -> float:
        """After the warm-up."""
        return self.rate * (self.smoothed_weight / (self.plain_weight + self.smoothed_weight))

    def __call__(self, step: Step) -> float:
        """0 during the warm-up, then epsilon."""
        return 0.0 if step.progress < self.warm_up else self.epsilon
