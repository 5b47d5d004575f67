"""A run of a sweep as a job of a cluster, which may tell it that its time is over, or that another one comes first."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from smoothlab.errors import Terminated
from smoothlab.training.job import run_job

END_SECONDS = 120.0  # for SLURM to end a job that it has told to end


def run_cluster_job(values: dict[str, Any], directory: Path, *, resume: bool) -> None:
    """Train; a job that is told to end stops after its step, with a checkpoint, and goes on when it starts again.

    submitit is told by SIGUSR2 that the time is nearly over. Its handler puts the job back into the queue and leaves by
    an exception, which would come in the midst of a step or of a file: here it is called once the training has stopped.
    SLURM itself tells of a preemption by SIGTERM, and puts the job back; a job that ends before that is over for
    submitit, so it waits for its end.

    Args:
        values: the resolved config.
        directory: the run's.
        resume: continue from its last checkpoint.

    Raises:
        RunFailed, KeyboardInterrupt: as of :func:`smoothlab.training.job.run_job`.
    """
    put_back = signal.getsignal(signal.SIGUSR2)
    signals: list[int] = []

    def stop(number: int, frame: Any) -> None:
        signals.append(number)
        os.kill(os.getpid(), signal.SIGTERM)

    if callable(put_back):
        signal.signal(signal.SIGUSR2, stop)
    try:
        run_job(values, str(directory), resume=resume)
    except Terminated:
        if signals and callable(put_back):
            put_back(signal.SIGUSR2, None)
        if "SLURM_JOB_ID" in os.environ:
            time.sleep(END_SECONDS)
        raise
    finally:
        if callable(put_back):
            signal.signal(signal.SIGUSR2, put_back)
