"""A folder over the network: GlusterFS of one brick, mounted by each machine for itself, with a /tmp of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

from machines import ADDRESSES, NAMES, Machines

CHECKOUT = Path(__file__).resolve().parents[2]
PORT = 24907
SERVER = """\
volume posix
  type storage/posix
  option directory {brick}
end-volume
volume locks
  type features/locks
  subvolumes posix
end-volume
volume server
  type protocol/server
  option transport-type tcp
  option transport.socket.listen-port {port}
  option transport.socket.keepalive-time 5
  option transport.socket.keepalive-interval 2
  option transport.socket.keepalive-count 3
  option transport.tcp-user-timeout 12
  option auth.addr.locks.allow *
  subvolumes locks
end-volume
"""
CLIENT = """\
volume client
  type protocol/client
  option transport-type tcp
  option remote-host {host}
  option remote-port {port}
  option remote-subvolume locks
end-volume
"""
# $1 the client's file, $2 its log, $3 where to mount, $4 the checkout, $5 what becomes /tmp
ENTER = """\
set -e
touch "$2"
glusterfs -f "$1" -l "$2" "$3"
mount -t tmpfs tmpfs "$5"
case "$4" in /tmp/*) mkdir -p "$5/${4#/tmp/}"; mount --rbind "$4" "$5/${4#/tmp/}" ;; esac
mount --rbind "$5" /tmp
exec sleep infinity
"""


def missing() -> str | None:
    """Why there is no such folder here, or None."""
    if shutil.which("glusterfsd") is None or shutil.which("glusterfs") is None:
        return "a folder over the network needs the packages glusterfs-server and glusterfs-client"
    if not os.path.exists("/dev/fuse"):
        return "a folder over the network needs /dev/fuse"
    return None


class Shared:
    """``folder``, which both machines mount for themselves: nothing else that one writes is seen by the other.

    Args:
        machines: node1 serves the files.
    """

    def __init__(self, machines: Machines) -> None:
        self.machines = machines
        self._holders: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Shared:
        self._own = Path(tempfile.mkdtemp(prefix="shared-"))
        self.folder = Path(tempfile.mkdtemp(prefix="smoothlab-shared-", dir="/mnt"))
        (self._own / "brick").mkdir()
        server, client = self._own / "server.vol", self._own / "client.vol"
        server.write_text(SERVER.format(brick=self._own / "brick", port=PORT))
        client.write_text(CLIENT.format(host=ADDRESSES["node1"], port=PORT))
        (self._own / "server.log").touch()
        self.machines.mend()
        command = ["glusterfsd", "-N", "-f", str(server), "-l", str(self._own / "server.log")]
        self._server = self.machines.start("node1", command, log=self._own / "server.out")
        time.sleep(2.0)
        for name in NAMES:
            self.mount(name)
        return self

    def mount(self, name: str) -> None:
        """Let a machine have the folder, and a /tmp of its own."""
        own = self._own / f"tmp of {name}"
        own.mkdir(exist_ok=True)
        places = (self._own / "client.vol", self._own / f"{name}.log", self.folder, CHECKOUT, own)
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "sh", *map(str, places)]
        self._holders[name] = self.machines.start(name, command, log=self._own / f"{name}.out")
        for _ in range(100):
            if self.run(name, "sh", "-c", f"grep -q {self.folder} /proc/mounts && grep -q ' /tmp ' /proc/mounts") == 0:
                return
            time.sleep(0.1)
        raise AssertionError((self._own / f"{name}.out").read_text() + (self._own / f"{name}.log").read_text()[-2000:])

    def on(self, name: str, *command: str) -> list[str]:
        """The command line that runs ``command`` on a machine, in the folder."""
        enter = ["nsenter", f"--target={self._holders[name].pid}", "--mount", "--net", "--uts", "--"]
        return [*enter, "sh", "-c", f'cd {self.folder} && exec "$@"', "sh", *command]

    def run(self, name: str, *command: str) -> int:
        """The exit code of a command on a machine."""
        return subprocess.run(self.on(name, *command), capture_output=True).returncode

    def lose(self, name: str) -> None:
        """A machine loses its power: the cable first, so that nothing that ends there is told to anybody."""
        self.machines.cut()
        for pid in self.machines.processes(name):
            subprocess.run(["kill", "-KILL", pid], capture_output=True)
        self._holders.pop(name).wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in NAMES:
            for pid in self.machines.processes(name):
                subprocess.run(["kill", "-KILL", pid], capture_output=True)
        for process in (self._server, *self._holders.values()):
            process.wait()
        self.machines.mend()
        shutil.rmtree(self._own, ignore_errors=True)
        subprocess.run(["rmdir", str(self.folder)], capture_output=True)
