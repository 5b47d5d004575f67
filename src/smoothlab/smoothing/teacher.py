"""A prior and a strength by what another net, which is not trained, thinks of the sample."""

from __future__ import annotations

import copy
import math
from typing import Literal

import torch
from torch import Tensor, nn

from smoothlab.classes.info import ClassInfo, NeedsClasses
from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_choice, check_number, check_share
from smoothlab.smoothing.ranges import clamp_strength
from smoothlab.step import Step
from smoothlab.targets import PerSample


class Teacher:
    """The mass of a sample goes where a teacher puts it: ``tau = softmax(teacher's logits / temperature)``.

    With a large epsilon that is distillation (Hinton et al. divide the student's logits by the temperature too, and
    multiply the term by its square; here the student stays as it is). ``exclusive`` leaves the label out,
    ``tau_k / (1 - tau_y)`` for k other than y: version 2 of instance-based label smoothing; for votes,
    ``tau_k (1 - vote_k)``, normalised.

    The teacher is a copy of ``net``, in evaluation mode, without gradients, and no part of the model that is trained:
    neither its optimizer nor its checkpoints know of it. It sees the features that the student sees (mixed ones, where
    they are mixed).

    Args:
        net: maps features to logits ``(N, K)`` of the same classes, such as that of a run,
            ``smoothlab.models.teacher.teacher_net(path)``.
        temperature: above 0; above 1 it softens the teacher.
        exclusive: whether the label's own class gets nothing.

    Raises:
        InvalidArgument: for another net or temperature; on binding, for a teacher of other classes or features; in a
            step without features, or for logits of another shape than the student's.

    Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", NeurIPS workshop 2014; Maher and
    Kull, "Instance-based Label Smoothing For Better Calibrated Classification Networks", ICMLA 2021.
    """

    def __init__(self, net: nn.Module, temperature: float, exclusive: bool = False) -> None:
        self.teacher = FrozenNet(net)
        self.temperature = check_number("temperature", temperature, above=0)
        self.exclusive = exclusive

    def bind(self, info: ClassInfo) -> None:
        """Check that the teacher knows these classes."""
        self.teacher.bind(info)

    def __call__(self, step: Step) -> PerSample:
        """The teacher's distributions ``(N, K)``."""
        scaled = self.teacher.logits(step) / self.temperature
        if self.exclusive and scaled.shape[-1] > 1:
            if step.labels.is_floating_point():
                scaled = scaled + torch.log1p(-step.labels.to(scaled))
            else:
                label = step.labels.clamp(0, scaled.shape[-1] - 1).unsqueeze(-1)
                scaled = scaled.scatter(-1, label, -math.inf)
        return PerSample(torch.softmax(scaled, -1))

    def __repr__(self) -> str:
        return f"Teacher(temperature={self.temperature}, exclusive={self.exclusive})"


class TeacherConfidence:
    """Epsilon by a teacher's confidence in the label: ``epsilon (1 - tau_y)`` falling, ``epsilon tau_y`` rising.

    The first is version 11 of instance-based label smoothing, the second its version 1, both with the exclusive prior;
    for votes tau_y is ``sum_k vote_k tau_k``.

    Args:
        net: as for :class:`Teacher`, and treated as there.
        epsilon: the largest epsilon, in [0, 1).
        formula: ``"falling"`` or ``"rising"`` with the teacher's confidence.
        temperature: of the teacher, above 0.

    Raises:
        InvalidArgument: as for :class:`Teacher`.

    Source: Maher and Kull, "Instance-based Label Smoothing For Better Calibrated Classification Networks", ICMLA 2021.
    """

    def __init__(
        self, net: nn.Module, epsilon: float, formula: Literal["falling", "rising"], temperature: float
    ) -> None:
        self.teacher = FrozenNet(net)
        self.epsilon = check_share("epsilon", epsilon)
        self.formula = check_choice("formula", formula, ("falling", "rising"))
        self.temperature = check_number("temperature", temperature, above=0)

    def bind(self, info: ClassInfo) -> None:
        """Check that the teacher knows these classes."""
        self.teacher.bind(info)

    def __call__(self, step: Step) -> Tensor:
        """Epsilon ``(N,)``."""
        tau = torch.softmax(self.teacher.logits(step) / self.temperature, -1)
        if step.labels.is_floating_point():
            confidence = torch.linalg.vecdot(step.labels.to(tau), tau)
        else:
            confidence = tau.gather(-1, step.labels.clamp(0, tau.shape[-1] - 1).unsqueeze(-1)).squeeze(-1)
        return clamp_strength(self.epsilon * (1 - confidence if self.formula == "falling" else confidence))

    def __repr__(self) -> str:
        return f"TeacherConfidence(epsilon={self.epsilon}, {self.formula}, temperature={self.temperature})"


class FrozenNet:
    """A copy of a net that is asked and never trained; no module, so that no model takes it for a part of itself.

    Args:
        net: maps features to logits ``(..., K)``.

    Raises:
        InvalidArgument: it is no module.
    """

    def __init__(self, net: nn.Module) -> None:
        if not isinstance(net, nn.Module):
            raise InvalidArgument("net", net, "a module that maps features to logits, such as a run's (teacher_net)")
        self._net = copy.deepcopy(net).requires_grad_(False).eval()

    def bind(self, info: ClassInfo) -> None:
        """Let the net check the classes, where it knows its own."""
        if isinstance(self._net, NeedsClasses):
            self._net.bind(info)

    def logits(self, step: Step) -> Tensor:
        """The net's logits ``(..., K)`` of a step's features, in float32 or wider."""
        features = step.features
        if features is None:
            raise InvalidArgument("features", None, "what the net took: the teacher is asked about it")
        device = step.labels.device
        weight = next(self._net.parameters(), None)
        if weight is not None and weight.device != device:
            self._net.to(device)
        if weight is not None and isinstance(features, Tensor) and features.is_floating_point():
            features = features.to(weight.dtype)
        with torch.no_grad():
            logits: Tensor = self._net(features)
        classes = step.num_classes or logits.shape[-1]
        leading = step.labels.shape[:-1] if step.labels.is_floating_point() else step.labels.shape
        if logits.shape != (*leading, classes):
            raise InvalidArgument("net", f"logits of shape {tuple(logits.shape)}", f"shape {(*leading, classes)}")
        return logits.to(torch.promote_types(logits.dtype, torch.float32))
