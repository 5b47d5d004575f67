"""Trials of a search over a function in place of a training."""

from __future__ import annotations

from collections.abc import Callable

from smoothlab.sweeps.search.study import DONE, FAILED, INTERRUPTED, PRUNED, Ended, Objective

BOWL = {"x": "interval(-1, 1)", "y": "interval(-1, 1)"}
NLL = Objective("val/nll", "min")


def floats(trial):
    """A trial's own values by key."""
    return {key: float(value) for key, _, value in (override.partition("=") for override in trial.overrides)}


def bowl(x, y):
    return (x - 0.3) ** 2 + (y + 0.2) ** 2


class Killed(BaseException):
    """The search's process is gone."""


class Here:
    """Runs trials one after another when waited for; at most ``jobs`` are started before."""

    def __init__(self, objective: Callable, *, jobs: int = 1, curve: Callable | None = None, epochs: int = 0):
        self.objective, self.jobs, self.curve, self.epochs = objective, jobs, curve, epochs
        self.running, self.trials, self.epoch, self.started, self.stopped = {}, {}, {}, [], {}
        self.most = 0

    def room(self):
        return len(self.running) < self.jobs

    def start(self, trial):
        self.running[trial.number] = self.trials[trial.number] = trial
        self.epoch[trial.number] = 0
        self.started.append(trial)
        self.most = max(self.most, len(self.running))
        return f"trial-{trial.number}"

    def wait(self, seconds):
        number = min(self.running, key=lambda trial: (self.epoch[trial], trial))
        trial = self.running[number]
        if number in self.stopped:
            del self.running[number]
            return [Ended(number, PRUNED, reason=self.stopped[number])]
        if self.epoch[number] < self.epochs:
            self.epoch[number] += 1
            return []
        del self.running[number]
        try:
            values = self.objective(**floats(trial))
        except RuntimeError as error:
            return [Ended(number, FAILED, reason=str(error))]
        except KeyboardInterrupt:
            return [Ended(number, INTERRUPTED)]
        return [Ended(number, DONE, values if isinstance(values, tuple) else (values,))]

    def reports(self, number):
        epoch = self.epoch[number]
        return [(epoch, self.curve(epoch, **floats(self.trials[number])))] if epoch else []

    def stop(self, number, reason):
        self.stopped[number] = reason
