"""How ranks meet where some of them are started again: no rank takes an earlier attempt's address for the present one.

torchrun keeps one store for all attempts, and torch writes the addresses of the ranks under the same keys each time. A
rank that comes back sooner than another one finds the address of a process that is gone, and waits for it.
"""

from __future__ import annotations

import os
import re
import socket
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import torch.distributed
from torch.distributed import PrefixStore, TCPStore

from smoothlab.errors import RankLost
from smoothlab.starters import Place

# What gloo and NCCL say, with a source file of theirs, of a rank that is gone or does not answer.
LOST = re.compile(r"gloo|NCCL|TCPStore|Connection (?:reset|closed|refused)|Broken pipe|[Tt]imed? ?out")
ADDRESS = re.compile(r"\[(?:::ffff:)?([0-9.]+|[0-9a-f:]+)\]:\d+")
PATIENCE = 300.0  # seconds, where the config has none
POLL = 0.1


def starts_again(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the ranks of this process have a starter that keeps one store for all its attempts."""
    return "TORCHELASTIC_RESTART_COUNT" in environment


def join(place: Place, backend: str, timeout_s: float | None) -> None:
    """Make the process group of ranks that torchrun has started, apart from what earlier attempts left in its store.

    Args:
        place: of this process.
        backend: of torch: gloo or nccl.
        timeout_s: seconds that ranks wait for each other; None: torch's own limit.

    Raises:
        RankLost: a rank has not come in that time.
    """
    patience = PATIENCE if timeout_s is None else timeout_s
    assert place.address is not None
    limit = timedelta(seconds=patience)
    store = TCPStore(place.address, place.port, is_master=False, wait_for_workers=False, timeout=limit)
    own = PrefixStore(meeting(store, place.rank, place.ranks, patience), store)
    more: dict[str, Any] = {} if timeout_s is None else {"timeout": limit}
    torch.distributed.init_process_group(backend, store=own, rank=place.rank, world_size=place.ranks, **more)


def meeting(store: Any, rank: int, ranks: int, patience: float) -> str:
    """Agree on a name that no earlier attempt has used.

    Each rank but 0 leaves a word of its own making; rank 0 answers each word with the name, under a key that only an
    answer to this very word has; who finds the answer confirms it, and rank 0 says when all have.

    Args:
        store: of torch, which all ranks see, and which may hold what earlier attempts left.
        rank: of this process.
        ranks: how many there are.
        patience: seconds to wait.

    Raises:
        RankLost: a rank has not come in that time.
    """
    mine, until = uuid.uuid4().hex, time.monotonic() + patience
    if rank > 0:
        store.set(f"here/{rank}", mine)
        name = ""
        while not (name and store.check([f"{name}/all"])):
            if (answer := _read(store, f"answer/{mine}")) != name:
                name = answer
                store.set(f"{name}/{rank}", mine)
            _wait(until, [0], patience)
        return name
    words: dict[int, str] = {}
    while missing := [r for r in range(1, ranks) if r not in words or _read(store, f"{mine}/{r}") != words[r]]:
        for r in missing:
            if (word := _read(store, f"here/{r}")) not in ("", words.get(r)):
                store.set(f"answer/{word}", mine)
                words[r] = word
        _wait(until, missing, patience)
    store.set(f"{mine}/all", "")
    return mine


def hosts_of_ranks(ranks: int) -> tuple[str, ...]:
    """The machine of each rank, by its name; asked of all ranks at once."""
    hosts: list[Any] = [None] * ranks
    torch.distributed.all_gather_object(hosts, socket.gethostname())
    return tuple(hosts)


def lost_rank(error: BaseException, hosts: Sequence[str]) -> str:
    """One line on the rank that an error of the connections is about; empty for any other error.

    Args:
        error: what came up to the run.
        hosts: the machine of each rank.
    """
    text = str(error)
    if not isinstance(error, RuntimeError) or not hosts or not LOST.search(text):
        return ""
    address = ADDRESS.search(text)
    there = {rank: host for rank, host in enumerate(hosts) if address and _resolves(host, address[1])}
    others = there or {rank: host for rank, host in enumerate(hosts) if host != socket.gethostname()}
    names = ", ".join(f"{rank} on {host}" for rank, host in others.items()) or "another on this machine"
    reason = next((word for word in ("reset", "closed", "refused") if word in text), "")
    return f"rank {names}: {f'connection {reason}' if reason else 'no answer within trainer.timeout_s'}"


def _resolves(host: str, address: str) -> bool:
    try:
        return address in socket.gethostbyname_ex(host)[2]
    except OSError:
        return False


def _read(store: Any, key: str) -> str:
    """The text under a key; empty where there is none."""
    return bytes(store.get(key)).decode() if store.check([key]) else ""


def _wait(until: float, missing: list[int], patience: float) -> None:
    if time.monotonic() > until:
        ranks = f"rank {missing[0]}" if len(missing) == 1 else f"ranks {', '.join(map(str, missing))}"
        raise RankLost(f"trainer.timeout_s = {patience:g}: {ranks} did not come in this time")
    time.sleep(POLL)
