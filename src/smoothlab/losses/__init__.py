"""Losses that take soft targets."""

from smoothlab.losses.ada_focal import AdaFocal
from smoothlab.losses.bi_tempered import BiTempered
from smoothlab.losses.binary import smoothed_binary_labels, soft_binary_cross_entropy
from smoothlab.losses.cross_entropy import soft_cross_entropy
from smoothlab.losses.focal import DualFocal, Focal, SampleDependentFocal
from smoothlab.losses.hierarchical import HierarchicalCrossEntropy
from smoothlab.losses.linear import linear_soft_cross_entropy
from smoothlab.losses.logit_norm import LogitNorm, normalized_logits
from smoothlab.losses.loss import Loss
from smoothlab.losses.mixing import CutMix, Mixup
from smoothlab.losses.noise_correction import BackwardCorrection, ForwardCorrection
from smoothlab.losses.poly import Poly1
from smoothlab.losses.symmetric import SymmetricCrossEntropy
from smoothlab.losses.teacher_free import SelfDistillation, VirtualTeacher

__all__ = [
    "AdaFocal",
    "BackwardCorrection",
    "BiTempered",
    "CutMix",
    "DualFocal",
    "Focal",
    "ForwardCorrection",
    "HierarchicalCrossEntropy",
    "LogitNorm",
    "Loss",
    "Mixup",
    "Poly1",
    "SampleDependentFocal",
    "SelfDistillation",
    "SymmetricCrossEntropy",
    "VirtualTeacher",
    "linear_soft_cross_entropy",
    "normalized_logits",
    "smoothed_binary_labels",
    "soft_binary_cross_entropy",
    "soft_cross_entropy",
]
