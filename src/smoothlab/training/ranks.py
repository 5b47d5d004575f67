"""A run on several devices of one machine: its ranks are made here, unless torchrun or SLURM has made them."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.utilities import rank_zero_only

from smoothlab import processes
from smoothlab.errors import RunFailed, UserMistake
from smoothlab.processes.child import Ending
from smoothlab.processes.ranks import RankFailed, run_ranks
from smoothlab.rundir.atomic import write_json
from smoothlab.rundir.directory import DONE, FAILED, INTERRUPTED, PRUNED, RunDirectory, now
from smoothlab.rundir.reading import read_json
from smoothlab.starters import found_ranks
from smoothlab.tracking.console import run_log
from smoothlab.training.first_end import FirstEnd, RankEnd
from smoothlab.training.preparing import Prepared, prepare
from smoothlab.training.stopping import stopped_by_signals
from smoothlab.training.train import follow, train

log = logging.getLogger("smoothlab")
SERVER_LOST = "the warm server was killed (out of memory, or by hand); it is started again, and the run goes on"


@contextlib.contextmanager
def server_for(config: Mapping[str, Any]) -> Iterator[processes.WarmServer | None]:
    """A warm server for a config that will probably want one, which imports while the caller prepares; else None.

    Args:
        config: the resolved config.
    """
    node = config.get("trainer")
    several = isinstance(node, Mapping) and node.get("devices") != 1 and node.get("strategy", "auto") != "auto"
    if several and found_ranks(os.environ) is None:
        with processes.WarmServer() as server:
            yield server
    else:
        yield None


def train_on_devices(
    prepared: Prepared, run: RunDirectory, *, resume: bool = False, server: processes.WarmServer | None = None
) -> dict[str, Any]:
    """Train in this process, or on as many ranks as the config's devices are.

    Args:
        prepared: from ``prepare``, in this process.
        run: the directory, which must exist.
        resume: continue from its last checkpoint, if it has one.
        server: makes the ranks; None: one of its own.

    Returns:
        The content of results.json.

    Raises:
        UserMistake: another process holds the directory, or the run in it is finished.
        RunFailed: training failed, on whichever rank; status.json says why.
        KeyboardInterrupt: the run was stopped; status.json says interrupted.
    """
    first_end = FirstEnd(run.first_end)
    if prepared.ranks == 1 or found_ranks(os.environ) is not None:
        first_end.clear()
        return train(prepared, run, resume=resume)
    if run.is_locked():
        with run.held():  # says who it is
            pass
    with contextlib.ExitStack() as stack:
        own = server or stack.enter_context(processes.WarmServer())
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="smoothlab-ranks-")))
        first_end.clear()
        stack.callback(first_end.clear)
        stop = stack.enter_context(stopped_by_signals(first_end))
        threads = max(1, torch.get_num_threads() // prepared.ranks)  # in a sweep these are the run's share

        def leave_word(rank: int, ending: Ending) -> None:
            first_end.claim(_end_of(rank, ending))

        def on_ranks(maker: processes.WarmServer, resumed: bool) -> None:
            arguments = (prepared.config, str(run.path), resumed)
            run_ranks(maker, train_rank, arguments, ranks=prepared.ranks, logs=logs, threads=threads, on_bad=leave_word)

        try:
            with stop.heard():
                try:
                    on_ranks(own, resume)
                except RankFailed as failure:
                    if not failure.ending.orphaned:
                        raise
                    print(SERVER_LOST, file=sys.stderr)
                    first_end.clear()
                    on_ranks(stack.enter_context(processes.WarmServer()), True)
        except RankFailed as failure:
            if failure.ending.code == 2:
                raise UserMistake(str(failure.ending.trace)) from None
            seen = _end_of(failure.rank, failure.ending, failure.log)
            if run.read_status().get("state") != DONE:  # what comes after is no matter of the run
                raise _left(run, prepared, first_end, seen, crashed=failure.ending.crashed) from None
        except (KeyboardInterrupt, SystemExit) as error:
            if run.read_status().get("state") != DONE:
                raise _left(run, prepared, first_end, RankEnd.of(error, 0, stop.number)) from None
        except OSError as error:  # no room for one more process
            leave_status(run, prepared.identity, FAILED, error=str(error))
            raise RunFailed(f"{error} ({run.path})") from error
    if run.read_status().get("state") == PRUNED:
        return {"objective": {"name": None, "mode": None, "value": None}}
    return read_json(run.results)


def train_rank(config: dict[str, Any], directory: str, resume: bool) -> None:
    """What each rank's process does: the same as a run of its own, but rank 0 alone writes.

    Args:
        config: the resolved config.
        directory: the run's.
        resume: continue from the last checkpoint.
    """
    launched = found_ranks(os.environ)
    rank_zero_only.rank = 0 if launched is None else launched.rank  # type: ignore[attr-defined]  # read at import: the server's
    prepared, run = prepare(config), RunDirectory(directory)
    if launched is None or launched.rank == 0:
        train(prepared, run, resume=resume)
    else:
        follow(prepared, run)


def _end_of(rank: int, ending: Ending, log: str = "") -> RankEnd:
    """How a rank's process ended, where the rank could not say so itself."""
    if (number := ending.stopped) is not None:
        return RankEnd(rank, signal=int(number))
    return RankEnd(rank, error=f"rank {rank}: {ending.reason}", trace=(ending.trace or log).strip())


def _left(
    run: RunDirectory, prepared: Prepared, first_end: FirstEnd, seen: RankEnd, *, crashed: bool = False
) -> BaseException:
    """Say how the run ended, where rank 0 has not; returns what to raise.

    Args:
        run: the directory.
        prepared: of the run.
        first_end: what the ranks have said.
        seen: what was seen from here.
        crashed: whether a rank's process could say nothing, and so the others speak of a closed connection.
    """
    end = first_end.read() or seen
    if crashed and end.signal is None:
        end = seen
    if end.signal is not None:
        leave_status(run, prepared.identity, INTERRUPTED)
        return end.as_interruption()
    status = run.read_status()
    if (status.get("state"), status.get("error")) != (FAILED, end.error):  # else rank 0 has said it, with its trace
        with run_log(run.log):
            log.error("run failed: %s\nrun %s\n%s", end.error, run.path, end.trace)
        leave_status(run, prepared.identity, FAILED, error=end.error)
    return RunFailed(f"{end.error} ({run.path})")


def leave_status(run: RunDirectory, identity: str, state: str, **fields: Any) -> None:
    """Say how a run ended where what trained could not do so itself.

    Args:
        run: the directory, which nobody holds.
        identity: the run's.
        state: the state of a run that is over.
        fields: what status.json says beside that.
    """
    status = {name: value for name, value in run.read_status().items() if name != "error"}  # of an earlier start
    with run.held():
        write_json(run.status, {"identity": identity, **status, "state": state, "heartbeat": now(), **fields})
