"""Teacher-free distillation: cross-entropy and the distance to a teacher that is made up, or an earlier self."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from smoothlab.errors import InvalidArgument
from smoothlab.losses.by_row import by_row
from smoothlab.losses.probabilities import probabilities
from smoothlab.numbers import check_choice, check_number
from smoothlab.step import Step
from smoothlab.targets import SoftTarget
from smoothlab.unpacking import damaged_part

Average = Literal["rows", "classes"]


@dataclass(frozen=True)
class VirtualTeacher:
    """``(1 - share) CE(q, p) + share * multiplier * KL(t || p)``, with a teacher t that is right with one probability.

        t = softmax(v / temperature),    v = correct_probability * q + (1 - correct_probability) (1 - q) / (K - 1)

    Note the softmax of probabilities: at the published temperatures t is all but uniform, so that this is close to
    label smoothing with an epsilon of ``share * multiplier``. For a soft target, v is made of the target as it is.

    Args:
        share: of the teacher's term, in [0, 1]; published: 0.1 to 0.95.
        temperature: above 0; published: 20 and 40.
        correct_probability: of the teacher's label, in [0, 1]; published: 0.99.
        multiplier: >= 0; published: 1 to 100, against the average over classes.
        average: ``"rows"``: the divergence of a row is its sum over classes, as it should be; ``"classes"``: it is
            divided by K, as in the published code, whose default average is over rows times classes.
        tempered: whether the model's logits are divided by the temperature too, and the divergence multiplied by its
            square; not so in the published code.

    A class whose logit is -inf takes no part, and gets no mass; a masked label has the loss inf.

    Raises:
        InvalidArgument: for a number out of range, or another average.

    Source: Yuan, Tay, Li, Wang and Feng, "Revisiting Knowledge Distillation via Label Smoothing Regularization", CVPR
    2020 (Tf-KD_reg).
    """

    share: float = 0.1
    temperature: float = 20.0
    correct_probability: float = 0.99
    multiplier: float = 1.0
    average: Average = "rows"
    tempered: bool = False

    def __post_init__(self) -> None:
        _check(self.share, self.temperature, self.multiplier, self.average)
        check_number("correct_probability", self.correct_probability, at_least=0, at_most=1)

    @by_row
    def __call__(self, logits: Tensor, target: SoftTarget, step: Step | None = None) -> Tensor:
        """The loss of each row, ``(...)`` in float32 or wider, from logits ``(..., K)``."""
        q, _, log_p = probabilities(logits, target)
        masked = logits == -math.inf
        others = (masked.shape[-1] - 1 - masked.sum(-1, keepdim=True)).clamp_min(1)
        v = self.correct_probability * q + (1 - self.correct_probability) * (1 - q) / others
        distance = divergence(logits, masked, v, self.temperature, self.tempered, self.average)
        return _shared(-(q * log_p).sum(-1), self.multiplier * distance, self.share)


class SelfDistillation:
    """``(1 - share) CE(q, p) + share * multiplier * T^2 * KL(softmax(s / T) || softmax(z / T))``, s a teacher's logits.

    The teacher is a trained net that does not change, in the paper the same architecture, trained before.

    Args:
        net: maps features to logits ``(..., K)``. A module is set to evaluation, and its weights get no gradients; they
            are not part of a run's checkpoints.
        share: of the teacher's term, in [0, 1]; published: 0.9 to 0.95.
        temperature: T, above 0; published: 4 to 20.
        multiplier: >= 0; published: 1.
        average: ``"rows"`` or ``"classes"``, as of :class:`VirtualTeacher`.
        tempered: whether the model's logits are divided by the temperature, as published. If not, nor is the divergence
            multiplied by its square.
        checkpoint: where the net's weights are: a checkpoint of a run, or a file of a module's ``state_dict``; None
            where the net has them.

    A class whose logit is -inf takes no part, in the teacher neither; a masked label has the loss inf.

    Raises:
        InvalidArgument: for a number out of range, another average, a checkpoint that does not fit; in a step without
            features, or where the teacher's logits have another shape.

    Source: Yuan, Tay, Li, Wang and Feng, "Revisiting Knowledge Distillation via Label Smoothing Regularization", CVPR
    2020 (Tf-KD_self).
    """

    def __init__(
        self,
        net: Callable[[Any], Tensor],
        share: float = 0.9,
        temperature: float = 4.0,
        multiplier: float = 1.0,
        average: Average = "rows",
        tempered: bool = True,
        checkpoint: str | Path | None = None,
    ) -> None:
        _check(share, temperature, multiplier, average)
        if not callable(net):
            raise InvalidArgument("net", net, "a module, or a function from features to logits")
        self.net, self.share, self.temperature, self.multiplier = net, share, temperature, multiplier
        self.average, self.tempered = average, tempered
        if checkpoint is not None:
            _load(net, checkpoint)
        if isinstance(net, nn.Module):
            net.requires_grad_(False).eval()

    @by_row
    def __call__(self, logits: Tensor, target: SoftTarget, step: Step | None = None) -> Tensor:
        """The loss of each row, ``(...)`` in float32 or wider, from logits ``(..., K)`` and the step's features."""
        q, _, log_p = probabilities(logits, target)
        if step is None or step.features is None:
            raise InvalidArgument("step", step and "without features", "a training step with features, for the teacher")
        taught = self._teacher_logits(step.features)
        if taught.shape != logits.shape:
            raise InvalidArgument("net", f"logits of shape {tuple(taught.shape)}", f"shape {tuple(logits.shape)}")
        masked = logits == -math.inf
        scores = taught.to(log_p.dtype)
        distance = divergence(logits, masked, scores, self.temperature, self.tempered, self.average)
        return _shared(-(q * log_p).sum(-1), self.multiplier * distance, self.share)

    @torch.no_grad()
    def _teacher_logits(self, features: Any) -> Tensor:
        if isinstance(self.net, nn.Module) and isinstance(features, Tensor):
            weights = next(self.net.parameters(), None)
            dtype = features.dtype if features.is_floating_point() else None
            if weights is not None and (weights.device != features.device or weights.dtype != (dtype or weights.dtype)):
                self.net.to(features.device, dtype)
        return self.net(features).detach()


