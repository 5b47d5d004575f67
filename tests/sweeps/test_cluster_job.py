"""A job of a cluster that is told to end: the training stops first, then the cluster's own handler is called."""

from __future__ import annotations

import os
import signal

import pytest

from smoothlab.errors import Terminated
from smoothlab.sweeps import cluster_job


@pytest.fixture
def requeued(monkeypatch):
    """What happened, in order, where a run is told to end by a signal."""
    happened = []
    monkeypatch.setattr(cluster_job.time, "sleep", lambda seconds: happened.append("waits"))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGUSR2, signal.SIGTERM)}

    def train(values, directory, *, resume):
        def stop(number, frame):
            happened.append("stops")
            raise Terminated

        signal.signal(signal.SIGTERM, stop)
        os.kill(os.getpid(), values["signal"])

    monkeypatch.setattr(cluster_job, "run_job", train)
    signal.signal(signal.SIGUSR2, lambda number, frame: happened.append("is put back"))
    yield happened
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_at_the_end_of_the_time_the_run_stops_before_it_is_put_back(requeued, tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    with pytest.raises(Terminated):
        cluster_job.run_cluster_job({"signal": signal.SIGUSR2}, tmp_path, resume=False)
    assert requeued == ["stops", "is put back", "waits"]


def test_a_preempted_job_waits_for_its_end(requeued, tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    with pytest.raises(Terminated):
        cluster_job.run_cluster_job({"signal": signal.SIGTERM}, tmp_path, resume=False)
    assert requeued == ["stops", "waits"]
    os.kill(os.getpid(), signal.SIGUSR2)
    assert requeued[-1] == "is put back"  # the handler of before


def test_elsewhere_a_job_ends_at_once(requeued, tmp_path, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(Terminated):
        cluster_job.run_cluster_job({"signal": signal.SIGTERM}, tmp_path, resume=False)
    assert requeued == ["stops"]
