"""Verdicts of each kind, made by hand."""

from __future__ import annotations

import re

from smoothlab.reports.deciding import verdict_of
from smoothlab.reports.verdict import Advice, Candidate, Case
from smoothlab.statistics.estimate import t_estimate

COMMANDS = {
    "none": "smoothlab train smoothing=none",
    "standard": "smoothlab train smoothing=standard smoothing.strength.epsilon=0.05",
    "boosting": "smoothlab train model=boosting",
}
ADVICE = Advice(COMMANDS, "smoothlab train smoothing=none calibrator=temperature", "smoothlab compare seeds=20", 250, 4)


def change(mean, error=0.01, level=0.95, freedom=200):
    return t_estimate(mean, [(error**2, freedom)], level, "a difference")


def candidate(name, mean, *, role="smoothing", validation=None, error=0.01, **more):
    return Candidate(
        name,
        role,
        mean if validation is None else validation,
        nll=change(mean, error),
        nll_p=change(mean, error).p,
        equivalence=change(mean, error, 0.9),
        **more,
    )


def verdict(*candidates, hero="standard", nll=0.5, design="folds", scaled=None, between=None, **more):
    return verdict_of(
        Case(
            **{"baseline": "none", "plain": True, "advice": ADVICE, "level": 0.95} | more,
            hero=hero,
            nll=nll,
            candidates=candidates,
            scaled=scaled,
            between=lambda first, second: between,
            design=design,
        )
    )


def numbers(text):
    """Every number of a sentence, names of arms and percentages apart."""
    return [float(number) for number in re.findall(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?![\w%])", text)]


HELPS = candidate("standard", -0.05)
HURTS = candidate("standard", 0.05, validation=0.04)
ALIKE = candidate("standard", 0.001, error=0.003)
OPEN = candidate("standard", -0.012)


EVERY = {
    "helps": lambda: verdict(HELPS, candidate("mixup", 0.1, role="rival")),
    "hurts": lambda: verdict(HURTS, candidate("temperature", -0.02, role="post_hoc"), between=change(-0.07)),
    "no_difference": lambda: verdict(ALIKE, scaled=change(0.0)),
    "cannot_tell": lambda: verdict(OPEN),
    "nothing": lambda: verdict(hero=None),
}
