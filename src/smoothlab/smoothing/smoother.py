"""The smoother: a strength and a prior make soft targets from labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from smoothlab.classes.info import ClassInfo, bind_part
from smoothlab.errors import InvalidArgument
from smoothlab.learner import learners_in
from smoothlab.smoothing.excluding import ExcludedClasses
from smoothlab.step import Step
from smoothlab.targets import SoftTarget, check_tensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from smoothlab.smoothing.priors.prior import Prior
    from smoothlab.smoothing.strengths.strength import Strength


class Smoother(nn.Module):
    """Makes a soft target from labels: ``(1 - epsilon) * label + epsilon * prior``.

    A module, so that a strength or prior that is one itself takes its state to the model's device and
    checkpoint. Those that learn (:class:`smoothlab.learner.Learner`) see each forward pass in training mode.

    Args:
        strength: gives epsilon, such as ``Constant(0.1)``; ``Constant(0.0)`` is no smoothing.
        prior: gives the place of the mass, such as ``Uniform()``.
        exclude: classes that get no mass of whatever prior, by name or number, such as ``["pad"]``, beside those that
            the data it is bound to never have; see :class:`~smoothlab.smoothing.excluding.ExcludedClasses`.

    Raises:
        InvalidArgument: for a strength or prior that is none, and a prior of several labels a sample, such as
            ``Prevalence``.
    """

    def __init__(self, strength: Strength, prior: Prior, exclude: Sequence[int | str] = ()) -> None:
        super().__init__()
        for name, given in (("strength", strength), ("prior", prior)):
            if not callable(given):
                raise InvalidArgument(
                    name, given, f"an object that gives it; its options are those of smoothing/{name}=..."
                )
        for part in (prior, *getattr(prior, "priors", {}).values()):
            if getattr(part, "of_label_sets", False):
                expected = "a prior over the classes: this one is of several labels a sample, smoothing=multilabel"
                raise InvalidArgument("prior", type(part).__name__, expected)
        self.strength = strength
        self.prior = prior
        self._exclude = exclude
        self.excluded = ExcludedClasses(exclude)
        self._learners = learners_in(strength, prior)
        self._signed = bool(getattr(strength, "signed", False))  # of those that may go below 0, by their name

    def forward(
        self,
        labels: Tensor,
        *,
        logits: Tensor | None = None,
        progress: float = 0.0,
        rows: Tensor | None = None,
        metadata: Mapping[str, Tensor] | None = None,
        features: Any = None,
    ) -> SoftTarget:
        """The soft target of a batch.

        Args:
            labels: class indices ``(...,)``, or vote distributions ``(..., K)``.
            logits: the model's output ``(..., K)``, for strengths and priors that look at it; detached here.
            progress: share of the training that is done, in [0, 1], for those that change with it.
            rows: the samples' numbers in the training data ``(...,)``, for those that remember samples.
            metadata: columns beside features and label, by name, each ``(...,)``, for those that look at them.
            features: what the model took, for those that ask another net about it.
        """
        if logits is not None:
            check_tensor("logits", logits, "None or a float tensor of shape (..., K)")
        seen = None if logits is None else logits.detach()
        return self.target(Step(labels, seen, progress, rows, metadata or {}, features))

    def target(self, step: Step) -> SoftTarget:
        """The soft target of a step."""
        if self.training and self._learners:
            with torch.no_grad():
                for learner in self._learners:
                    learner.observe(step)
        epsilon, prior = self.strength(step), self.prior(step)
        if self.excluded.classes:
            epsilon, prior = self.excluded(epsilon, prior, step)
        return SoftTarget(step.labels, epsilon, prior, self._signed)

    def bind(self, info: ClassInfo) -> None:
        """Tell the parts that ask for it which classes the training data have, and how often.

        Raises:
            InvalidArgument: a part does not fit these classes.
        """
        bind_part("strength", self.strength, info)
        bind_part("prior", self.prior, info)
        self.excluded = ExcludedClasses([*self._exclude, *info.never])
        self.excluded.bind(info)

    @property
    def keeps_distributions(self) -> bool:
        """Whether every entry of its targets is at least 0; not so with negative smoothing."""
        return getattr(self.strength, "keeps_distributions", True)

    def extra_repr(self) -> str:
        """Strength and prior; those that are modules torch shows by itself."""
        parts = {"strength": self.strength, "prior": self.prior}
        shown = [f"{name}={part!r}" for name, part in parts.items() if not isinstance(part, nn.Module)]
        return ", ".join([*shown, *([f"exclude={self.excluded.classes}"] if self.excluded.classes else [])])
