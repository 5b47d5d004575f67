"""Every public loss and penalty, called in one way, with the documented formula of a row."""

from __future__ import annotations

import math
from functools import cache, partial

import row_formulas as formulas
import torch

from smoothlab import SoftTarget, losses
from smoothlab.losses import penalties
from smoothlab.step import Step


@cache
def tree_of(num_classes):
    names = [str(number) for number in range(num_classes)]
    nested = {"first": None, "others": names[1:]} if num_classes > 1 else ["first"]
    return losses.HierarchicalCrossEntropy(nested, 0.3, normalized=False, classes=["first", *names[1:]])


def hierarchical(logits, target):
    return tree_of(logits.shape[-1])(logits, target)


def linear(logits, target):
    """One row at a time, since the loss is a sum; hidden vectors are the logits themselves."""
    rows = []
    eye = torch.eye(logits.shape[-1], dtype=logits.dtype)
    for row in range(len(logits)):
        masked = logits[row] == -math.inf  # a bias masks a class
        bias = torch.zeros_like(logits[row]).masked_fill(masked, -math.inf)
        of_row = SoftTarget(target.base[row : row + 1], target.epsilon, target.prior)
        hidden = logits[row : row + 1].masked_fill(masked, 0)
        rows.append(losses.linear_soft_cross_entropy(hidden, eye, bias, of_row, reduction="sum"))
    return torch.stack(rows) if rows else logits.sum(-1)


def distilled(logits, target):
    loss = losses.SelfDistillation(lambda features: features, 0.6, 2.0)
    return loss(logits, target, Step(target.base, features=logits.detach() / 2))


def binary(logits, target):
    """Of the soft target's entries as labels, each on its own; a masked class takes no part."""
    labels = target.dense(logits.shape[-1], logits)
    return losses.soft_binary_cross_entropy(logits, labels, reduction="none")


by_rows = partial(losses.soft_cross_entropy, reduction="none")
# by the public name: what is called, and its formula
LOSSES = {
    "AdaFocal": (losses.AdaFocal(gamma=2.0), formulas.focal(2.0)),
    "BackwardCorrection": (losses.BackwardCorrection(rate=0.05), formulas.backward_correction(0.05)),
    "BiTempered": (losses.BiTempered(0.8, 1.2, 300), formulas.bi_tempered(0.8, 1.2)),
    "DualFocal": (losses.DualFocal(3.0), formulas.dual_focal(3.0)),
    "Focal": (losses.Focal(2.0), formulas.focal(2.0)),
    "ForwardCorrection": (losses.ForwardCorrection(rate=0.2), formulas.forward_correction(0.2)),
    "HierarchicalCrossEntropy": (hierarchical, formulas.two_branches(0.3)),
    "LogitNorm": (losses.LogitNorm(0.5), formulas.logit_norm(0.5)),
    "Poly1": (losses.Poly1(2.0), formulas.poly1(2.0)),
    "SampleDependentFocal": (losses.SampleDependentFocal(), formulas.sample_dependent_focal),
    "SelfDistillation": (distilled, formulas.self_distillation(0.6, 2.0)),
    "SymmetricCrossEntropy": (losses.SymmetricCrossEntropy(), formulas.symmetric(1e-6)),
    "VirtualTeacher": (losses.VirtualTeacher(0.3, 2.0), formulas.virtual_teacher(0.3, 2.0)),
    "linear_soft_cross_entropy": (linear, formulas.cross_entropy),
    "soft_binary_cross_entropy": (binary, formulas.binary_cross_entropy),
    "soft_cross_entropy": (by_rows, formulas.cross_entropy),
}
PENALTIES = {
    "ACLS": (penalties.ACLS(0.3, 1.5), formulas.acls(0.3, 1.5)),
    "AugmentedLagrangian": (
        penalties.AugmentedLagrangian(1.5, multiplier_min=0.3),
        formulas.augmented_lagrangian(1.5, 0.3),
    ),
    "CPC": (penalties.CPC(0.3, 0.2), formulas.cpc(0.3, 0.2)),
    "ClassMargin": (penalties.ClassMargin(0.3, 1.5), formulas.margin(0.3, 1.5)),
    "ConfidencePenalty": (penalties.ConfidencePenalty(0.3), formulas.confidence(0.3)),
    "LogitPenalty": (penalties.LogitPenalty(0.3), formulas.logit_penalty(0.3)),
    "MarginPenalty": (penalties.MarginPenalty(0.3, 1.5), formulas.margin(0.3, 1.5)),
    "MaxSup": (penalties.MaxSup(0.3), formulas.max_suppression(0.3)),
    "ZipfPenalty": (penalties.ZipfPenalty(0.3), formulas.zipf(0.3)),
}
EVERY = LOSSES | PENALTIES
