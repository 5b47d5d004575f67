"""A run on several devices of one machine: its ranks are made here, unless torchrun or SLURM has made them."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.utilities import rank_zero_only

from smoothlab.errors import RunFailed, Terminated, UserMistake
from smoothlab.processes.ranks import RankFailed, found_ranks, run_ranks
from smoothlab.processes.server import WarmServer
from smoothlab.runs.atomic import write_json
from smoothlab.runs.directory import DONE, FAILED, INTERRUPTED, PRUNED, RunDirectory, now
from smoothlab.runs.preparing import Prepared, prepare
from smoothlab.runs.stopping import stopped_by_sigterm
from smoothlab.runs.training import follow, train
from smoothlab.tracking.console import run_log

log = logging.getLogger("smoothlab")


@contextlib.contextmanager
def server_for(config: Mapping[str, Any]) -> Iterator[WarmServer | None]:
    """A warm server for a config that will probably want one, which imports while the caller prepares; else None.

    Args:
        config: the resolved config.
    """
    node = config.get("trainer")
    several = isinstance(node, Mapping) and node.get("devices") != 1 and node.get("strategy", "auto") != "auto"
    if several and found_ranks(os.environ) is None:
        with WarmServer() as server:
            yield server
    else:
        yield None


def train_on_devices(
    prepared: Prepared, run: RunDirectory, *, resume: bool = False, server: WarmServer | None = None
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
    if prepared.ranks == 1 or found_ranks(os.environ) is not None:
        return train(prepared, run, resume=resume)
    if run.is_locked():
        with run.held():  # says who it is
            pass
    with contextlib.ExitStack() as stack:
        own = server or stack.enter_context(WarmServer())
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="smoothlab-ranks-")))
        sigterm = stack.enter_context(stopped_by_sigterm())
        arguments = (prepared.config, str(run.path), resume)
        threads = max(1, torch.get_num_threads() // prepared.ranks)  # in a sweep these are the run's share
        try:
            run_ranks(own, train_rank, arguments, ranks=prepared.ranks, logs=logs, threads=threads)
        except (KeyboardInterrupt, SystemExit):
            _leave_status(run, prepared, INTERRUPTED)
            raise Terminated if sigterm.received else KeyboardInterrupt from None
        except RankFailed as failure:
            if failure.ending.code == 2:
                raise UserMistake(str(failure.ending.trace)) from None
            if failure.ending.code in (130, 143):  # the rank itself was signalled
                _leave_status(run, prepared, INTERRUPTED)
                raise Terminated if failure.ending.code == 143 else KeyboardInterrupt from None
            raise RunFailed(_leave_failure(run, prepared, failure)) from None
        except OSError as error:  # no room for one more process
            _leave_status(run, prepared, FAILED, error=str(error))
            raise RunFailed(f"{error} ({run.path})") from error
    if run.read_status().get("state") == PRUNED:
        return {"objective": {"name": None, "mode": None, "value": None}}
    results: dict[str, Any] = json.loads(run.results.read_text(encoding="utf-8"))
    return results


def train_rank(config: dict[str, Any], directory: str, resume: bool) -> None:
    """What each rank's process does: the same as a run of its own, but rank 0 alone writes.

    Args:
        config: the resolved config.
        directory: the run's.
        resume: continue from the last checkpoint.
    """
    found = found_ranks(os.environ)
    rank_zero_only.rank = 0 if found is None else found.rank  # type: ignore[attr-defined]  # read at import: the server's
    prepared = prepare(config)
    if found is None or found.rank == 0:
        train(prepared, RunDirectory(directory), resume=resume)
    else:
        follow(prepared)


def _leave_status(run: RunDirectory, prepared: Prepared, state: str, **fields: Any) -> None:
    """Say how the run ended where rank 0 could no longer do so."""
    status = run.read_status()
    if status.get("state") == DONE:
        return
    with run.held():
        write_json(run.status, {"identity": prepared.identity, **status, "state": state, "heartbeat": now(), **fields})


def _leave_failure(run: RunDirectory, prepared: Prepared, failure: RankFailed) -> str:
    """Record what a rank failed of, in run.log and status.json; returns it in one line."""
    told = run.read_status()
    if failure.rank == 0 and told.get("state") == FAILED:
        return f"{told.get('error')} ({run.path})"  # rank 0 has said it, with its trace
    reason = str(failure)
    with run_log(run.log):
        log.error("run failed: %s\nrun %s\n%s", reason, run.path, (failure.ending.trace or failure.log).strip())
    _leave_status(run, prepared, FAILED, error=reason)
    return f"{reason} ({run.path})"
