"""What every calibrator is: a module from logits to logits, fitted once, kept as plain tensors."""

from __future__ import annotations

from typing import Any, Self

from torch import Tensor, nn

from smoothlab.calibration.observed import Observed
from smoothlab.errors import InvalidArgument

FORMAT = 1


class Calibrator(nn.Module):
    """A map of logits ``(N, K)`` to logits ``(N, K)``, whose softmax is the calibrated probability.

    Its forward is made of tensor operations alone, so that it goes into a graph (torch.export, ONNX) behind the net.
    What was fitted stands in buffers in float64, and is brought to the precision of the logits when it is used.
    Nothing here has parameters: a calibrator does not train along.

    A subclass says what it was made with (``settings``), which buffers it fits (``learned``), how (``_fit``), and how
    it is applied (``forward``).
    """

    learned: tuple[str, ...] = ()

    def fit(self, logits: Any, labels: Any, sample_weight: Any = None) -> Self:
        """Fit to samples that the model was not trained on.

        Args:
            logits: ``(N, K)`` of the model.
            labels: ``(N,)`` class indices, or ``(N, K)`` votes.
            sample_weight: ``(N,)`` numbers >= 0 or None; only their proportions count.

        Raises:
            InvalidArgument: shapes or values that are no logits and labels, or another K than the calibrator is for.
        """
        self._fit(Observed.of(logits, labels, sample_weight))
        return self

    def forward(self, logits: Tensor) -> Tensor:
        """Calibrated logits ``(N, K)``: log-probabilities up to a constant a row."""
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        """The arguments that it was made with, plain values."""
        return {}

    def summary(self) -> dict[str, Any]:
        """What was fitted, in a few plain numbers, for results.json."""
        return {}

    def to_state(self) -> dict[str, Any]:
        """Kind, settings and buffers, as plain values and tensors that ``torch.load(weights_only=True)`` reads."""
        tensors = {name: getattr(self, name).detach().cpu().clone() for name in self.learned}
        return {"format": FORMAT, "kind": type(self).__name__, "settings": self.settings(), "tensors": tensors}

    def _fit(self, observed: Observed) -> None:
        raise NotImplementedError

    def _learn(self, **tensors: Tensor) -> None:
        """Register buffers, or put other values into them."""
        for name, value in tensors.items():
            self.register_buffer(name, value)

    def _restore(self, tensors: dict[str, Tensor]) -> None:
        self._learn(**tensors)

    def _fitted(self, name: str, logits: Tensor) -> Tensor:
        """A buffer in the precision of the logits.

        Raises:
            InvalidArgument: the calibrator is not fitted yet.
        """
        value: Tensor = getattr(self, name)
        if not value.numel():
            raise InvalidArgument("calibrator", f"{type(self).__name__} that is not fitted", "fit() before it is used")
        return value.to(logits.dtype)
