"""A SLURM of two nodes on the two machines."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType

from machines import NAMES, Machines

PROGRAMS = ("munged", "slurmctld", "slurmd", "srun", "sbatch", "salloc", "scontrol", "squeue")
CPUS = 8  # of each node, as SLURM counts them; the machine may have fewer

CONFIG = """\
ClusterName=smoothlab
SlurmctldHost=node1
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=2,requeue_setup_env_fail
ReturnToService=2
KillWait=10
MinJobAge=600
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName={nodes} CPUs={cpus} RealMemory=4000 State=UNKNOWN
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 MaxTime=60 PreemptMode=REQUEUE GraceTime=20 State=UP
PartitionName=high Nodes=ALL PriorityTier=10 MaxTime=60 PreemptMode=OFF State=UP
"""


def missing() -> str | None:
    """Why there is no SLURM here, or None."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    absent = [program for program in PROGRAMS if shutil.which(program, path=path) is None]
    return f"SLURM needs the packages slurm-wlm and munge ({', '.join(absent)} not found)" if absent else None


class Slurm:
    """A controller on node1 and a daemon on each machine; commands are given on node1.

    Args:
        machines: the two.
        folder: for its files; the path must be short, for the socket.
    """

    def __init__(self, machines: Machines, folder: Path) -> None:
        self.machines = machines
        self.folder = folder
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
        self._daemons: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Slurm:
        folder = self.folder
        (folder / "state").mkdir(parents=True)
        for name in NAMES:
            (folder / f"spool.{name}").mkdir()
        (folder / "slurm.conf").write_text(CONFIG.format(folder=folder, nodes=",".join(NAMES), cpus=CPUS))
        (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        key = folder / "munge.key"
        key.write_bytes(os.urandom(256))
        key.chmod(0o600)
        files = {name: f"--{name}-file={folder}/munge.{name}" for name in ("key", "pid", "seed", "log")}
        self._start("node1", "munged", "--foreground", "--force", f"--socket={folder}/munge.socket", *files.values())
        _wait(lambda: (folder / "munge.socket").exists(), "munged answers")
        self._start("node1", "slurmctld", "-D", "-c")
        for name in NAMES:
            self._start(name, "slurmd", "-D", "-N", name)
        _wait(lambda: self.states() == ["idle", "idle"], "both nodes are idle", self.folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run("scancel", "--user=root", check=False)
        for daemon in reversed(self._daemons):
            daemon.terminate()
        for daemon in self._daemons:
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()

    def run(
        self, *command: str, check: bool = True, env: dict[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on node1 to its end; its output as text."""
        return subprocess.run(
            self.machines.on("node1", *command),
            check=check,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd=cwd or self.folder,
            env={**os.environ, **self.environment, **(env or {})},
        )

    def states(self) -> list[str]:
        """The state of each node, as sinfo has it."""
        return self.run("sinfo", "--noheader", "--Node", "--partition=low", "--format=%T", check=False).stdout.split()

    def state_of(self, job: str) -> str:
        """The state of a job: PENDING, RUNNING, COMPLETED, ..."""
        words = self.run("scontrol", "show", "job", job, check=False).stdout.split()
        return next((word.partition("=")[2] for word in words if word.startswith("JobState=")), "")

    def restarts_of(self, job: str) -> int:
        """How often a job was put back into the queue."""
        words = self.run("scontrol", "show", "job", job, check=False).stdout.split()
        return int(next((word.partition("=")[2] for word in words if word.startswith("Restarts=")), "0"))

    def wait_for(self, job: str, *states: str) -> str:
        """Wait until a job is in one of the states."""
        _wait(lambda: self.state_of(job) in states, f"job {job} is {' or '.join(states)}", self.folder)
        return self.state_of(job)

    def _start(self, name: str, *command: str) -> None:
        log = self.folder / f"{command[0]}.{name}.out"
        self._daemons.append(self.machines.start(name, command, log=log, env=self.environment))


def _wait(holds, what: str, folder: Path | None = None, patience: float = 300.0) -> None:
    """Wait until ``holds()``; with the logs of the daemons where it never does."""
    until = time.monotonic() + patience
    while not holds():
        if time.monotonic() > until:
            logs = (
                [] if folder is None else [f"{path.name}: {path.read_text()[-1500:]}" for path in folder.glob("*.log")]
            )
            raise AssertionError("\n".join([f"in vain: {what}", *logs]))
        time.sleep(0.3)
