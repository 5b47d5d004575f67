"""Two machines on one: network and host name of their own, joined by a cable that can be cut."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

NAMES = ("node1", "node2")
ADDRESSES = {"node1": "10.77.0.1", "node2": "10.77.0.2"}
HOSTS = Path("/etc/netns")  # where `ip netns exec` finds the /etc/hosts of a namespace


def missing() -> str | None:
    """Why machines cannot be made here, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None or shutil.which("unshare") is None:
        return "network namespaces need the packages iproute2 and util-linux"
    probe = subprocess.run(["unshare", "--net", "--uts", "true"], capture_output=True)
    return None if probe.returncode == 0 else "this machine makes no network namespaces"


class Machines:
    """``node1`` and ``node2``, each in a network namespace, joined by a pair of virtual interfaces.

    Both see the same files, as machines of a cluster with a shared file system do. The names resolve to the addresses
    of the cable, so that programs of one machine reach the other; nothing else is reached.
    """

    def __enter__(self) -> Machines:
        self._remove()
        for name in NAMES:
            _ip("netns", "add", _space(name))
            hosts = HOSTS / _space(name)
            hosts.mkdir(parents=True, exist_ok=True)
            lines = ["127.0.0.1 localhost", *(f"{address} {host}" for host, address in ADDRESSES.items())]
            (hosts / "hosts").write_text("\n".join(lines) + "\n")
        first, second = map(_space, NAMES)
        _ip("link", "add", "cable", "netns", first, "type", "veth", "peer", "name", "cable", "netns", second)
        for name, address in ADDRESSES.items():
            _ip("-n", _space(name), "addr", "add", f"{address}/24", "dev", "cable")
            _ip("-n", _space(name), "link", "set", "lo", "up")
        self.mend()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in NAMES:
            for pid in self.processes(name):
                subprocess.run(["kill", "-KILL", pid], capture_output=True)
        self._remove()

    def on(self, name: str, *command: str) -> list[str]:
        """The command line that runs ``command`` on a machine."""
        rename = f"echo {name} > /proc/sys/kernel/hostname"
        return [*_enter(name), "unshare", "--uts", "sh", "-c", f'{rename}; exec "$@"', name, *command]

    def start(
        self, name: str, command: Sequence[str], *, log: Path, env: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start ``command`` on a machine, with its output in ``log``, as the leader of a process group of its own."""
        with log.open("ab") as stream:
            return subprocess.Popen(
                self.on(name, *command),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )

    def processes(self, name: str) -> list[str]:
        """The numbers of all processes of a machine."""
        answer = subprocess.run(["ip", "netns", "pids", _space(name)], capture_output=True, text=True)
        return answer.stdout.split()

    def cut(self) -> None:
        """Cut the cable: what is sent is lost, and nobody is told."""
        for name in NAMES:
            _ip("-n", _space(name), "link", "set", "cable", "down")

    def mend(self) -> None:
        """Join the machines again."""
        for name in NAMES:
            _ip("-n", _space(name), "link", "set", "cable", "up")

    @staticmethod
    def _remove() -> None:
        for name in NAMES:
            subprocess.run(["ip", "netns", "del", _space(name)], capture_output=True)
            shutil.rmtree(HOSTS / _space(name), ignore_errors=True)


def _space(name: str) -> str:
    return f"smoothlab-{name}"


def _enter(name: str) -> list[str]:
    return ["ip", "netns", "exec", _space(name)]


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
