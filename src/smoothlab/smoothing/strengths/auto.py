"""A strength without a number to choose: it follows the temperature that the validation data ask for."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from smoothlab.classes.info import ClassInfo
from smoothlab.errors import InvalidArgument
from smoothlab.inverse_temperature import (
    LOG_BETAS,
    SUMS,
    inverse_temperature,
    inverse_temperature_sums,
)
from smoothlab.learner import Learner
from smoothlab.numbers import check_number, check_share
from smoothlab.step import Step


class Auto(Learner):
    """Epsilon follows the inverse temperature beta at which the validation NLL of ``beta * logits`` is least.

    An over-confident model (beta < 1) is smoothed more, an under-confident one (beta > 1) less; epsilon rests where the
    model needs no temperature. After each validation, with log(beta) clipped to [-1, 1] and its standard error s:

        t = log(beta) / (1 + (s / 0.5)^2)
        epsilon <- clip((epsilon + 0.02) * exp(-rate * a * t) - 0.02, 0, limit)

    It starts high, since what a net has memorised before epsilon rises stays, while too much smoothing is soon taken
    back; and it moves by shares, since what matters between 0 and 0.02 does not between 0.3 and 0.32. ``a`` is
    the amount of training since the last validation, in epochs and at most 2: validation several times an epoch, or
    every few epochs, moves epsilon about as fast. An epoch of fewer than 640 samples counts as that share of one: a net
    that has taken two steps cannot show yet what the present epsilon does, and a rule that moves on meanwhile swings
    between 0 and the limit. Where the smoother is not bound to data, ``a`` is 1.

    beta comes from sums of the NLL's slope and curvature at nine values of it, so that no logits are kept. Validation
    samples without a label, or whose label's logit is -inf, are left out. The rule uses validation labels, as early
    stopping does. In a loop of your own call ``validate`` and ``end_validation``, or epsilon stays where it starts.

    Args:
        start: epsilon until the first validation ends, in [0, 1); no more than the limit.
        rate: how fast epsilon moves, above 0; more for trainings of very few epochs.
        limit: the largest epsilon, in [0, 1). Above 1/2 the exclusive prior turns the labels of two classes around.

    Raises:
        InvalidArgument: for an argument outside its range, and at the end of a validation without a labelled sample.

    Source: our own; the measure is the temperature of Guo et al., "On Calibration of Modern Neural Networks", ICML
    2017, and the loop is in the spirit of the multipliers of Liu et al., "Class Adaptive Network Calibration", CVPR
    2023.
    """

    source = "validation"
    # Fixed on validation NLL, on other seeds than the benchmark's: benchmarks/results/auto.md.
    offset = 0.02  # epsilon moves by a share of it and this, so that it can leave 0
    doubt = 0.5  # a standard error of log(beta) as large as this halves what it moves
    longest = 2.0  # epochs at once, lest an old beta lead too far
    least = 640  # samples of an epoch that moves it as far as an epoch does, lest it outrun the net

    def __init__(self, start: float = 0.3, rate: float = 1.5, limit: float = 0.5) -> None:
        super().__init__()
        self.start = check_share("start", start)
        self.rate = check_number("rate", rate, above=0)
        self.limit = check_share("limit", limit)
        # wide, so that the sums of ranks are those of one process; on a device without float64 they are float32
        wide = torch.float64
        self.kept = {
            "epsilon": torch.tensor(min(self.start, self.limit), dtype=wide),
            "log_beta": torch.tensor(math.nan, dtype=wide),
        }
        self.validated = {name: torch.zeros(len(LOG_BETAS), dtype=wide) for name in SUMS}
        # "trained" is of training steps, but since the last validation, not since the epoch began
        self.validated |= {name: torch.zeros((), dtype=wide) for name in ("count", "trained")}
        self._epoch = 0  # labels an epoch, all ranks
        self._epsilon = min(self.start, self.limit)  # a copy of the kept one, so that no step waits for a device

    def bind(self, info: ClassInfo) -> None:
        """Learn how long an epoch is."""
        self._epoch = sum(info.class_counts)

    def forward(self, step: Step) -> float:
        """Epsilon, a Python number: the same until the next validation ends."""
        return self._epsilon

    def observe(self, step: Step) -> None:
        """Count what the model is trained with."""
        labels = step.labels
        self.validated["trained"] += labels.numel() // (labels.shape[-1] if labels.is_floating_point() else 1)

    def validate(self, logits: Tensor, labels: Tensor) -> None:
        """Add a validation batch: logits ``(..., K)``, labels ``(...,)`` or vote distributions ``(..., K)``."""
        with torch.no_grad():
            sums = inverse_temperature_sums(logits, labels)
            for name in (*SUMS, "count"):
                self.validated[name] += sums[name].to(self.validated[name])

    def learn_from_validation(self) -> None:
        """Find beta and move epsilon."""
        count, trained = self.validated["count"].item(), self.validated["trained"].item()
        if not count:
            raise InvalidArgument("validation", "no sample with a label", "some: smoothing=auto learns from them")
        log_beta, error = inverse_temperature(*(self.validated[name].tolist() for name in SUMS))
        amount = min(trained / max(self._epoch, self.least), self.longest) if self._epoch else 1.0
        self.kept["epsilon"].fill_(self.moved(self._epsilon, log_beta, error, amount))
        self.kept["log_beta"].fill_(log_beta)
        self._read()

    def moved(self, epsilon: float, log_beta: float, error: float, amount: float) -> float:
        """The next epsilon.

        Args:
            epsilon: the present one.
            log_beta: the validation's, in [-1, 1].
            error: its standard error, >= 0; may be inf.
            amount: of training since the last validation, in epochs.
        """
        trusted = log_beta / (1.0 + (error / self.doubt) ** 2)
        moved = (epsilon + self.offset) * math.exp(-self.rate * amount * trusted) - self.offset
        return min(max(moved, 0.0), self.limit)

    def record(self) -> dict[str, float]:
        """The last validation's beta: above 1 the model was under-confident."""
        log_beta = self.kept["log_beta"].item()
        return {} if math.isnan(log_beta) else {"inverse_temperature": math.exp(log_beta)}

    @property
    def epsilon(self) -> float:
        """The present one."""
        return self._epsilon

    def became(self) -> str:
        """What epsilon became and why, in a sentence; empty before the first validation."""
        if math.isnan(self.kept["log_beta"].item()):
            return ""
        way = "fell" if self._epsilon < self.start else "rose" if self._epsilon > self.start else "stayed"
        why = {
            "fell": "smoothed more, the model was less sure than it was right on validation data",
            "rose": "smoothed less, the model was surer than it was right on validation data",
            "stayed": "the model was as sure as it was right on validation data",
        }[way]
        temperature = math.exp(-self.kept["log_beta"].item())
        at = "at" if way == "stayed" else f"from {self.start:g} to"
        asks = f"its best temperature is now {temperature:.2f}, where 1 is none"
        return f"epsilon {way} {at} {self._epsilon:.2g}: {why}; {asks}"

    def set_extra_state(self, state: Any) -> None:
        """Take the state of a checkpoint."""
        super().set_extra_state(state)
        self._read()

    def _read(self) -> None:
        self._epsilon = min(self.kept["epsilon"].item(), self.limit)  # which float32 may round up

    def extra_repr(self) -> str:
        """Its arguments."""
        return f"start={self.start}, rate={self.rate}, limit={self.limit}"
