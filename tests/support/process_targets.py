"""What the processes of the tests do: a process finds its function by module and name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path


def write_place(path: str) -> None:
    """Write down what a process sees of itself."""
    import torch

    lines = [
        str(os.getpid()),
        str(os.getpgrp()),
        str(os.getsid(0)),
        os.getcwd(),
        os.environ.get("SMOOTHLAB_TEST", "unset"),
        str(torch.get_num_threads()),
        str(torch.cuda.is_initialized()),
        str(torch.cuda._is_in_bad_fork()),
        str(getattr(sys.modules["__main__"], "__file__", "no main")),
    ]
    Path(path).write_text("\n".join(lines))


def count_threads(path: str) -> None:
    """Write down the operating system's threads of this process and of its parent."""
    counts = [len(os.listdir(f"/proc/{pid}/task")) for pid in (os.getpid(), os.getppid())]
    Path(path).write_text(f"{counts[0]} {counts[1]}")


def fail(what: str) -> None:
    """End badly in one of several ways."""
    from smoothlab.errors import UserMistake

    if what == "exception":
        raise ValueError("the reason")
    if what == "mistake":
        raise UserMistake("seed = -1: expected more")
    if what == "interrupt":
        raise KeyboardInterrupt
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.exit(7)


def talk() -> None:
    """Write to both outputs, and leave a thread that does so later."""
    print("on standard output")
    print("on standard error", file=sys.stderr)
    threading.Thread(target=lambda: (time.sleep(0.1), print("from a thread"))).start()


def leave_something_running(path: str) -> None:
    """End while a process of one's own still runs."""
    Path(path).write_text(str(subprocess.Popen(["sleep", "600"]).pid))


def sleep_on(path: str, deaf: bool = False) -> None:
    """Sleep with a process of one's own, and not listen to SIGTERM where ``deaf``."""
    if deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    mine = subprocess.Popen(["sleep", "600"])
    Path(path + ".part").write_text(f"{os.getpid()} {mine.pid}")
    os.rename(path + ".part", path)
    time.sleep(600)


def own_server(path: str) -> None:
    """Make processes of one's own, as a run with several ranks does."""
    from smoothlab.processes import WarmServer

    with WarmServer() as server:
        children = [server.launch(write_place, (f"{path}.{rank}",)) for rank in range(2)]
        assert all(child.wait(60).good for child in children)
        assert server._process is None  # forked, not a new interpreter


def sleeping_ranks(path: str) -> None:
    """Have processes of one's own that sleep."""
    from smoothlab.processes import WarmServer

    with WarmServer() as server:
        server.launch(sleep_on, (path,)).wait()


def own_sleepers(path: str) -> None:
    """Be an owner whose server sleeps on; without heavy imports."""
    from smoothlab.processes import WarmServer

    server = WarmServer(preload=())
    server.launch(sleep_on, (path,)).wait()


def draw(path: str) -> None:
    """Write numbers that no two processes should share."""
    import random

    import numpy as np

    Path(path).write_text(f"{random.random()} {np.random.random()}")  # noqa: NPY002


def write_listening(path: str) -> None:
    """Join the other ranks, and write the addresses on which this process and its owner listen."""
    import torch.distributed

    torch.distributed.init_process_group("gloo")
    torch.distributed.barrier()
    owner = int(os.environ["MASTER_PORT"])
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    lines += [line.split() for line in Path("/proc/net/tcp6").read_text().splitlines()[1:]]
    files = {os.readlink(file) for file in Path("/proc/self/fd").iterdir() if file.is_symlink()}
    values = []
    for line in lines:
        address, _, port = line[1].partition(":")
        if line[3] == "0A" and (f"socket:[{line[9]}]" in files or int(port, 16) == owner):
            values.append(".".join(str(byte) for byte in bytes.fromhex(address)[::-1]))
    Path(f"{path}.{os.environ['RANK']}").write_text(" ".join(values))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
