"""One dimension of a search: a key of the config and the values that it may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DIGITS = 6  # of a number without a step
Condition = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Parameter:
    """A key of the config that trials differ in.

    Args:
        key: as on the command line, ``optimizer.lr`` or ``smoothing``.
        when: other parameters with the values (as on the command line) under which this one is searched; in other
            trials the key keeps the config's value. Empty: always.
    """

    key: str
    when: Condition = field(default_factory=dict, kw_only=True)

    def applies(self, texts: Mapping[str, str]) -> bool:
        """Whether the parameter is searched in a trial in which ``texts`` have been chosen before it."""
        return all(texts.get(key) in wanted for key, wanted in self.when.items())

    def suggest(self, trial: Any) -> Any:
        """The value that the sampler of ``trial`` (Optuna's) chooses."""
        raise NotImplementedError

    def text(self, value: Any) -> str:
        """A value as on the command line."""
        raise NotImplementedError

    def points(self) -> list[Any] | None:
        """Every value in order; None where they cannot be counted."""
        raise NotImplementedError

    def corners(self) -> list[Any]:
        """The values to check before anything runs: each option, or both ends."""
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """Plain values by which a continued search is compared with the one that was begun."""
        raise NotImplementedError

    def _condition(self) -> dict[str, Any]:
        return {"when": {key: list(wanted) for key, wanted in self.when.items()}} if self.when else {}


@dataclass(frozen=True)
class Choice(Parameter):
    """One of several options without an order.

    Args:
        options: each as on the command line.
    """

    options: tuple[str, ...]

    def suggest(self, trial: Any) -> str:
        """See :class:`Parameter`."""
        return str(trial.suggest_categorical(self.key, list(self.options)))

    def text(self, value: Any) -> str:
        """See :class:`Parameter`."""
        return str(value)

    def points(self) -> list[Any]:
        """See :class:`Parameter`."""
        return list(self.options)

    def corners(self) -> list[Any]:
        """See :class:`Parameter`."""
        return list(self.options)

    def describe(self) -> dict[str, Any]:
        """See :class:`Parameter`."""
        return {"choices": list(self.options), **self._condition()}


@dataclass(frozen=True)
class Number(Parameter):
    """A number from ``low`` to ``high``, both included.

    Args:
        low: the least value.
        high: the greatest value; with a step, a whole number of steps above ``low``.
        step: the distance of neighbouring values; None for every number between.
        log: search the logarithm.
        whole: integers only.
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False
    whole: bool = False

    def suggest(self, trial: Any) -> float:
        """See :class:`Parameter`."""
        if self.whole:
            step = int(self.step or 1)
            return int(trial.suggest_int(self.key, int(self.low), int(self.high), step=step, log=self.log))
        return float(trial.suggest_float(self.key, self.low, self.high, step=self.step, log=self.log))

    def text(self, value: Any) -> str:
        """See :class:`Parameter`."""
        if self.whole:
            return str(int(value))
        # 0.1 + 2 * 0.1 is meant to be 0.3, and more digits than these are chance
        rounded = float(f"{value:.12g}" if self.step is not None else f"{value:.{DIGITS}g}")
        return repr(min(max(rounded, float(self.low)), float(self.high)))

    def points(self) -> list[Any] | None:
        """See :class:`Parameter`."""
        step = self.step or (1 if self.whole else None)
        if step is None or (self.log and not self.whole):
            return None
        count = round((self.high - self.low) / step) + 1
        values = [self.low + step * index for index in range(count)]
        return [int(value) for value in values] if self.whole else [float(f"{value:.12g}") for value in values]

    def corners(self) -> list[Any]:
        """See :class:`Parameter`."""
        return [self.low, self.high]

    def describe(self) -> dict[str, Any]:
        """See :class:`Parameter`."""
        kind = "int" if self.whole else "float"
        described: dict[str, Any] = {"low": self.low, "high": self.high, "type": kind}
        described |= {"step": self.step} if self.step is not None else {}
        return described | ({"log": True} if self.log else {}) | self._condition()
