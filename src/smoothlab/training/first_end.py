"""The end that all ranks of a run go by: that of the rank which ended badly first."""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import signal as signals
import traceback
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from smoothlab.errors import RankLost, Terminated, TrainingDiverged, UserMistake, disk_refusal, reason_of

WORD = "end.json"


@dataclass(frozen=True)
class RankEnd:
    """How a rank ended badly.

    Args:
        rank: its number.
        signal: the number of the signal that stopped it; None where it failed.
        error: why it failed, in one line; empty where it was stopped.
        trace: the traceback; empty where the line says everything.
    """

    rank: int
    signal: int | None = None
    error: str = ""
    trace: str = ""

    @classmethod
    def of(cls, error: BaseException, rank: int, received: int | None = None, hosts: Sequence[str] = ()) -> RankEnd:
        """The end that an exception makes.

        Args:
            error: what came up to the run.
            rank: of this process.
            received: the signal that this process received before; it explains whatever came up.
            hosts: the machine of each rank, where they are known.
        """
        from smoothlab.training.meeting import lost_rank  # imports torch, as what has failed has done

        if received is None and isinstance(error, KeyboardInterrupt | SystemExit):
            received = signals.SIGTERM if isinstance(error, Terminated) else signals.SIGINT
        if received is not None:
            return cls(rank, signal=int(received))
        refusal = disk_refusal(error) or lost_rank(error, hosts)
        expected = bool(refusal) or isinstance(error, TrainingDiverged | UserMistake | RankLost)
        name = "" if rank == 0 or expected else f"{type(error).__name__}: "
        reason = refusal or reason_of(error)
        place = f"rank {rank}: " if rank else ""
        trace = "" if expected else "".join(traceback.format_exception(error)).strip()
        return cls(rank, error=f"{place}{name}{reason}", trace=trace)

    def as_interruption(self) -> KeyboardInterrupt:
        """The exception that says that the run was stopped."""
        return Terminated() if self.signal == signals.SIGTERM else KeyboardInterrupt()


class FirstEnd:
    """A place in the run directory where the first rank that ends badly says how.

    A rank leaves word before its connections close. So a rank that finds a connection closed, or that is stopped since
    another one has ended, finds the word, however the processes are scheduled.

    Args:
        place: a folder that no other run uses; made when a rank ends badly.
    """

    def __init__(self, place: Path) -> None:
        self._place = place

    def clear(self) -> None:
        """Forget an earlier start of the run; before its ranks are there."""
        for path in self._place.parent.glob(f"{self._place.name}*"):
            shutil.rmtree(path, ignore_errors=True)
            path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def alive(self, rank: int) -> Iterator[None]:
        """Show the others in this block that a rank is there; what is left of a rank that was killed shows that too."""
        file = self._place.with_name(f"{self._place.name}.alive.{rank}")
        new = file.with_name(f"{file.name}.{uuid.uuid4().hex}")
        with open(new, "wb") as lock:  # the lock goes with the process
            fcntl.flock(lock, fcntl.LOCK_EX)
            new.rename(file)
            yield
            file.unlink(missing_ok=True)

    def lost(self) -> int | None:
        """The first rank that is gone without having left this block; None where there is none."""
        for file in sorted(self._place.parent.glob(f"{self._place.name}.alive.*")):
            rank = file.name.removeprefix(f"{self._place.name}.alive.")
            with contextlib.suppress(OSError), open(file, "rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                if rank.isdecimal():
                    return int(rank)
        return None

    def claim(self, end: RankEnd) -> RankEnd:
        """Leave word, unless another rank was first; returns the end of the first."""
        mine = self._place.with_name(f"{self._place.name}.{uuid.uuid4().hex}")
        with contextlib.suppress(OSError):  # a full disk: this rank then goes by what it has seen itself
            mine.mkdir()
            (mine / WORD).write_text(json.dumps(asdict(end)), encoding="utf-8")
            with contextlib.suppress(OSError):  # a folder that is not empty is never replaced
                mine.rename(self._place)
        shutil.rmtree(mine, ignore_errors=True)
        return self.read() or end

    def read(self) -> RankEnd | None:
        """The end of the first rank that ended badly; None where no rank has said so."""
        try:
            return RankEnd(**json.loads((self._place / WORD).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return None
