"""A run in a process of its own: from plain values to a finished directory."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from smoothlab.data.module import DataModule
from smoothlab.errors import RunFailed, UserMistake, reason_of
from smoothlab.rundir.atomic import make_folders
from smoothlab.rundir.directory import FAILED, INTERRUPTED, RunDirectory, StatusFile
from smoothlab.rundir.identity import run_identity
from smoothlab.starters import found_ranks
from smoothlab.tracking.console import run_log
from smoothlab.training.preparing import prepare
from smoothlab.training.ranks import server_for, train_on_devices
from smoothlab.training.stopping import stopped_by_signals
from smoothlab.training.train import follow

log = logging.getLogger("smoothlab")


def run_job(
    values: dict[str, Any], directory: str, *, resume: bool = False, data: Callable[[], DataModule | None] | None = None
) -> None:
    """Prepare and train; status.json says how it ended, whatever happened.

    Where a cluster has started several ranks of the run, each calls this.

    Args:
        values: the resolved config.
        directory: the run directory, made where it is not there.
        resume: continue from its last checkpoint, if it has one.
        data: gives them as the config has them, set up, where other runs of this process have read them; None: they are
            read.

    Raises:
        UserMistake: another process holds the directory, or the run in it is finished.
        RunFailed: the run failed, in its config or in its training.
        KeyboardInterrupt: the run was stopped, by Ctrl-C or SIGTERM.
    """
    run = RunDirectory(Path(directory))
    place = found_ranks(os.environ)
    if place is not None and place.rank > 0:  # rank 0 writes what there is to say
        with stopped_by_signals():
            follow(prepare(values), run)
        return
    make_folders(run.path)
    with stopped_by_signals(), server_for(values) as server:  # while this process is still fit to be forked
        try:
            prepared = prepare(values, None if data is None else data())
        except KeyboardInterrupt:
            with run.held():
                _ended_early(run, values).update(state=INTERRUPTED)
            raise
        except Exception as error:
            reason = reason_of(error)
            with run.held():
                _ended_early(run, values).update(state=FAILED, error=reason)
                with run_log(run.log):
                    log.error("run failed: %s", reason, exc_info=None if isinstance(error, UserMistake) else error)
            raise RunFailed(reason) from error
        train_on_devices(prepared, run, resume=resume, server=server)


def _ended_early(run: RunDirectory, values: dict[str, Any]) -> StatusFile:
    """The status of a run that ended before its data, and so its identity, were known."""
    return StatusFile(run, run_identity(values, ""))