def divergence(
    logits: Tensor, masked: Tensor, scores: Tensor, temperature: float, tempered: bool, average: Average
) -> Tensor:
    """``KL(softmax(scores / T) || softmax(z))`` of each row ``(...)``, or ``T^2 KL(... || softmax(z / T))``."""
    t = torch.softmax((scores / temperature).masked_fill(masked, -math.inf), -1)
    z = logits.to(t.dtype)
    log_p = torch.log_softmax(z / temperature if tempered else z, -1).masked_fill(masked, 0)
    rows: Tensor = -(torch.special.entr(t) + t * log_p).sum(-1)
    if tempered:
        rows = rows * temperature**2
    return rows / (masked.shape[-1] - masked.sum(-1)) if average == "classes" else rows


def _shared(of_label: Tensor, of_teacher: Tensor, share: float) -> Tensor:
    """Both terms, with the share of the teacher's; a masked label is inf even where the label has no share."""
    return ((1 - share) * of_label + share * of_teacher).masked_fill(of_label == math.inf, math.inf)


def _check(share: object, temperature: object, multiplier: object, average: object) -> None:
    check_number("share", share, at_least=0, at_most=1)
    check_number("temperature", temperature, above=0)
    check_number("multiplier", multiplier, at_least=0)
    check_choice("average", average, ("rows", "classes"))


def _load(net: object, checkpoint: str | Path) -> None:
    """Give a net the weights of a run's checkpoint, or of a file with a state_dict."""
    if not isinstance(net, nn.Module):
        raise InvalidArgument("checkpoint", str(checkpoint), "none for a net that is no module")
    try:
        with open(checkpoint, "rb") as file:
            if damaged := damaged_part(file):
                raise ValueError(f"the CRC-32 of its part {damaged!r} differs")
            file.seek(0)
            content = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InvalidArgument("checkpoint", str(checkpoint), f"a file that can be read ({error.strerror})") from None
    except Exception as error:  # whatever a damaged file makes of the reader
        raise InvalidArgument("checkpoint", str(checkpoint), f"a checkpoint ({type(error).__name__})") from None
    weights = content.get("state_dict", content) if isinstance(content, dict) else {}
    of_net = {name.removeprefix("net."): value for name, value in weights.items() if name.startswith("net.")}
    try:
        net.load_state_dict(of_net or weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise InvalidArgument("checkpoint", str(checkpoint), f"weights that fit the net ({reason})") from None
