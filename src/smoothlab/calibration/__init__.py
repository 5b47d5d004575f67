"""Post-hoc calibration: maps of logits, sets of classes and decisions, fitted to validation data."""

from smoothlab.errors import framework_needed

with framework_needed(__name__):
    from smoothlab.calibration.answers import EachAnswer
    from smoothlab.calibration.beta import Beta
    from smoothlab.calibration.calibrator import Calibrator
    from smoothlab.calibration.conformal import APS, RAPS, ConformalSets, Split, sets_from_state
    from smoothlab.calibration.histogram import Histogram
    from smoothlab.calibration.isotonic import Isotonic
    from smoothlab.calibration.logit_norm import LogitNormalisation
    from smoothlab.calibration.priors import shifted_priors
    from smoothlab.calibration.restoring import calibrator_from_state
    from smoothlab.calibration.scaling import Dirichlet, MatrixScaling, VectorScaling
    from smoothlab.calibration.temperature import Temperature
    from smoothlab.calibration.unsmooth import Unsmooth

__all__ = [
    "APS",
    "RAPS",
    "Beta",
    "Calibrator",
    "ConformalSets",
    "Dirichlet",
    "EachAnswer",
    "Histogram",
    "Isotonic",
    "LogitNormalisation",
    "MatrixScaling",
    "Split",
    "Temperature",
    "Unsmooth",
    "VectorScaling",
    "calibrator_from_state",
    "sets_from_state",
    "shifted_priors",
]
