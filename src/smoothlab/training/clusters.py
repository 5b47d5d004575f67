"""Where the ranks of a run meet, as their starter has laid it out; Lightning is told, and looks for nothing itself."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from collections.abc import Mapping, MutableMapping

from lightning_fabric.plugins.environments import ClusterEnvironment, LightningEnvironment, TorchElasticEnvironment

from smoothlab.errors import UserMistake
from smoothlab.processes.ranks import loopback
from smoothlab.starters import TORCHRUN, Place, found_ranks

SIOCGIFADDR = 0x8915  # of Linux: the IPv4 address of an interface
GLOO_INTERFACE = "GLOO_SOCKET_IFNAME"


class StartedRanks(ClusterEnvironment):
    """The ranks that srun, mpirun or a cluster has started.

    Args:
        place: the place of this process among them.

    Raises:
        UserMistake: the ranks are on several machines, and nothing says where they meet.
    """

    def __init__(self, place: Place) -> None:
        super().__init__()
        if place.address is None:
            raise UserMistake(
                f"MASTER_ADDR: {place.starter} has started {place.ranks} ranks on {place.nodes} machines, and does not "
                "say where they meet; set it to the first machine's address"
            )
        self._place = place
        self._address = place.address

    @property
    def creates_processes_externally(self) -> bool:
        """The starter has made the ranks."""
        return True

    @property
    def main_address(self) -> str:
        """The machine of rank 0."""
        return self._address

    @property
    def main_port(self) -> int:
        """The port there."""
        return self._place.port

    @staticmethod
    def detect() -> bool:
        """Lightning does not choose it."""
        return False

    def world_size(self) -> int:
        """How many ranks there are."""
        return self._place.ranks

    def set_world_size(self, size: int) -> None:
        """The starter's number stands."""

    def global_rank(self) -> int:
        """The number of this process."""
        return self._place.rank

    def set_global_rank(self, rank: int) -> None:
        """The starter's number stands."""

    def local_rank(self) -> int:
        """The number of this process on its machine."""
        return self._place.local_rank

    def node_rank(self) -> int:
        """The number of the machine."""
        return self._place.node


def cluster_environment(environment: Mapping[str, str] = os.environ) -> ClusterEnvironment:
    """What Lightning is told about the ranks of which this process is one.

    Raises:
        UserMistake: nothing says where they meet.
    """
    place = found_ranks(environment)
    if place is None:
        return LightningEnvironment()
    return TorchElasticEnvironment() if place.starter == TORCHRUN else StartedRanks(place)


def choose_interface(environment: MutableMapping[str, str] = os.environ) -> None:
    """Name the network interface by which the ranks of several machines talk (gloo), where a host's name misleads.

    gloo takes the interface to which the machine's own name resolves. Many systems resolve it to the loopback
    interface, at which no other machine is.

    Raises:
        UserMistake: the name misleads, and there are several interfaces to choose from, or none.
    """
    place = found_ranks(environment)
    if place is None or place.nodes < 2 or environment.get(GLOO_INTERFACE) or not _own_name_is_local():
        return
    interfaces = [name for _, name in socket.if_nameindex() if name != loopback() and _address_of(name)]
    if len(interfaces) != 1:
        names = ", ".join(interfaces) or "none"
        raise UserMistake(
            f"{GLOO_INTERFACE}: {socket.gethostname()} resolves to itself alone, so the ranks of other machines do not "
            f"reach it; set the variable to one of its interfaces ({names})"
        )
    environment[GLOO_INTERFACE] = interfaces[0]


def _own_name_is_local() -> bool:
    try:
        return socket.gethostbyname(socket.gethostname()).startswith("127.")
    except OSError:  # no such name: gloo takes the loopback interface then
        return True


def _address_of(interface: str) -> str | None:
    """The IPv4 address of an interface; None where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            answer = fcntl.ioctl(probe.fileno(), SIOCGIFADDR, struct.pack("256s", interface.encode()[:15]))
        except OSError:
            return None
    return socket.inet_ntoa(answer[20:24])
