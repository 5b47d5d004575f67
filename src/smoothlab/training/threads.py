"""How many CPU threads a run uses."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from smoothlab.errors import UserMistake

# Multiplications of a forward pass from which on a second thread pays. Below it, threads mostly wait for each other,
# and on a machine that others use as well the waiting has been seen to make a run 15 times slower.
WORTH_SHARING = 2**25


def check_threads(threads: Any) -> None:
    """Refuse what is neither ``auto`` nor a number of threads.

    Raises:
        UserMistake: neither of them.
    """
    if threads != "auto" and (not isinstance(threads, int) or isinstance(threads, bool) or threads < 1):
        raise UserMistake(f"threads = {threads!r}: expected auto or an integer of at least 1")


@contextlib.contextmanager
def cpu_threads(threads: int | str, net: nn.Module, batch_size: int) -> Iterator[None]:
    """Use so many threads; ``auto`` is 1 for a small net and torch's own choice for a large one.

    Args:
        threads: a number or ``auto``.
        net: its parameters, each used once a sample, tell how much work a batch is.
        batch_size: samples a batch.
    """
    before = torch.get_num_threads()
    if threads == "auto":
        work = batch_size * sum(parameter.numel() for parameter in net.parameters())
        threads = 1 if work < WORTH_SHARING else before
    torch.set_num_threads(int(threads))
    try:
        yield
    finally:
        torch.set_num_threads(before)
