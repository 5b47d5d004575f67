"""Two machines without a scheduler: a killed rank under torchrun, a cable that is cut, a signal while one waits."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest
from runs import ONE_EACH, SMOOTHLAB, checkpoint_after, only_run, status, wait

PORTS = iter(range(24100, 24200))


@pytest.fixture
def ranks(cables, tmp_path, monkeypatch):
    """Start a rank on each machine; returns their processes and logs."""
    monkeypatch.chdir(tmp_path)
    cables.mend()  # whatever a test before has left

    def start(*words):
        port, begun = next(PORTS), []
        for rank in range(2):
            log = tmp_path / f"{port}.{rank}.log"
            env = {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "node1", "MASTER_PORT": str(port)}
            command = [SMOOTHLAB, "train", *ONE_EACH, "name=run", "resume=auto", *words]
            begun.append((cables.start(f"node{rank + 1}", command, log=log, env=env), log))
        return begun

    return start


def ended(begun, patience):
    """The exit codes, and what was written."""
    return [process.wait(patience) for process, _ in begun], [log.read_text() for _, log in begun]


def test_a_cut_cable_ends_both_sides_and_the_run_goes_on(cables, ranks, tmp_path):
    begun = ranks("trainer.max_epochs=3000", "trainer.timeout_s=10")
    wait(checkpoint_after(tmp_path, "run", 0.0), "the run trains")
    cables.cut()
    codes, logs = ended(begun, 120)
    assert codes == [1, 1]
    assert "Traceback" not in "".join(logs)
    run = only_run(tmp_path, "run")
    assert status(run)["state"] == "failed"
    for log in logs:  # each waits for the other; who gives up first leaves word, which the other repeats
        assert re.search(r"rank (1 on node2|0 on node1): no answer within trainer\.timeout_s", log)
    cables.mend()
    moment = time.time()
    begun = ranks("trainer.max_epochs=3000", "trainer.timeout_s=60")
    wait(checkpoint_after(tmp_path, "run", moment), "the run goes on")
    for process, _ in begun:
        process.send_signal(signal.SIGTERM)
    codes, logs = ended(begun, 120)
    assert codes == [143, 143]
    assert "resumed at step" in logs[0]
    assert status(run)["state"] == "interrupted"


def test_sigterm_ends_ranks_that_wait_for_each_other(cables, ranks, tmp_path):
    begun = ranks("trainer.max_epochs=3000", "trainer.timeout_s=3600")
    wait(checkpoint_after(tmp_path, "run", 0.0), "the run trains")
    cables.cut()
    time.sleep(2.0)
    for process, _ in begun:
        process.send_signal(signal.SIGTERM)
    codes, _ = ended(begun, 120)
    cables.mend()
    assert codes == [143, 143]
    assert status(only_run(tmp_path, "run"))["state"] == "interrupted"


@pytest.mark.parametrize(
    "meeting", [["--master-addr=node1", "--master-port"], ["--rdzv-backend=c10d", "--rdzv-id=x", "--rdzv-endpoint"]]
)
def test_a_rank_that_is_killed_under_torchrun_is_started_again(cables, tmp_path, monkeypatch, meeting):
    monkeypatch.chdir(tmp_path)
    port, begun = next(PORTS), []
    where = f"node1:{port}" if "endpoint" in meeting[-1] else str(port)
    for node in range(2):
        begin = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1", "--max-restarts=2"]
        begin += [f"--node-rank={node}", *meeting[:-1], f"{meeting[-1]}={where}", "-m", "smoothlab", "train", *ONE_EACH]
        words = ["name=run", "resume=auto", "trainer.max_epochs=60"]
        log = tmp_path / f"{node}.log"
        begun.append((cables.start(f"node{node + 1}", [*begin, *words], log=log), log))
    wait(checkpoint_after(tmp_path, "run", 0.0), "the run trains")
    os.kill(worker_on(cables, "node2"), signal.SIGKILL)
    codes, logs = ended(begun, 280)  # torch alone waits for half an hour
    assert codes == [0, 0], logs[0][-3000:]
    assert status(only_run(tmp_path, "run"))["state"] == "done"
    assert "resumed at step" in logs[0]


def worker_on(cables, name):
    """The process of the rank on a machine: a training that is no agent of torchrun."""
    for pid in cables.processes(name):
        line = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"smoothlab" in line and b"torch.distributed.run" not in line:
            return int(pid)
    raise AssertionError("no rank there")
