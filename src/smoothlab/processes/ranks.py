"""The ranks of one training that the warm server makes on this machine."""

from __future__ import annotations

import contextlib
import signal as signals
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from smoothlab.processes.child import Child, Ending
from smoothlab.processes.server import WarmServer
from smoothlab.starters import LOCAL

GRACE = 5.0  # seconds that siblings have to end by themselves; with SIGKILL all are gone within 10


class RankFailed(Exception):
    """A rank ended badly, and its siblings were ended.

    Args:
        rank: the first of them that ended badly by itself.
        ending: how.
        log: the end of what it wrote, where that was kept.
    """

    def __init__(self, rank: int, ending: Ending, log: str = "") -> None:
        super().__init__(f"rank {rank}: {ending.reason}")
        self.rank = rank
        self.ending = ending
        self.log = log


def run_ranks(
    server: WarmServer,
    target: Callable[..., object],
    args: Sequence[Any],
    *,
    ranks: int,
    logs: Path,
    env: Mapping[str, str | None] | None = None,
    threads: int | None = None,
    on_bad: Callable[[int, Ending], object] | None = None,
) -> None:
    """Call ``target(*args)`` in so many processes of one training, each with the environment that torchrun would set.

    Rank 0 writes to the server's standard output and error, the others to ``<logs>/rank<n>.log``. A rank that ends
    badly ends the others within ten seconds. Ctrl-C (or what else raises KeyboardInterrupt or SystemExit here) is
    passed on to all ranks as SIGTERM; they are waited for, and it goes on up.

    Args:
        server: makes the processes.
        target: a function of a module.
        args: its arguments, which are pickled; the same for each rank.
        ranks: how many.
        logs: folder of the logs, which must exist.
        env: variables to set beside torchrun's, or with None to remove.
        threads: CPU threads of torch in each.
        on_bad: called with the number of the first rank that ended badly and its ending, before the others are ended.

    Raises:
        RankFailed: a rank ended badly; none is left.
    """
    children: list[Child] = []
    meeting = contextlib.ExitStack()
    try:
        shared = rank_environment(ranks) | {
            "MASTER_PORT": str(meeting.enter_context(meeting_point())),
            "TORCHELASTIC_USE_AGENT_STORE": "True",  # the store is here, not in rank 0
            "GLOO_SOCKET_IFNAME": loopback(),
        }
        for rank in range(ranks):
            log = None if rank == 0 else logs / f"rank{rank}.log"
            numbered = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            children.append(
                server.launch(target, tuple(args), env={**shared, **numbered, **(env or {})}, log=log, threads=threads)
            )
        first = _first_bad(server, children)
        if first is not None and on_bad is not None:
            on_bad(first, _ending_of(children[first]))
    except BaseException:
        _end(children, patience=GRACE)
        raise
    finally:
        meeting.close()
    if first is not None:
        ours = _end(children, patience=GRACE)
        killed = [rank for rank, child in enumerate(children) if rank not in ours and _ending_of(child).crashed]
        first = min(killed, default=first)  # an error of the connection is but the echo of a process that is gone
        ending = _ending_of(children[first])
        path = logs / f"rank{first}.log"
        raise RankFailed(first, ending, path.read_text(errors="replace")[-8192:] if path.is_file() else "")


def rank_environment(ranks: int) -> dict[str, str | None]:
    """What torchrun sets for the ranks of one machine, but for their numbers; to Lightning it wins over SLURM's."""
    return {
        "WORLD_SIZE": str(ranks),
        "LOCAL_WORLD_SIZE": str(ranks),
        "GROUP_RANK": "0",
        "MASTER_ADDR": LOCAL,
        "MASTER_PORT": str(free_port()),
        "TORCHELASTIC_RUN_ID": uuid.uuid4().hex[:12],
        "TORCHELASTIC_USE_AGENT_STORE": "False",
    }


@contextlib.contextmanager
def meeting_point() -> Iterator[int]:
    """The port of a store in this process by which the ranks of one machine find each other.

    It listens on the loopback interface alone: whoever may write to a store is trusted by the ranks. A store that torch
    opens in rank 0 listens on every interface.
    """
    from torch.distributed import TCPStore

    listening = socket.socket()
    listening.bind((LOCAL, 0))
    listening.listen()
    port: int = listening.getsockname()[1]
    store = TCPStore(LOCAL, port, is_master=True, wait_for_workers=False, master_listen_fd=listening.detach())
    try:
        yield port
    finally:
        del store


def loopback() -> str | None:
    """The name of the loopback interface; None where it has no usual one."""
    names = {name for _, name in socket.if_nameindex()}
    return next((name for name in ("lo", "lo0") if name in names), None)


def free_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind((LOCAL, 0))
        port: int = probe.getsockname()[1]
        return port


def _first_bad(server: WarmServer, children: list[Child]) -> int | None:
    """Wait for the ranks; the number of the first that ended badly, None where all ended well."""
    running = set(range(len(children)))
    while running:
        server.wait_any([children[rank] for rank in sorted(running)])
        ended = [rank for rank in sorted(running) if children[rank].poll() is not None]
        bad = [rank for rank in ended if not _ending_of(children[rank]).good]
        if bad:
            return min(bad, key=lambda rank: (_ending_of(children[rank]).signal is None, rank))
        running -= set(ended)
    return None


def _ending_of(child: Child) -> Ending:
    ending = child.poll()
    assert ending is not None
    return ending


def _end(children: list[Child], *, patience: float) -> set[int]:
    """SIGTERM to all that run, SIGKILL to those that still do after ``patience`` seconds; returns the latter."""
    for child in children:
        child.signal(signals.SIGTERM)
    until = time.monotonic() + patience
    killed = set()
    for rank, child in enumerate(children):
        if child.wait(max(0.0, until - time.monotonic())) is None:
            killed.add(rank)
            child.signal(signals.SIGKILL)
    for child in children:
        child.wait()
    return killed
