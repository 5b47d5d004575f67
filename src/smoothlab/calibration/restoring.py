"""A calibrator from what a checkpoint kept of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from smoothlab.calibration.answers import EachAnswer
from smoothlab.calibration.beta import Beta
from smoothlab.calibration.calibrator import FORMAT, Calibrator
from smoothlab.calibration.histogram import Histogram
from smoothlab.calibration.isotonic import Isotonic
from smoothlab.calibration.logit_norm import LogitNormalisation
from smoothlab.calibration.priors import ShiftedPriors
from smoothlab.calibration.scaling import Dirichlet, MatrixScaling, VectorScaling
from smoothlab.calibration.temperature import Temperature
from smoothlab.calibration.unsmooth import Unsmooth
from smoothlab.errors import InvalidArgument

KINDS: dict[str, type[Calibrator]] = {
    calibrator.__name__: calibrator
    for calibrator in (
        *(Temperature, VectorScaling, MatrixScaling, Dirichlet, Isotonic, Histogram, Beta),
        *(Unsmooth, LogitNormalisation, ShiftedPriors),
    )
}


def calibrator_from_state(state: Mapping[str, Any]) -> Calibrator:
    """The calibrator whose ``to_state`` this is; nothing but the kinds of this package is made.

    Args:
        state: plain values and tensors.

    Raises:
        InvalidArgument: a kind or format that this version does not know, or tensors that are not the kind's.
    """
    if not isinstance(state, Mapping) or state.get("format") != FORMAT:
        got = state.get("format") if isinstance(state, Mapping) else type(state).__name__
        raise InvalidArgument("calibrator.format", got, f"{FORMAT}, that of this version")
    kind = KINDS.get(str(state.get("kind")))
    if kind is None:
        raise InvalidArgument("calibrator.kind", state.get("kind"), f"one of {', '.join(KINDS)}")
    settings, tensors = state.get("settings"), state.get("tensors")
    if not isinstance(settings, Mapping) or not isinstance(tensors, Mapping):
        raise InvalidArgument("calibrator", "a state without settings or tensors", "what to_state gave")
    if set(tensors) != set(kind.learned) or not all(isinstance(tensor, Tensor) for tensor in tensors.values()):
        raise InvalidArgument("calibrator.tensors", sorted(map(str, tensors)), f"tensors {', '.join(kind.learned)}")
    try:
        made = kind(**settings)
    except TypeError:
        raise InvalidArgument("calibrator.settings", sorted(map(str, settings)), f"those of {kind.__name__}") from None
    made._restore({name: tensor.detach().clone() for name, tensor in tensors.items()})
    if isinstance(made, ShiftedPriors) and state.get("inner") is not None:
        made.inner = calibrator_from_state(state["inner"])
    return EachAnswer(made) if state.get("each_answer") else made
