"""How the labels of synthetic rows come about: readers, each of them wrong now and then, in a known way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from smoothlab.data.synthetic.domain import Numbers
from smoothlab.data.synthetic.draws import choices
from smoothlab.errors import InvalidArgument

Noise = Literal["none", "symmetric", "pair"]
Label = Literal["first", "votes"]


@dataclass(frozen=True)
class Labelled:
    """What readers say about rows.

    Args:
        first: what the first reader says ``(N,)``.
        votes: shares of the readers ``(N, K)``, or None where there is one.
        sources: where each row comes from ``(N,)``, or None where there is one source.
    """

    first: NDArray[np.int64]
    votes: Numbers | None
    sources: NDArray[np.int64] | None


class Labelling:
    """Readers see a row, not its class: their answers are draws from its posterior, then changed by label noise.

    Noise with rate r leaves a label as it is with probability 1 - r. ``symmetric`` changes it to any other class alike,
    ``pair`` to the next one, after the last to the first. So the posterior of what a reader says is

        p_label(. | x) = (1 - r) p(. | x) + r p(. | x) E,    E_jk = 1 / (K - 1) for k != j, or 1 for k = j + 1

    Rows come from ``sources`` in equal parts; the rates of the sources rise in equal steps from 0 to 2 r, so that r is
    their mean. A row does not show its source, and the posterior given the row is the one with r.

    Args:
        num_classes: K.
        noise: none, symmetric or pair.
        noise_rate: r, in [0, 1); with several sources at most 0.5. Without a noise it is not used.
        sources: at least 1.
        readers: at least 1.
    """

    def __init__(self, num_classes: int, *, noise: Noise, noise_rate: float, sources: int, readers: int) -> None:
        if noise not in ("none", "symmetric", "pair"):
            raise InvalidArgument("noise", noise, "none, symmetric or pair")
        if sources < 1:
            raise InvalidArgument("sources", sources, "an integer of at least 1")
        if readers < 1:
            raise InvalidArgument("readers", readers, "an integer of at least 1")
        if not (0 <= noise_rate <= 0.5 or (sources == 1 and 0 <= noise_rate < 1)):
            expected = "a number in [0, 1)" if sources == 1 else "a number in [0, 0.5], as sources go up to twice of it"
            raise InvalidArgument("noise_rate", noise_rate, expected)
        self.num_classes = num_classes
        self.noise = noise
        self.rate = 0.0 if noise == "none" else float(noise_rate)
        self.sources = sources
        self.readers = readers
        self.rates = self.rate * (np.linspace(0, 2, sources) if sources > 1 else np.ones(1))
        self.draws = 3 + readers - 1  # uniform numbers a row: source, whether the first errs, how, a vote each

    def posterior(self, clean: Numbers, rate: float | Numbers | None = None) -> Numbers:
        """Of what a reader says ``(N, K)``, of the classes' posterior ``(N, K)``; at a rate ``(N, 1)``, or the mean."""
        rate = self.rate if rate is None else rate
        if self.noise == "pair":
            return (1 - rate) * clean + rate * np.roll(clean, 1, axis=1)
        return (1 - rate) * clean + rate * (1 - clean) / (self.num_classes - 1)

    def label(self, classes: NDArray[np.int64], clean: Numbers, uniform: Numbers, *, noisy: bool) -> Labelled:
        """What the readers say.

        Args:
            classes: the true classes ``(N,)``; the first reader says them, less the noise.
            clean: their posterior ``(N, K)``; the others draw from it.
            uniform: numbers in (0, 1), ``(N, draws)``.
            noisy: whether there is any noise.
        """
        source = np.minimum((uniform[:, 0] * self.sources).astype(np.int64), self.sources - 1)
        rate = self.rates[source] if noisy else np.zeros(len(classes))
        if self.noise == "pair":
            steps = np.ones_like(classes)
        else:
            steps = 1 + np.minimum((uniform[:, 2] * (self.num_classes - 1)).astype(np.int64), self.num_classes - 2)
        first = np.where(uniform[:, 1] < rate, (classes + steps) % self.num_classes, classes)
        votes = None
        if self.readers > 1:
            others = choices(self.posterior(clean, rate[:, None]), uniform[:, 3 : 3 + self.readers - 1])
            votes = np.zeros((len(classes), self.num_classes))
            for answers in (first, *others.T):
                votes[np.arange(len(answers)), answers] += 1
            votes /= self.readers
        return Labelled(first, votes, source if self.sources > 1 else None)
