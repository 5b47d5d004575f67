"""Samplers by name: how the next values are chosen."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from smoothlab.errors import UserMistake, reason_of
from smoothlab.sweeps.search.optional import load_optuna
from smoothlab.sweeps.search.parameter import Choice
from smoothlab.sweeps.search.space import Space

SAMPLERS = ("tpe", "random", "grid", "qmc", "nsga2", "cmaes")
KEY = "hydra.sweeper.sampler"
CLASSES = {
    "tpe": "TPESampler",
    "random": "RandomSampler",
    "grid": "RandomSampler",  # the search gives each point itself, and nothing is left to sample
    "qmc": "QMCSampler",
    "nsga2": "NSGAIISampler",
    "cmaes": "CmaEsSampler",
}
DEFAULTS: dict[str, dict[str, Any]] = {
    # without scrambling the first points are the corners of the space, and every seed gives the same ones
    "qmc": {"scramble": True, "warn_asynchronous_seeding": False, "warn_independent_sampling": False},
    "cmaes": {"warn_independent_sampling": False},
}


def sampler_factory(
    name: str, options: Mapping[str, Any], space: Space, *, objectives: int, seed: int
) -> Callable[[int], Any]:
    """From a trial's place among the trials, from 0, to the sampler of Optuna's that chooses its values.

    Each trial draws with a seed of its own, made of the search's seed and its place, so that a search that was cut off
    goes on as it would have gone on.

    Args:
        name: one of ``SAMPLERS``.
        options: further arguments of Optuna's class.
        space: what is searched.
        objectives: how many metrics are searched for at once.
        seed: of the search.

    Raises:
        UserMistake: no such sampler or option, or one that does not fit the space or the number of objectives.
    """
    if name not in SAMPLERS:
        raise UserMistake(f"{KEY} = {name!r}: expected one of {', '.join(SAMPLERS)}")
    if name == "cmaes":
        _check_cmaes(space, objectives)
    if name == "grid":
        space.grid()
    optuna = load_optuna()
    kind = getattr(optuna.samplers, CLASSES[name])
    known = [key for key in inspect.signature(kind).parameters if key != "seed"] if name != "grid" else []
    for option in options:
        if option not in known:
            raise UserMistake(
                f"hydra.sweeper.sampler_options.{option}: {name} takes no such option"
                + (f"; expected {', '.join(known)}" if known else "")
            )
    arguments = {**DEFAULTS.get(name, {}), **options}

    def make(place: int) -> Any:
        drawn = int(np.random.SeedSequence([seed, place]).generate_state(1)[0])
        if name != "qmc":
            return kind(seed=drawn, **arguments)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            # its points are one sequence only with one seed
            return kind(seed=seed, **{"independent_sampler": optuna.samplers.RandomSampler(drawn), **arguments})

    try:
        make(0)
    except (TypeError, ValueError) as error:
        reason = reason_of(error)
        raise UserMistake(f"hydra.sweeper.sampler_options: {reason}") from None
    return make


def _check_cmaes(space: Space, objectives: int) -> None:
    try:
        import cmaes  # noqa: F401
    except ImportError:
        raise UserMistake(f"{KEY} = 'cmaes': needs the package cmaes; pip install 'smoothlab[sweeps]'") from None
    if objectives > 1:
        raise UserMistake(f"{KEY} = 'cmaes': one objective only; expected nsga2, tpe, random, qmc or grid")
    for parameter in space:
        if isinstance(parameter, Choice):
            raise UserMistake(f"{KEY} = 'cmaes': {parameter.key} is a choice; it takes numbers only")
        if parameter.when:
            raise UserMistake(
                f"{KEY} = 'cmaes': {parameter.key} has a condition; it takes parameters of every trial only"
            )
    if len(space) < 2:
        raise UserMistake(f"{KEY} = 'cmaes': needs at least two numbers to search")


class AtItsPlace:
    """A sampler of Optuna's, in which each trial draws from one of its own, by its place.

    So a trial's values do not depend on which command asked for it, or on how often others were tried again.

    Args:
        make: from a place to a sampler, of ``sampler_factory``.
        place: from a trial to its place.
    """

    def __init__(self, make: Callable[[int], Any], place: Callable[[Any], int]) -> None:
        self._make = make
        self._place = place
        self._inner = make(0)

    def before_trial(self, study: Any, trial: Any) -> None:
        """Take the sampler of the trial's place."""
        self._inner = self._make(self._place(trial))
        self._inner.before_trial(study, trial)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
