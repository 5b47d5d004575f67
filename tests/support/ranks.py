"""Run a function in several processes that form a gloo group, as the ranks of a training do."""

from __future__ import annotations

import importlib.util
import inspect
import os
import pickle
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from warm import PATHS, warm_server


def be_rank_of_two(rank: int) -> None:
    """Give this process, which :func:`on_ranks` started, what torchrun would give it."""
    names = (
        "RANK",
        "LOCAL_RANK",
        "WORLD_SIZE",
        "LOCAL_WORLD_SIZE",
        "TORCHELASTIC_RUN_ID",
        "MASTER_ADDR",
        "MASTER_PORT",
    )
    values = (rank, rank, 2, 2, "test", "127.0.0.1", 29500)
    os.environ.update({name: str(value) for name, value in zip(names, values, strict=True)})


def on_ranks(function: Callable[..., Any], *arguments: Any, ranks: int = 2, timeout: float = 240.0) -> list[Any]:
    """What ``function(rank, *arguments)`` returns on each rank, in their order.

    Args:
        function: of a test file's top level, found again in the other process by file and name, so that the file must
            import without pytest's help.
        arguments: anything that pickle takes; each process has its own copy.
        ranks: how many processes.
        timeout: seconds until they are ended.

    Raises:
        AssertionError: a process failed; with the last lines of what it wrote.
    """
    with tempfile.TemporaryDirectory() as folder:
        call = (inspect.getfile(function), function.__qualname__, ranks, arguments)
        Path(folder, "call").write_bytes(pickle.dumps(call))
        logs = [Path(folder, f"log{rank}") for rank in range(ranks)]
        server, place = warm_server(), Path(folder)
        children = [server.launch(_main, (place, rank, PATHS), log=log, threads=1) for rank, log in enumerate(logs)]
        try:
            endings = [child.wait(timeout) for child in children]
        finally:
            for child in children:
                child.signal(signal.SIGKILL)
        for rank, (ending, log) in enumerate(zip(endings, logs, strict=True)):
            tail = log.read_text(errors="replace")[-2000:]
            assert ending is not None, f"rank {rank} took more than {timeout} s:\n{tail}"
            assert ending.good, f"rank {rank} failed, {ending.reason}:\n{ending.trace}\n{tail}"
        return [pickle.loads(Path(folder, f"answer{rank}").read_bytes()) for rank in range(ranks)]


def _main(folder: Path, rank: int, paths: list[str]) -> None:
    sys.path[:] = paths
    import torch

    file, name, ranks, arguments = pickle.loads((folder / "call").read_bytes())
    spec = importlib.util.spec_from_file_location("of_the_test", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["of_the_test"] = module
    spec.loader.exec_module(module)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=ranks)
    answer = getattr(module, name)(rank, *arguments)
    (folder / f"answer{rank}").write_bytes(pickle.dumps(answer))
    torch.distributed.destroy_process_group()
