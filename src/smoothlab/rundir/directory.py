"""The run directory: where each file stands, who holds it, and what state the run is in."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from smoothlab.errors import UserMistake
from smoothlab.rundir.atomic import write_json
from smoothlab.rundir.content import SUMS, write_sums
from smoothlab.rundir.reading import UnreadableFile, read_json

RUNNING, DONE, FAILED, INTERRUPTED = "running", "done", "failed", "interrupted"
PRUNED = "pruned"  # given up by a search; over, but without results
HEARTBEAT_SECONDS = 15.0
LOOKS, LOOK_SECONDS = 20, 0.01  # how often, and after which pauses, a lock is asked for

NUMBER = (int, float, type(None))  # a metric that is no number is null
# Types of what others look up, where it is there; "*" stands for each key.
STATUS = {
    "state": str,
    "identity": (str, type(None)),
    "error": (str, type(None)),
    "epoch": NUMBER,
    "heartbeat": (str, type(None)),
    "progress": (str, type(None)),
}
RESULTS = {
    "objective": {"name": (str, type(None)), "mode": (str, type(None)), "value": NUMBER},
    "metrics": {"*": {"*": NUMBER}},
    "seconds": {"*": NUMBER},
    "epochs": NUMBER,
}


class _Place:
    """Where something stands in a run directory."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, run: RunDirectory, owner: type[RunDirectory]) -> Path:
        return run.path / self._name


class RunDirectory:
    """Paths and state of one run; making the object touches nothing on the disk."""

    __slots__ = ("path",)  # a sweep holds one for each of its runs

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    config = _Place("config.yaml")
    checkpoints = _Place("checkpoints")
    best_checkpoint = _Place("checkpoints/best.ckpt")
    last_checkpoint = _Place("checkpoints/last.ckpt")
    metrics = _Place("metrics.csv")
    results = _Place("results.json")
    predictions = _Place("predictions")
    figures = _Place("figures")
    tables = _Place("tables")
    status = _Place("status.json")
    sums = _Place(SUMS)
    log = _Place("run.log")
    lock = _Place(".lock")
    first_end = _Place(".first_end")  # of several ranks, while one has ended badly

    def read_status(self) -> dict[str, Any]:
        """The content of status.json, empty where there is none; a ``running`` whose process died is interrupted."""
        try:
            status = read_json(self.status, verified=False)  # it is written anew all the time, and in no list of sums
        except FileNotFoundError:
            return {}
        _check_types(self.status, status, STATUS)
        if status.get("state") == RUNNING and not self.is_locked():
            status["state"] = INTERRUPTED
        return status

    def read_results(self, *, verified: bool = True) -> dict[str, Any]:
        """The content of results.json, its metrics, objective and seconds of the types that they have.

        Args:
            verified: whether it must be what was written.

        Raises:
            MissingFile: there is none.
            UnreadableFile: it is damaged.
        """
        results = read_json(self.results, verified=verified)
        _check_types(self.results, results, RESULTS)
        return results

    def write_sums(self) -> None:
        """Write down what the finished files hold that others take numbers from; checkpoints have sums of their own."""
        files = (self.config, self.results, self.metrics, *sorted(self.predictions.glob("*.parquet")))
        write_sums(self.path, [file for file in files if file.is_file()])

    def is_locked(self) -> bool:
        """Whether a living process holds the directory."""
        try:
            with open(self.lock, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the directory, which must exist, for this process alone; the lock goes with the process.

        Raises:
            UserMistake: another living process holds it.
        """
        with open(self.lock, "ab+", buffering=0) as file:
            if not _locked(file):
                file.seek(0)
                holder = file.read().decode(errors="replace").strip()
                raise UserMistake(f"{self.path}: in use by {holder or 'another process'}") from None
            file.truncate(0)
            with contextlib.suppress(OSError):  # a full disk: it is held all the same
                file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
            yield


def _check_types(path: Path, value: Any, expected: Any, at: str = "") -> None:
    """Refuse a file whose values have other types than ``expected`` says."""
    if isinstance(expected, dict):
        if not isinstance(value, dict):
            raise UnreadableFile(f"{path}: {at or 'content'} = {_short(value)}: expected a mapping")
        for key, inner in expected.items():
            for name in value if key == "*" else {key} & set(value):
                _check_types(path, value[name], inner, f"{at}.{name}" if at else str(name))
    elif not isinstance(value, expected) or isinstance(value, bool):
        raise UnreadableFile(f"{path}: {at} = {_short(value)}: of another type than a run writes")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _locked(file: IO[bytes]) -> bool:
    """Lock a file, unless a process holds it; one that only looks whether it is held does so for an instant."""
    for _ in range(LOOKS):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOOK_SECONDS)
        else:
            return True
    return False


class StatusFile:
    """Keep status.json true while a run goes on.

    Args:
        run: the run's directory, held by this process.
        identity: the run's identity, for ``resume=auto``.
    """

    def __init__(self, run: RunDirectory, identity: str) -> None:
        self._run = run
        self._fields: dict[str, Any] = {
            "state": RUNNING,
            "identity": identity,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": now(),
            "heartbeat": now(),
        }
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._reached: Callable[[], object] | None = None
        self._last: object = None

    def __enter__(self) -> StatusFile:
        self.update()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop.set()
        self._thread.join()

    def note(self, **fields: Any) -> None:
        """Set fields (``epoch``, ``step``, ...) for the next time that the file is written."""
        with self._guard:
            self._fields.update(fields)

    def watch(self, reached: Callable[[], object] | None) -> None:
        """Tell progress from life: ``progress`` is the time of the last heartbeat before which the run got ahead.

        Args:
            reached: how far it is, such as its batches; None where nothing counts it, and ``progress`` is left out.
        """
        with self._guard:
            self._reached, self._last = reached, None
            self._fields.pop("progress", None)

    def update(self, **fields: Any) -> None:
        """Set fields (``state``, ``error``, ...) and write the file whole."""
        with self._guard:
            self._fields.update(fields, heartbeat=now())
            if self._reached is not None and (reached := self._reached()) != self._last:
                self._last = reached
                self._fields["progress"] = self._fields["heartbeat"]
            write_json(self._run.status, self._fields)

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            with contextlib.suppress(OSError):  # a disk that is full for a while: the next beat may be written
                self.update()


def now() -> str:
    """The time in UTC, to the second, in ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def existing_run(path: str | Path, *, key: str = "run") -> RunDirectory:
    """The run directory at ``path``.

    Raises:
        UserMistake: nothing there, or not a run directory.
    """
    run = RunDirectory(path)
    if not run.path.is_dir():
        raise UserMistake(
            f"{key} = {str(path)!r}: no such directory; expected a run directory such as outputs/medical/..."
        )
    if not run.config.is_file() and not (key == "resume" and run.last_checkpoint.is_file()):  # which has the config
        raise UserMistake(f"{key} = {str(path)!r}: not a run directory, it has no config.yaml")
    return run
