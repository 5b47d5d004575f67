"""CALS-ALM: margins of the logits as constraints, class by class, by an augmented Lagrangian."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from smoothlab.classes.info import ClassInfo
from smoothlab.errors import InvalidArgument
from smoothlab.learner import Learner
from smoothlab.losses.by_row import by_row
from smoothlab.losses.penalties.class_sums import add_to_classes, check_classes, class_zeros, means
from smoothlab.losses.penalties.penalty import number_of, taking_part
from smoothlab.numbers import check_number, check_whole
from smoothlab.step import Step
from smoothlab.targets import SoftTarget, check_tensor

Function = Literal["phr", "p2", "p3"]


class AugmentedLagrangian(Learner):
    """``mean_k P(h_k, lambda_k, rho_k)`` with the constraint ``h_k = (max_j z_j - z_k - margin) / margin <= 0``.

    Each class has a multiplier lambda and a rho that a validation learns, so that no weight has to be sought. The
    penalty-Lagrangian function P and its derivative P' by h, by name:

    - ``phr``: with ``x = lambda + rho h``, ``(x^2 - lambda^2) / (2 rho)`` and x for x >= 0, else
      ``-lambda^2 / (2 rho)`` and 0.
    - ``p2``: ``lambda h + lambda rho h^2 + rho^2 h^3 / 6`` for h >= 0, else ``lambda h / (1 - rho h)``.
    - ``p3``: ``lambda h + lambda rho h^2`` for h >= 0, else as ``p2``.

    After every ``multiplier_every``-th validation, ``lambda_k`` becomes the mean over its samples of P', each clipped
    to the multipliers' bounds. After every ``rho_every``-th (and not the first), ``rho_k`` is multiplied by ``growth``
    where the mean of h_k is above ``tolerance`` times that of the validation before (0 where that was negative), and
    clipped. The sums are those of all ranks, numerators and counts, so that shards may differ in size.

    Args:
        margin: a distance of logits, above 0; the authors take 10.
        function: P, one of the three; the authors take ``"phr"``.
        multiplier_min: of a multiplier, and its start; above 0.
        multiplier_max: of a multiplier, at least ``multiplier_min``.
        multiplier_every: validations between updates of the multipliers, at least 1.
        rho_min: of a rho, and its start; above 0.
        rho_max: of a rho, at least ``rho_min``.
        rho_every: validations between updates of rho; 0 keeps it at ``rho_min``.
        growth: of rho, at least 1; the authors' gamma.
        tolerance: how much less a violation must be than the last to be good enough, in [0, 1]; the authors' tao.
        normalize: divide h by the margin.

    A class whose logit is -inf takes no part: it has the gradient 0, and counts neither in the mean over the classes
    nor in those over the samples. In the original the state is in no checkpoint, so that a resumed run starts from the
    first multipliers, and ranks are averaged whatever the number of their samples.

    Raises:
        InvalidArgument: for an argument outside its range; for logits of another number of classes than was learned.

    Source: Liu, Rony, Galdran, Dolz and Ben Ayed, "Class Adaptive Network Calibration", CVPR 2023.
    """

    def __init__(
        self,
        margin: float = 10.0,
        function: Function = "phr",
        multiplier_min: float = 1e-6,
        multiplier_max: float = 1e6,
        multiplier_every: int = 1,
        rho_min: float = 1.0,
        rho_max: float = 10.0,
        rho_every: int = 10,
        growth: float = 1.2,
        tolerance: float = 0.9,
        normalize: bool = True,
    ) -> None:
        super().__init__()
        if function not in FUNCTIONS:
            raise InvalidArgument("function", function, f"one of {', '.join(FUNCTIONS)}")
        for name, value in (("margin", margin), ("multiplier_min", multiplier_min), ("rho_min", rho_min)):
            check_number(name, value, above=0)
        check_number("multiplier_max", multiplier_max, at_least=multiplier_min)
        check_number("rho_max", rho_max, at_least=rho_min)
        check_number("growth", growth, at_least=1)
        check_number("tolerance", tolerance, at_least=0, at_most=1)
        check_whole("multiplier_every", multiplier_every, 1)
        check_whole("rho_every", rho_every, 0)
        self.margin = margin
        self.function = function
        self.multiplier_min = multiplier_min
        self.multiplier_max = multiplier_max
        self.multiplier_every = multiplier_every
        self.rho_min = rho_min
        self.rho_max = rho_max
        self.rho_every = rho_every
        self.growth = growth
        self.tolerance = tolerance
        self.normalize = normalize

    def bind(self, info: ClassInfo) -> None:
        """Make room for the data's classes, if there is none yet."""
        self._make_room(len(info.class_names), torch.device("cpu"))

    def _make_room(self, num_classes: int, device: torch.device) -> None:
        check_classes(self.kept.get("multipliers"), num_classes)
        if self.kept:
            return
        zeros = class_zeros(num_classes, device)
        self.kept["multipliers"] = zeros + self.multiplier_min
        self.kept["rho"] = zeros + self.rho_min
        self.kept["constraint"] = zeros.clone()  # of the last validation
        self.kept["validations"] = zeros.new_zeros(())
        self.validated |= {name: zeros.clone() for name in ("derivative", "constraint", "count")}

    @by_row
    def forward(self, logits: Tensor, target: SoftTarget, step: Step | None = None) -> Tensor:
        """The penalty of each row, ``(...)``, from logits ``(..., K)``; the target is not looked at."""
        h, masked = self._constraints(logits)
        values = FUNCTIONS[self.function](h, *self._factors(h))[0]
        return values.masked_fill(masked, 0).sum(-1) / number_of(masked)

    def _constraints(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        z, masked = taking_part(logits)
        h = (z.max(-1, keepdim=True).values - z).masked_fill(masked, 0) - self.margin
        return h / self.margin if self.normalize else h, masked

    def _factors(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Multipliers and rho, ``(K,)`` each, or their starts where nothing was learned and K was not told."""
        check_classes(self.kept.get("multipliers"), h.shape[-1])
        if not self.kept:
            return h.new_tensor(self.multiplier_min), h.new_tensor(self.rho_min)
        return self.kept["multipliers"].to(h.device, h.dtype), self.kept["rho"].to(h.device, h.dtype)

    def validate(self, logits: Tensor, labels: Tensor) -> None:
        """Add constraints and derivatives of logits ``(..., K)``; the labels are not looked at."""
        check_tensor("logits", logits, "a float tensor of shape (..., K)")
        self._make_room(logits.shape[-1], logits.device)
        h, masked = self._constraints(logits)
        derivative = FUNCTIONS[self.function](h, *self._factors(h))[1]
        derivative = derivative.clamp(self.multiplier_min, self.multiplier_max)
        add_to_classes(self.validated, masked, derivative=derivative, constraint=h)

    def learn_from_validation(self) -> None:
        """New multipliers and rho; those of a class without samples stay."""
        if not self.kept:
            return
        multipliers, rho, before = (self.kept[name] for name in ("multipliers", "rho", "constraint"))
        constraint = means(self.validated, "constraint", otherwise=before)
        number = self.kept["validations"] + 1
        if _due(number, self.multiplier_every):
            mean = means(self.validated, "derivative", otherwise=multipliers)
            self.kept["multipliers"] = mean.clamp(self.multiplier_min, self.multiplier_max)
        if self.rho_every and number > 1 and _due(number, self.rho_every):
            grown = torch.where(constraint > before.clamp_min(0) * self.tolerance, rho * self.growth, rho)
            self.kept["rho"] = grown.clamp(self.rho_min, self.rho_max)
        self.kept["constraint"] = constraint
        self.kept["validations"] = number

    def record(self) -> dict[str, float]:
        """Mean and largest multiplier and rho."""
        numbers: dict[str, float] = {}
        for name in ("multipliers", "rho") if self.kept else ():
            values = self.kept[name].cpu()
            numbers |= {f"{name}_mean": values.mean().item(), f"{name}_max": values.max().item()}
        return numbers

    def extra_repr(self) -> str:
        """The settings."""
        names = (
            *("margin", "function", "multiplier_min", "multiplier_max", "multiplier_every"),
            *("rho_min", "rho_max", "rho_every", "growth", "tolerance", "normalize"),
        )
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in names)


def _due(number: Tensor, every: int) -> bool:
    return int(number) % every == 0


def _phr(h: Tensor, multiplier: Tensor, rho: Tensor) -> tuple[Tensor, Tensor]:
    x = (multiplier + rho * h).clamp_min(0)  # at 0 both branches are the same
    return (x.square() - multiplier.square()) / (2 * rho), x


def _p2(h: Tensor, multiplier: Tensor, rho: Tensor) -> tuple[Tensor, Tensor]:
    above = h.clamp_min(0)
    value, derivative = _p3(h, multiplier, rho)
    return value + rho.square() * above**3 / 6, derivative + rho.square() * above.square() / 2


def _p3(h: Tensor, multiplier: Tensor, rho: Tensor) -> tuple[Tensor, Tensor]:
    above, below = h.clamp_min(0), 1 - rho * h.clamp_max(0)
    value = torch.where(h >= 0, h + rho * above.square(), h / below)
    derivative = torch.where(h >= 0, 1 + 2 * rho * above, below**-2)
    return multiplier * value, multiplier * derivative


FUNCTIONS = {"phr": _phr, "p2": _p2, "p3": _p3}
