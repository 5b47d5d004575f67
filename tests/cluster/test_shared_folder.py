"""Two machines with nothing in common but a folder over the network: one run is one machine's at a time."""

from __future__ import annotations

import json
import re
import signal
import subprocess

import pytest
import shared
from runs import SMOOTHLAB, wait

LONG = ["data=synthetic_medical", "data.rows=60", "data.val_rows=30", "data.test_rows=30", "progress=lines"]
LONG += [
    "logger=csv",
    "figures=false",
    "callbacks.early_stopping=null",
    "trainer.max_epochs=5000",
    "output_root=outputs",
]


@pytest.fixture(scope="module")
def folder(cables):
    if (reason := shared.missing()) is not None:
        pytest.skip(reason)
    with shared.Shared(cables) as made:
        yield made


class Machine:
    """Commands of one machine, and what it sees."""

    def __init__(self, folder, name, tmp_path):
        self.folder, self.name, self.tmp_path, self.logs = folder, name, tmp_path, 0

    def start(self, *words):
        """A command in the background, and its log."""
        self.logs += 1
        log = self.tmp_path / f"{self.name}.{self.logs}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(self.folder.on(self.name, SMOOTHLAB, *words), stdout=stream, stderr=stream)
        return process, log

    def read(self, path):
        """What a file in the folder holds, as this machine sees it; empty where there is none."""
        return subprocess.run(self.folder.on(self.name, "cat", path), capture_output=True, text=True).stdout

    def state(self, run):
        """The state of a run, as ``status.json`` has it."""
        return json.loads(self.read(f"{run}/status.json") or "{}").get("state")

    def epochs(self, run):
        """How many epochs ``metrics.csv`` has."""
        return max(0, len(self.read(f"{run}/metrics.csv").splitlines()) - 1)

    def run_of(self, name):
        """The directory of the one run of a name; empty where there is none."""
        listed = subprocess.run(self.folder.on(self.name, "sh", "-c", f"echo outputs/{name}/*"), capture_output=True)
        return listed.stdout.decode().strip() if b"*" not in listed.stdout else ""


@pytest.fixture
def machines(folder, tmp_path):
    return [Machine(folder, name, tmp_path) for name in ("node1", "node2")]


def test_the_machines_share_the_folder_and_nothing_else(folder):
    def says(name, *command):
        return subprocess.run(folder.on(name, *command), capture_output=True, text=True).stdout.strip()

    assert [says(name, "hostname") for name in ("node1", "node2")] == ["node1", "node2"]
    assert folder.run("node1", "sh", "-c", "echo of one > /tmp/mine; echo of both > ours") == 0
    assert says("node2", "cat", "ours") == "of both"
    assert folder.run("node2", "test", "-e", "/tmp/mine") == 1


def test_a_run_is_trained_by_one_machine_and_a_killed_one_leaves_it_to_the_other(machines):
    first, other = machines
    process, _ = first.start("train", *LONG, "name=held")
    wait(lambda: first.run_of("held") and other.epochs(first.run_of("held")) > 3, "the run trains")
    run = first.run_of("held")
    second, output = other.start("train", *LONG, "name=held", f"resume={run}")
    assert second.wait(120) == 2, output.read_text()
    assert re.search(r"in use by process \d+ on node1", output.read_text())
    process.kill()
    process.wait()
    assert goes_on(other, run)
    assert other.state(run) == first.state(run) == "interrupted"


def goes_on(machine, run):
    """Whether a machine goes on with a run, which is then ended; else another one holds it."""
    process, output = machine.start("train", *LONG, f"name={run.split('/')[1]}", f"resume={run}")
    wait(lambda: process.poll() is not None or "epoch " in output.read_text(), "the run goes on")
    process.send_signal(signal.SIGTERM)
    code = process.wait(120)
    if code == 2:
        assert "in use by process " in output.read_text()
        return False
    assert code == 143, output.read_text()
    assert "resumed at step" in output.read_text()
    return True


def test_a_lost_machine_leaves_its_run_to_the_other(folder, machines, cables):
    first, other = machines
    process, _ = other.start("train", *LONG, "name=lost")
    wait(lambda: first.run_of("lost") and first.epochs(first.run_of("lost")) > 3, "the run trains")
    run = first.run_of("lost")
    folder.lose("node2")
    process.wait()

    wait(lambda: goes_on(first, run), "the server of the files notices", 300.0)
    assert first.state(run) == "interrupted"
    cables.mend()
    folder.mount("node2")
    assert other.state(run) == "interrupted"
