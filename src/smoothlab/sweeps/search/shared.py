"""A study that several commands work on, on as many machines as reach its database.

Each trial belongs to the command that asked for it, which gives a sign of life in the database now and then. A trial
without one for long is given up by whoever sees it first, and tried again in its place. Clocks of two machines need not
agree: a sign is old when it has not changed for long by the watcher's own clock.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from smoothlab.sweeps.search.study import REASON, Study, Trial

SIGN = "smoothlab:sign_of_life"
HOST = "smoothlab:host"
FOLDER = "smoothlab:folder"
GIVEN_UP = "smoothlab:given_up"
TRIES = "smoothlab:tries"
TOTAL = "smoothlab:n_trials"
LET_GO = "let go"  # in place of a sign: the command was stopped, and another may have the trial
SIGNS = 5  # of life in the time after which a trial is given up
MOST_TRIES = 3  # again, of a trial whose commands die: it may be what kills them
LOOK_SECONDS = 1.0


class SharedStudy(Study):
    """A study in a database.

    Args:
        storage: from ``open_database``.
        space: what is searched.
        folder: this command's sweep directory.
        grace_s: seconds without a sign of life after which a trial of another command is given up.
        clock: seconds, which only grow.
        arguments: of :class:`Study`; of several commands the largest ``total`` holds.

    Raises:
        UserMistake: the study was begun with other settings.
    """

    look_seconds = LOOK_SECONDS

    def __init__(
        self,
        storage: Any,
        space: Any,
        *,
        folder: Path,
        grace_s: float,
        clock: Callable[[], float] = time.monotonic,
        **arguments: Any,
    ) -> None:
        super().__init__(storage, space, **arguments)
        self._storage = storage
        self._folder = str(folder.resolve())
        self._host = socket.gethostname()
        self._grace_s = grace_s
        self._clock = clock
        self._due = clock()
        self._signs: dict[int, tuple[Any, float]] = {}  # of others' trials: the last one, and since when it is
        self._left: set[int] = set()  # trials that were given up and not replaced when last looked at
        self._agree_on_total()

    def unfinished(self) -> list[Trial]:
        """None: what runs belongs to other commands until it is silent for long."""
        return []

    def ask(self) -> Trial | None:
        """The next trial; None where there is none to start now."""
        self._agree_on_total()
        return super().ask()

    def waits(self) -> bool:
        """Whether trials of other commands still run, which may have to be tried again."""
        states = self.optuna.trial.TrialState
        return any(
            frozen.state in (states.RUNNING, states.WAITING) or self._is_left(frozen)
            for frozen in self._counted()[: self.total]
        )

    def keep_alive(self) -> None:
        """Give signs of life, and try again what others have left; called often, it does so when it is time."""
        if self._clock() < self._due:
            return
        self._due = self._clock() + self._grace_s / SIGNS
        for trial in self._running.values():
            self._mark(trial._trial_id, SIGN, _moment())
        running = (self.optuna.trial.TrialState.RUNNING,)
        for frozen in self._study.get_trials(deepcopy=False, states=running):
            if frozen.number not in self._running and self._is_silent(frozen):
                self._give_up(frozen)
        left = {frozen.number: frozen for frozen in self._counted() if self._is_left(frozen)}
        for number in self._left & set(left):  # whoever gave them up died before the next step
            self._try_again(left[number])
        self._left = set(left)

    def let_go(self, number: int) -> bool:
        """A trial was interrupted: any command may have it; returns whether one will."""
        self._mark(self._running.pop(number)._trial_id, SIGN, LET_GO)
        return True

    def let_all_go(self) -> None:
        """This command ends: any other may have its trials."""
        for number in list(self._running):
            self.let_go(number)

    def placed(self, number: int, directory: str) -> None:
        """Remember where a trial's run directory is."""
        with self._unless_given_up():
            super().placed(number, directory)

    def tell(self, number: int, values: Sequence[float | None]) -> Trial:
        """A trial is done, unless it was given up meanwhile: then another one stands for it."""
        return self._tell(number, lambda: super(SharedStudy, self).tell(number, values))

    def fail(self, number: int, reason: str) -> Trial:
        """A trial has failed."""
        return self._tell(number, lambda: super(SharedStudy, self).fail(number, reason))

    def prune(self, number: int, reason: str) -> Trial:
        """A trial has no hope."""
        return self._tell(number, lambda: super(SharedStudy, self).prune(number, reason))

    def report(self, number: int, step: int, value: float) -> bool:
        """Take a trial's objective after ``step`` epochs; returns whether the trial is hopeless."""
        with self._unless_given_up():
            return super().report(number, step, value)
        return False

    def _start(self, trial: Any) -> Trial:
        for key, value in ((HOST, self._host), (FOLDER, self._folder), (SIGN, _moment())):
            self._mark(trial._trial_id, key, value)
        return super()._start(trial)

    def _tell(self, number: int, tell: Callable[[], Trial]) -> Trial:
        if not self._frozen(number).state.is_finished():
            with self._unless_given_up():
                return tell()
        return self._end(number)

    def _mark(self, trial_id: int, key: str, value: Any) -> None:
        with self._unless_given_up():
            self._storage.set_trial_user_attr(trial_id, key, value)

    @contextlib.contextmanager
    def _unless_given_up(self) -> Iterator[None]:
        """Bear that another command has ended the trial."""
        with contextlib.suppress(self.optuna.exceptions.UpdateFinishedTrialError):
            yield

    def _is_silent(self, frozen: Any) -> bool:
        sign = frozen.user_attrs.get(SIGN)
        if sign == LET_GO:
            return True
        last, since = self._signs.get(frozen.number, (None, None))
        if since is None or sign != last:
            self._signs[frozen.number] = (sign, self._clock())
            return False
        return self._clock() - since > self._grace_s

    def _is_left(self, frozen: Any) -> bool:
        """Whether a trial was given up, and nothing stands in its place, though it should."""
        failed = frozen.state == self.optuna.trial.TrialState.FAIL
        return failed and GIVEN_UP in frozen.user_attrs and _tries(frozen) <= MOST_TRIES

    def _give_up(self, frozen: Any) -> None:
        host = frozen.user_attrs.get(HOST, "its machine")
        what = "was stopped" if frozen.user_attrs.get(SIGN) == LET_GO else "gave no sign of life any more"
        self._mark(frozen._trial_id, REASON, f"its command on {host} {what}")
        self._mark(frozen._trial_id, GIVEN_UP, True)
        try:
            self._study.tell(frozen.number, state=self.optuna.trial.TrialState.FAIL)
        except (ValueError, self.optuna.exceptions.UpdateFinishedTrialError):
            return  # its own command, or another one, was faster
        if _tries(frozen) <= MOST_TRIES:
            self._try_again(frozen)

    def _try_again(self, frozen: Any) -> None:
        self._replace(frozen, {TRIES: _tries(frozen)})

    def _agree_on_total(self) -> None:
        """The largest number that any of the commands asks for."""
        asked = self._study.user_attrs.get(TOTAL, 0)
        if asked < self.total:
            self._study.set_user_attr(TOTAL, self.total)
        self.total = max(asked, self.total)


def _tries(frozen: Any) -> int:
    """How often a trial that was given up will have been tried again, once it is; to be stopped is no try."""
    return int(frozen.user_attrs.get(TRIES, 0)) + int(frozen.user_attrs.get(SIGN) != LET_GO)


def _moment() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
