"""The trials of a search so far, and the next one: Optuna's study, kept in the sweep directory."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smoothlab.errors import UserMistake
from smoothlab.sweeps.search.optional import load_optuna
from smoothlab.sweeps.search.parameter import Choice
from smoothlab.sweeps.search.places import POINT, REPLACED, SURPLUS, in_places, place_of
from smoothlab.sweeps.search.samplers import AtItsPlace
from smoothlab.sweeps.search.space import Space

NAME = "search"
SETTINGS = "smoothlab:settings"
REASON = "smoothlab:reason"
DIRECTORY = "smoothlab:directory"
DONE, FAILED, PRUNED, RUNNING, WAITING = "done", "failed", "pruned", "running", "waiting"
INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Objective:
    """What a search looks for.

    Args:
        name: a validation metric, ``val/nll``.
        mode: ``min`` or ``max``, which is better.
    """

    name: str
    mode: str


@dataclass(frozen=True)
class Trial:
    """One trial as the study knows it.

    Args:
        number: from 0 in the order of asking.
        state: ``done``, ``failed``, ``pruned``, ``running`` or ``waiting``.
        overrides: what the trial has of its own, the space's fixed ones included.
        values: by objective, of a trial that is done; None otherwise.
        reason: why it failed or was pruned.
        directory: name of its run directory, once it was started.
        seconds: from its first start to its end, where it has ended.
    """

    number: int
    state: str
    overrides: tuple[str, ...]
    values: tuple[float, ...] | None = None
    reason: str | None = None
    directory: str | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Ended:
    """How a trial's run ended.

    Args:
        number: the trial's.
        state: ``done``, ``failed``, ``pruned`` or ``interrupted``.
        values: of a run that is done, by objective; None where it has none.
        reason: of a run that is not done.
    """

    number: int
    state: str
    values: tuple[float | None, ...] = ()
    reason: str = ""


class Study:
    """Ask for trials and tell how they ended; everything is on the disk at once.

    Args:
        storage: from ``open_storage``.
        space: what is searched.
        sampler: from a trial's place to its sampler, of ``sampler_factory``.
        pruner: from ``make_pruner``.
        objectives: at least one.
        total: how many trials the search has in all, those of former starts included.
        grid: give each point of the space in order, in place of sampling.
        settings: plain values that must not change when the search is continued.
        name: of the study in its storage.

    Raises:
        UserMistake: the storage holds a search with other settings.
    """

    look_seconds: float | None = None  # how often to look what other commands have done

    def __init__(
        self,
        storage: Any,
        space: Space,
        *,
        sampler: Callable[[int], Any],
        pruner: Any,
        objectives: Sequence[Objective],
        total: int,
        grid: bool = False,
        settings: Mapping[str, Any] | None = None,
        name: str = NAME,
    ) -> None:
        self.optuna = load_optuna()
        self.space = space
        self.name = name
        self.objectives = tuple(objectives)
        self.total = total
        self._sampler = AtItsPlace(sampler, lambda trial: place_of(trial, self._study.get_trials(deepcopy=False)))
        self._points = space.grid() if grid else None
        self._settings = json.loads(json.dumps(dict(settings or {})))  # as they come back from the storage
        self._running: dict[int, Any] = {}  # Optuna's trials of this start, by number
        self._study = self.optuna.create_study(
            study_name=name,
            storage=storage,
            sampler=self._sampler,
            pruner=pruner,
            directions=["minimize" if objective.mode == "min" else "maximize" for objective in objectives],
            load_if_exists=True,
        )
        self._check_settings()
        self._check_values()

    # Trials -----------------------------------------------------------------------------------------------------------

    def trials(self) -> list[Trial]:
        """Every trial in order, without those that were tried again as another one."""
        return [self._seen(frozen) for frozen in self._counted()]

    def ended(self) -> int:
        """How many trials have ended, well or not."""
        return sum(trial.state in (DONE, FAILED, PRUNED) for trial in self.trials())

    def best(self) -> list[Trial]:
        """The best trial, or with several objectives those that no other one beats in all; empty where none is done."""
        done = [trial for trial in self.trials() if trial.state == DONE and trial.values is not None]
        if len(self.objectives) == 1:
            return sorted(done, key=lambda trial: (self._signed(trial)[0], trial.number))[:1]
        return [trial for trial in done if not any(_beats(self._signed(other), self._signed(trial)) for other in done)]

    def importance(self) -> dict[str, float] | None:
        """How much each parameter says about being among the best; None where too few trials, or several objectives."""
        if len(self.objectives) > 1:
            return None
        done = [frozen for frozen in self._counted() if self._seen(frozen).state == DONE]
        if len(done) < 4 or len({tuple(frozen.values) for frozen in done}) < 2:
            return None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", self.optuna.exceptions.ExperimentalWarning)  # before Optuna 5
                evaluator = self.optuna.importance.PedAnovaImportanceEvaluator()
                importance = self.optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        except (ValueError, RuntimeError, ImportError):  # parameters that did not vary, or only in some trials
            return None
        return {key: float(value) for key, value in importance.items()}

    # Asking -----------------------------------------------------------------------------------------------------------

    def unfinished(self) -> list[Trial]:
        """The trials that ran when the search was cut off; they go on with the same values."""
        running = self.optuna.trial.TrialState.RUNNING
        left = self._study.get_trials(deepcopy=False, states=(running,))
        return [self._start(self._again(frozen)) for frozen in left if frozen.number not in self._running]

    def retry_failed(self) -> int:
        """Try the failed trials again, with the same values and in their place; returns how many there are."""
        failed = [frozen for frozen in self._counted() if self._seen(frozen).state == FAILED]
        for frozen in failed:
            self._replace(frozen)
        return len(failed)

    def ask(self) -> Trial | None:
        """The next trial; None where all have been asked for."""
        waiting = self.optuna.trial.TrialState.WAITING
        while True:
            counted = self._counted()
            if not any(frozen.state == waiting for frozen in counted):
                if len(counted) >= self.total:
                    return None
                if self._points is not None and not self._enqueue_point(counted):
                    return None
            self._study.sampler = self._sampler
            trial = self._study.ask()
            places = [frozen.number for frozen in self._counted()[: self.total]]
            if trial.number in places:
                return self._start(trial)
            # another command was faster: the place is taken
            trial.set_user_attr(SURPLUS, True)
            self._study.tell(trial.number, state=self.optuna.trial.TrialState.FAIL)

    def waits(self) -> bool:
        """Whether trials of other commands still run, which may have to be tried again."""
        return False

    def keep_alive(self) -> None:
        """Say that the trials that run are alive, where another command has to know."""

    # Telling ----------------------------------------------------------------------------------------------------------

    def placed(self, number: int, directory: str) -> None:
        """Remember a trial's run directory, by its name in the sweep directory."""
        self._running[number].set_user_attr(DIRECTORY, directory)

    def tell(self, number: int, values: Sequence[float | None]) -> Trial:
        """A trial is done; a value that is no number makes it a failed one."""
        for objective, value in zip(self.objectives, values, strict=True):
            if value is None or not math.isfinite(value):
                return self.fail(number, f"{objective.name} is {'missing' if value is None else value}")
        self._study.tell(number, values=[float(value) for value in values if value is not None])
        return self._end(number)

    def fail(self, number: int, reason: str) -> Trial:
        """A trial has failed."""
        self._running[number].set_user_attr(REASON, reason)
        self._study.tell(number, state=self.optuna.trial.TrialState.FAIL)
        return self._end(number)

    def prune(self, number: int, reason: str) -> Trial:
        """A trial was given up."""
        self._running[number].set_user_attr(REASON, reason)
        self._study.tell(number, state=self.optuna.trial.TrialState.PRUNED)
        return self._end(number)

    def let_go(self, number: int) -> bool:
        """A trial was interrupted: the next start of the search goes on with it; returns whether this one will."""
        del self._running[number]
        return False

    def let_all_go(self) -> None:
        """The search ends here, with trials that run."""
        self._running.clear()

    def report(self, number: int, step: int, value: float) -> bool:
        """Take a trial's objective after ``step`` epochs; returns whether the trial is hopeless.

        A value that is no number, and one of a step that was reported before the search was cut off, are left out.
        """
        trial = self._running[number]
        if not math.isfinite(value) or step in self._frozen(number).intermediate_values:
            return False
        trial.report(value, step)
        return bool(trial.should_prune())

    # Inside -----------------------------------------------------------------------------------------------------------

    def _check_settings(self) -> None:
        before = self._study.user_attrs.get(SETTINGS)
        if before is None:
            self._study.set_user_attr(SETTINGS, self._settings)
            return
        changed = [
            f"{key}: {old} -> {new}"
            for key in sorted({*before, *self._settings})
            if (old := before.get(key, "(absent)")) != (new := self._settings.get(key, "(absent)"))
        ]
        if changed:
            raise UserMistake(f"this search was begun with other settings ({'; '.join(changed[:3])})")

    def _check_values(self) -> None:
        """Refuse a storage whose trials chose what is no option here: values become overrides of a command line."""
        options = {choice.key: choice.options for choice in self.space.parameters if isinstance(choice, Choice)}
        for trial in self._study.get_trials(deepcopy=False):
            for key, value in trial.params.items():
                if value not in options.get(key, (value,)):
                    raise UserMistake(f"trial {trial.number} has {key}={value}, which is no value of this search")

    def _counted(self) -> list[Any]:
        """Optuna's trials that count, in the order of their places."""
        return in_places(self._study.get_trials(deepcopy=False))

    def _replace(self, frozen: Any, attributes: Mapping[str, Any] | None = None) -> None:
        """Let a trial with the values of this one take its place."""
        point = {POINT: frozen.user_attrs[POINT]} if POINT in frozen.user_attrs else {}
        replaced = {**point, REPLACED: frozen.number, **(attributes or {})}
        self._study.enqueue_trial(dict(frozen.params), user_attrs=replaced)

    def _enqueue_point(self, counted: list[Any]) -> bool:
        assert self._points is not None
        given = {frozen.user_attrs.get(POINT) for frozen in counted}
        left = next((index for index in range(len(self._points)) if index not in given), None)
        if left is None:
            return False
        self._study.enqueue_trial(dict(self._points[left]), user_attrs={POINT: left})
        return True

    def _again(self, frozen: Any) -> Any:
        """A handle for a trial that is already running in the storage."""
        try:
            self.space.suggest(self.optuna.trial.FixedTrial(frozen.params))
            # nothing is left to choose, and making the handle would move some samplers on
            self._study.sampler = self.optuna.samplers.RandomSampler(0)
        except ValueError:  # cut off between two values
            self._study.sampler = self._sampler
        return self.optuna.trial.Trial(self._study, frozen._trial_id)

    def _start(self, trial: Any) -> Trial:
        self.space.suggest(trial)
        self._running[trial.number] = trial
        return self._seen(self._frozen(trial.number))

    def _end(self, number: int) -> Trial:
        del self._running[number]
        return self._seen(self._frozen(number))

    def _frozen(self, number: int) -> Any:
        return self._study.get_trials(deepcopy=False)[number]

    def _seen(self, frozen: Any) -> Trial:
        state = states(self.optuna)[frozen.state]
        return Trial(
            number=frozen.number,
            state=state,
            overrides=tuple(self.space.overrides(frozen.params)),
            values=tuple(frozen.values) if state == DONE else None,
            reason=frozen.user_attrs.get(REASON),
            directory=frozen.user_attrs.get(DIRECTORY),
            seconds=None if frozen.duration is None else frozen.duration.total_seconds(),
        )

    def _signed(self, trial: Trial) -> tuple[float, ...]:
        """A trial's values so that less is better."""
        assert trial.values is not None
        pairs = zip(self.objectives, trial.values, strict=True)
        return tuple(value if objective.mode == "min" else -value for objective, value in pairs)


def states(optuna: Any) -> dict[Any, str]:
    """Optuna's states of a trial, by the names that are shown."""
    known = optuna.trial.TrialState
    return {
        known.COMPLETE: DONE,
        known.FAIL: FAILED,
        known.PRUNED: PRUNED,
        known.RUNNING: RUNNING,
        known.WAITING: WAITING,
    }


def _beats(left: Sequence[float], right: Sequence[float]) -> bool:
    return all(a <= b for a, b in zip(left, right, strict=True)) and any(
        a < b for a, b in zip(left, right, strict=True)
    )
