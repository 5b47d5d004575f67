"""Decisions from calibrated probabilities, where the most probable class is not the one to act on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smoothlab.errors import InvalidArgument
from smoothlab.metrics.costs import cost_matrix, first_of_equals
from smoothlab.ties import ROUNDING, first_of_ties

Array = NDArray[np.float64]
FORMAT = 1


class Decision:
    """A rule from probabilities ``(N, K)`` to a class each."""

    kind: ClassVar[str] = ""
    class_names: list[str]
    costs: Array | None = None
    positive: int | None = None  # the class that a rule of two classes is about

    def fit(self, probabilities: Any, labels: Any) -> Self:
        """Choose what the rule leaves open, on samples that the model was not trained on.

        Args:
            probabilities: ``(N, K)``.
            labels: ``(N,)`` class indices, or ``(N, K)`` votes, which count by their mode.
        """
        return self

    def decide(self, probabilities: Tensor) -> Tensor:
        """The class of each row, ``(N,)``."""
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        """What the rule is, plain values; the same keys make it again."""
        raise NotImplementedError

    def to_state(self) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        return {"format": FORMAT, "kind": self.kind, "settings": self.settings()}

    def operating_point(self, probabilities: Any, labels: Any) -> dict[str, Any]:
        """What the decisions are worth on samples; see :func:`operating_point`."""
        p, truth = _read(probabilities, labels)
        decided = self.decide(torch.from_numpy(p)).numpy()
        return operating_point(truth, decided, self.class_names, positive=self.positive, costs=self.costs)


def _youden(rates: Mapping[str, Array]) -> Array:
    return rates["sensitivity"] + rates["specificity"]


def _f1(rates: Mapping[str, Array]) -> Array:
    return rates["f1"]


def _accuracy(rates: Mapping[str, Array]) -> Array:
    return rates["accuracy"]


# What a threshold may be the best for, and what it may be held to with what is then the best.
BEST: dict[str, Callable[[Mapping[str, Array]], Array]] = {"youden": _youden, "f1": _f1, "accuracy": _accuracy}
HELD = {"sensitivity": "specificity", "specificity": "sensitivity", "precision": "sensitivity"}
OBJECTIVES = (*BEST, *HELD, "cost")


class Threshold(Decision):
    """The positive of two classes where its probability is at least a threshold.

    The threshold is one between two neighbouring probabilities of the samples, the best for the objective; of equally
    good ones the nearest to 1/2.

    Args:
        class_names: two names, in the order of the logits.
        positive: the class that is looked for, by name; None for the second.
        objective: ``youden`` (sensitivity + specificity), ``f1``, ``accuracy`` or ``cost`` (the smallest mean cost); or
            ``sensitivity``, ``specificity`` or ``precision``: at least ``at_least`` of it, with the largest
            specificity, sensitivity and sensitivity that is then left; a precision that no threshold reaches is the
            largest one there is.
        at_least: in (0, 1], for those three; else None.
        costs: of each decision where each class is true, for ``cost`` and the report; see
            :func:`smoothlab.metrics.cost_matrix`.
        threshold: a threshold in [0, 1] that is given, so that none is fitted; None to fit it.

    Raises:
        InvalidArgument: arguments that do not fit together; on fitting, samples of one class alone.

    Source: Youden, "Index for rating diagnostic tests", Cancer 1950.
    """

    kind = "threshold"
    positive: int

    def __init__(
        self,
        class_names: Sequence[str],
        positive: str | None = None,
        objective: str = "youden",
        at_least: float | None = None,
        costs: Any = None,
        threshold: float | None = None,
    ) -> None:
        self.class_names = [str(name) for name in class_names]
        if len(self.class_names) != 2:
            expected = "two; with more take decision=costs"
            raise InvalidArgument("threshold", f"{len(self.class_names)} classes", expected)
        if positive is not None and str(positive) not in self.class_names:
            raise InvalidArgument("positive", positive, f"one of {', '.join(self.class_names)}")
        self.positive = 1 if positive is None else self.class_names.index(str(positive))
        if objective not in OBJECTIVES:
            raise InvalidArgument("objective", objective, f"one of {', '.join(OBJECTIVES)}")
        if objective in HELD and not _is_share(at_least, above=0.0):
            raise InvalidArgument("at_least", at_least, f"a number in (0, 1], the {objective} to hold")
        if objective not in HELD and at_least is not None:
            raise InvalidArgument("at_least", at_least, f"null; it is for {', '.join(HELD)}")
        if objective == "cost" and costs is None:
            raise InvalidArgument("costs", None, "the cost of each decision, for the objective cost")
        if threshold is not None and not _is_share(threshold):
            raise InvalidArgument("threshold", threshold, "a number in [0, 1], or null")
        self.objective, self.at_least, self.given = objective, at_least, threshold is not None
        self.threshold = 0.5 if threshold is None else float(threshold)
        self.costs = None if costs is None else cost_matrix(costs, self.class_names)

    def fit(self, probabilities: Any, labels: Any) -> Self:
        """See :class:`Decision`."""
        if self.given:
            return self
        p, truth = _read(probabilities, labels)
        score, positive = p[:, self.positive], truth == self.positive
        if not 0 < positive.sum() < len(positive):
            raise InvalidArgument("labels", "one class alone", "samples of both, to fit a threshold")
        rising = np.sort(score)
        first = first_of_ties(rising, ROUNDING)[1:]
        between = np.concatenate([[0.0], (rising[first] + rising[first - 1]) / 2, [np.nextafter(1.0, 2.0)]])
        rates = _rates(score, positive, between)
        if self.objective == "cost":
            assert self.costs is not None
            worth, fits = -self._costs_at(rates), np.ones(len(between), bool)
        elif self.objective in BEST:
            worth, fits = BEST[self.objective](rates), np.ones(len(between), bool)
        else:
            worth, fits = rates[HELD[self.objective]], rates[self.objective] >= (self.at_least or 0.0)
        if not fits.any():  # a precision that these samples do not allow: the nearest to it; the report tells which
            fits = rates[self.objective] >= np.nanmax(rates[self.objective])
        worth = np.where(fits & np.isfinite(worth), worth, -np.inf)
        best = np.flatnonzero(worth >= worth.max() - 1e-12)
        self.threshold = float(between[best[np.abs(between[best] - 0.5).argmin()]])
        return self

    def decide(self, probabilities: Tensor) -> Tensor:
        """See :class:`Decision`."""
        return torch.where(probabilities[:, self.positive] >= self.threshold, self.positive, 1 - self.positive)

    def settings(self) -> dict[str, Any]:
        """See :class:`Decision`."""
        return {
            "positive": self.class_names[self.positive],
            "objective": self.objective,
            "at_least": self.at_least,
            "costs": None if self.costs is None else self.costs.tolist(),
            "threshold": self.threshold,
        }

    def _costs_at(self, rates: Mapping[str, Array]) -> Array:
        assert self.costs is not None
        yes, no = self.positive, 1 - self.positive
        counts = {(yes, yes): "hits", (yes, no): "misses", (no, yes): "alarms", (no, no): "quiet"}
        return sum((self.costs[pair] * rates[name] for pair, name in counts.items()), start=np.zeros(1))


class Costs(Decision):
    """The class whose expected cost is the smallest, the first of equals: ``argmin_j sum_i p_i C[i, j]``.

    It follows from the probabilities and is right if they are, so that nothing is fitted but the calibrator before it.

    Args:
        costs: of each decision where each class is true; see :func:`smoothlab.metrics.cost_matrix`.
        class_names: K names, in the order of the logits.

    Raises:
        InvalidArgument: costs that do not fit the classes.

    Source: Elkan, "The Foundations of Cost-Sensitive Learning", IJCAI 2001 (whose matrix is the transpose).
    """

    kind = "costs"

    def __init__(self, costs: Any, class_names: Sequence[str]) -> None:
        self.class_names = [str(name) for name in class_names]
        if costs is None:
            raise InvalidArgument("costs", None, "the cost of each decision where each class is true")
        self.costs: Array = cost_matrix(costs, self.class_names)
        self.positive = 1 if len(self.class_names) == 2 else None

    def decide(self, probabilities: Tensor) -> Tensor:
        """See :class:`Decision`."""
        return (probabilities.double() @ torch.from_numpy(first_of_equals(self.costs))).argmin(1)

    def settings(self) -> dict[str, Any]:
        """See :class:`Decision`."""
        return {"costs": self.costs.tolist()}


KINDS: dict[str, type[Threshold] | type[Costs]] = {"threshold": Threshold, "costs": Costs}


def decision_from_state(state: Mapping[str, Any], class_names: Sequence[str]) -> Decision:
    """The decision whose ``to_state`` this is.

    Raises:
        InvalidArgument: a kind or format that this version does not know, or settings that are not its.
    """
    kind = KINDS.get(str(state.get("kind")))
    if kind is None or state.get("format") != FORMAT or not isinstance(state.get("settings"), Mapping):
        raise InvalidArgument("decision.kind", state.get("kind"), f"one of {', '.join(KINDS)}, format {FORMAT}")
    try:
        return kind(class_names=class_names, **state["settings"])
    except TypeError:
        raise InvalidArgument("decision.settings", sorted(state["settings"]), f"those of {kind.__name__}") from None


def operating_point(
    labels: Any, decided: Any, class_names: Sequence[str], *, positive: int | None = None, costs: Array | None = None
) -> dict[str, Any]:
    """What decisions are worth, as shares; what is not defined is left out.

    Args:
        labels: ``(N,)`` class indices.
        decided: ``(N,)`` class indices.
        class_names: in the order of the indices.
        positive: of two classes the one looked for: ``sensitivity``, ``specificity``, ``precision``,
            ``negative_predictive_value`` and ``f1`` are told; else ``recall`` and ``precision`` by class.
        costs: ``(K, K)``; ``expected_cost`` is their mean over the samples.
    """
    truth, chosen = np.asarray(labels), np.asarray(decided)
    size = len(class_names)
    table = np.bincount(truth * size + chosen, minlength=size * size).reshape(size, size).astype(float)
    total = table.sum()
    point: dict[str, Any] = {"samples": int(total), "accuracy": table.trace() / total}
    if costs is not None:
        point["expected_cost"] = float((table * costs).sum() / total)
    if positive is not None and size == 2:
        yes, no = positive, 1 - positive
        hits, misses, alarms, quiet = table[yes, yes], table[yes, no], table[no, yes], table[no, no]
        shares = {
            "sensitivity": (hits, hits + misses),
            "specificity": (quiet, quiet + alarms),
            "precision": (hits, hits + alarms),
            "negative_predictive_value": (quiet, quiet + misses),
            "f1": (2 * hits, 2 * hits + misses + alarms),
            "decided_positive": (hits + alarms, total),
        }
        return point | {name: float(part / whole) for name, (part, whole) in shares.items() if whole}
    right, true, predicted = table.diagonal(), table.sum(1), table.sum(0)
    point["recall"] = {name: float(right[k] / true[k]) for k, name in enumerate(class_names) if true[k]}
    point["precision"] = {name: float(right[k] / predicted[k]) for k, name in enumerate(class_names) if predicted[k]}
    return point


def _rates(score: Array, positive: NDArray[np.bool_], thresholds: Array) -> dict[str, Array]:
    """Rates of each threshold; nan where one is not defined."""
    of_yes, of_no = np.sort(score[positive]), np.sort(score[~positive])
    total = len(score)
    misses = np.searchsorted(of_yes, thresholds, "left").astype(float)
    quiet = np.searchsorted(of_no, thresholds, "left").astype(float)
    hits, alarms = len(of_yes) - misses, len(of_no) - quiet
    with np.errstate(invalid="ignore"):
        precision = hits / (hits + alarms)
    return {
        "sensitivity": hits / len(of_yes),
        "specificity": quiet / len(of_no),
        "precision": precision,
        "f1": 2 * hits / (2 * hits + misses + alarms),
        "accuracy": (hits + quiet) / total,
        "hits": hits / total,
        "misses": misses / total,
        "alarms": alarms / total,
        "quiet": quiet / total,
    }


def _read(probabilities: Any, labels: Any) -> tuple[Array, NDArray[np.int64]]:
    p = torch.as_tensor(probabilities).detach().cpu().double().numpy()
    truth = torch.as_tensor(labels).detach().cpu()
    truth = truth.argmax(1) if truth.ndim == 2 else truth
    if p.ndim != 2 or truth.shape != (len(p),) or not len(p):
        raise InvalidArgument("probabilities", p.shape, "shape (N, K), with N labels")
    return p, truth.long().numpy()


def _is_share(value: object, *, above: float = -1.0) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and above < value <= 1 and value >= 0  # type: ignore[operator]
