"""What a smoothing strategy does to the targets, found by asking it, without training."""

from smoothlab.inspection.inspection import Inspection
from smoothlab.inspection.label_sets import LabelInspection
from smoothlab.inspection.probe import Probe

__all__ = ["Inspection", "LabelInspection", "Probe"]
