"""Scheduled strengths: epsilon moves from one value to another as the training goes on."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_number, check_share, check_whole
from smoothlab.step import Step


@dataclass(frozen=True)
class Schedule(ABC):
    """Epsilon on its way from ``start`` to ``end``; rising or falling, whichever the two numbers say.

    With the share of the way in time, ``u = clip((progress - warm_up) / (1 - warm_up - hold), 0, 1)``, and the
    schedule's own curve s, which goes from s(0) = 0 to s(1) = 1:

        epsilon = (1 - s(u)) * start + s(u) * end

    Progress is that of the whole run as it was planned, so a run that stops early may never see the end.

    Args:
        start: epsilon at the beginning, in [0, 1).
        end: epsilon at the end, in [0, 1).
        warm_up: share of the training, in [0, 1), during which epsilon stays at ``start`` before it moves.
        hold: share of the training, in [0, 1), during which it stays at ``end`` after that; with the warm-up less
            than 1.

    Raises:
        InvalidArgument: for an argument outside its range.
    """

    start: float
    end: float
    warm_up: float = 0.0
    hold: float = 0.0

    follows_progress: ClassVar[bool] = True  # a run with one needs an end

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            object.__setattr__(self, name, check_share(name, getattr(self, name)))
        for name in ("warm_up", "hold"):
            share = check_share(name, getattr(self, name), "a share of the training in [0, 1)")
            object.__setattr__(self, name, share)
        if self.warm_up + self.hold >= 1.0:
            raise InvalidArgument("hold", self.hold, f"less than {1 - self.warm_up:g}, what the warm-up leaves")

    @abstractmethod
    def curve(self, u: float) -> float:
        """Share of the way from start to end at ``u``, both in [0, 1]."""

    def __call__(self, step: Step) -> float:
        """Epsilon at this step's progress, a Python number."""
        u = (step.progress - self.warm_up) / (1.0 - self.warm_up - self.hold)
        share = self.curve(min(max(u, 0.0), 1.0))
        # rounding must not lead out of the range
        low, high = sorted((self.start, self.end))
        return min(max((1.0 - share) * self.start + share * self.end, low), high)


@dataclass(frozen=True)
class Linear(Schedule):
    """Epsilon moves in a straight line: ``s(u) = u``.

    Falling from ``start`` to 0 it is gradual label smoothing, as in the code of pkd9001/Gradual_Label_Smoothing,
    which sets epsilon once an epoch and divides by zero for a run of one epoch; here it is a matter of progress.
    """

    def curve(self, u: float) -> float:
        """A straight line."""
        return u


@dataclass(frozen=True)
class Cosine(Schedule):
    """Epsilon moves slowly, fast, slowly: ``s(u) = (1 - cos(pi u)) / 2``.

    Source: the curve of Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017, there
    for the learning rate.
    """

    def curve(self, u: float) -> float:
        """Half a wave."""
        return (1.0 - math.cos(math.pi * u)) / 2.0


@dataclass(frozen=True)
class Stepwise(Schedule):
    """Epsilon moves in equal jumps, and all its ``jumps + 1`` levels last equally long.

    ``s(u) = min(floor(u * (jumps + 1)), jumps) / jumps``

    Args:
        start: see :class:`Schedule`, as ``end``, ``warm_up`` and ``hold``.
        end: as above.
        warm_up: as above.
        hold: as above.
        jumps: how many, at least 1.
    """

    jumps: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("jumps", self.jumps, 1)

    def curve(self, u: float) -> float:
        """A staircase."""
        # the small number keeps the jump where it is meant although 0.29 * 100 is 28.999999999999996
        return min(math.floor(u * (self.jumps + 1) + 1e-9), self.jumps) / self.jumps


@dataclass(frozen=True)
class Exponential(Schedule):
    """Epsilon moves fast first and then ever more slowly: ``s(u) = (1 - exp(-rate u)) / (1 - exp(-rate))``.

    It reaches ``end`` exactly, and may start or end at 0, where a geometric series cannot. Where both are above 0,
    ``rate = log(start / end)`` is that series, ``start * (end / start) ** u``.

    Args:
        start: see :class:`Schedule`, as ``end``, ``warm_up`` and ``hold``.
        end: as above.
        warm_up: as above.
        hold: as above.
        rate: how much faster it moves at the beginning than at the end, as a logarithm: the speeds are
            ``exp(rate)`` to 1. A negative one starts slowly; in [-50, 50] and not 0, which would be :class:`Linear`.
    """

    rate: float = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        expected = "a number in [-50, 50], not 0"
        rate = check_number("rate", self.rate, expected, at_least=-50, at_most=50)
        if rate == 0.0:
            raise InvalidArgument("rate", rate, expected)
        object.__setattr__(self, "rate", rate)

    def curve(self, u: float) -> float:
        """An exponential that goes through (0, 0) and (1, 1)."""
        return math.expm1(-self.rate * u) / math.expm1(-self.rate)
