"""Where a run computes: its Trainer, on one device or on the ranks of several."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.environments import ClusterEnvironment, LightningEnvironment
from lightning_fabric.utilities.distributed import _get_default_process_group_backend_for_device
from pytorch_lightning import Trainer
from pytorch_lightning.accelerators import CPUAccelerator
from pytorch_lightning.strategies import DDPStrategy, FSDPStrategy, StrategyRegistry

from smoothlab.config.build import build
from smoothlab.config.trainer_arguments import lightning_arguments
from smoothlab.errors import UserMistake
from smoothlab.rundir.directory import RunDirectory
from smoothlab.starters import found_ranks
from smoothlab.training.clusters import choose_interface, cluster_environment
from smoothlab.training.direct import DirectSteps, DirectTrainer, NoProfiler
from smoothlab.training.meeting import hosts_of_ranks, join, starts_again

FORKING = ("spawn", "fork", "notebook")
TRAINER = "pytorch_lightning.Trainer"
DIRECT = f"{DirectTrainer.__module__}.{DirectTrainer.__qualname__}"
NO_GPU = "No supported gpu backend found"  # Lightning's words


def make_trainer(
    config: Mapping[str, Any],
    allowed: tuple[str, ...],
    *,
    environment: ClusterEnvironment | None = None,
    plugins: Sequence[Any] = (),
    **more: Any,
) -> Trainer:
    """The Trainer of a config's ``trainer`` group.

    Args:
        config: the resolved config of a run.
        allowed: prefixes that targets may begin with.
        environment: says which rank this process is; None: as its starter says.
        plugins: of Lightning, beside that.
        more: arguments beside the config's.

    Raises:
        UserMistake: a strategy whose ranks do not train right, or what Lightning refuses.
    """
    node = lightning_arguments(config["trainer"])
    strategy = node.get("strategy", "auto")
    if isinstance(strategy, str) and strategy.endswith(FORKING):
        raise UserMistake(
            f"trainer.strategy = {strategy!r}: its ranks share the memory of metrics and count twice; take ddp, whose "
            "ranks smoothlab starts itself"
        )
    if isinstance(strategy, str):
        node.pop("strategy", None)
        one_cpu = _is_one_cpu(node, strategy)
        more["strategy"] = DirectSteps() if one_cpu else _strategy(strategy, config["trainer"])
        if one_cpu and node["_target_"] == TRAINER:
            node["_target_"] = DIRECT
    if node.get("profiler") is None and more.get("profiler") is None:
        more["profiler"] = NoProfiler()
    more["plugins"] = [environment or cluster_environment(), *plugins]
    try:
        made: Trainer = build(node, "trainer", allowed=(*allowed, DirectTrainer.__module__), **more)
    except UserMistake as mistake:
        if NO_GPU not in str(mistake):
            raise
        named = f"trainer.accelerator = {node.get('accelerator')!r}"
        raise UserMistake(f"{named}: no GPU is found here; take trainer=cpu, or ddp_cpu for several ranks") from None
    return made


def _is_one_cpu(node: Mapping[str, Any], strategy: str) -> bool:
    """Whether a run computes in one process on the CPU."""
    accelerator = node.get("accelerator", "auto")
    on_cpu = accelerator == "cpu" or (accelerator == "auto" and not torch.accelerator.is_available())
    return (strategy, node.get("num_nodes", 1), on_cpu) == ("auto", 1, True) and node.get("devices", "auto") in (
        1,
        "auto",
    )


def _strategy(name: str, trainer: Mapping[str, Any]) -> Any:
    """The strategy of a name, whose ranks wait ``timeout_s`` for each other; torch's own limit is 30 minutes."""
    timeout_s = trainer.get("timeout_s")
    entry = StrategyRegistry[name] if name in StrategyRegistry else None  # noqa: SIM401 - no Mapping
    if timeout_s is None or entry is None or entry["strategy"] not in (DDPStrategy, FSDPStrategy):
        return name
    return entry["strategy"](**entry["init_params"], timeout=timedelta(seconds=timeout_s))


def check_devices(config: Mapping[str, Any], trainer: Trainer) -> None:
    """Refuse devices that nothing starts.

    Raises:
        UserMistake: in one line.
    """
    _check_cpu(config["trainer"], trainer)
    launched = found_ranks(os.environ)
    wanted = wanted_ranks(trainer)
    if launched is not None and launched.ranks != wanted:
        raise UserMistake(
            f"trainer.devices = {config['trainer'].get('devices')!r}, trainer.num_nodes = {trainer.num_nodes}: "
            f"{wanted} ranks, but {launched.starter} has started {launched.ranks}; give trainer.devices for a "
            "node and trainer.num_nodes, and a strategy for several (trainer=ddp)"
        )
    if launched is not None and launched.nodes not in (0, trainer.num_nodes):
        raise UserMistake(
            f"trainer.num_nodes = {trainer.num_nodes}: {launched.starter} has started {launched.ranks} ranks on "
            f"{launched.nodes} machines; give their number, and the same number of ranks on each"
        )
    if launched is None and trainer.num_nodes > 1:
        raise UserMistake(
            f"trainer.num_nodes = {trainer.num_nodes}: start the command on each node by torchrun or srun (scripts/)"
        )


def without_devices(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config to check where it is not trained: whether its devices are there is what its own machines can say."""
    places = {"accelerator": "cpu", "devices": 1, "num_nodes": 1, "strategy": "auto", "precision": "32-true"}
    trainer = {**config["trainer"], **places}
    trainer.pop("sync_batchnorm", None)
    return {**config, "trainer": trainer}


def _check_cpu(node: Mapping[str, Any], trainer: Trainer) -> None:
    """Refuse what a CPU does not do, and Lightning replaces without a word."""
    if not isinstance(trainer.accelerator, CPUAccelerator):
        return
    if str(node.get("precision")) in ("16", "16-mixed"):
        raise UserMistake(
            f"trainer.precision = {node['precision']!r}: a CPU does not mix in 16-bit floats; take bf16-mixed"
        )
    if node.get("sync_batchnorm"):
        raise UserMistake("trainer.sync_batchnorm = true: batch statistics are summed over GPUs alone; take false")


def wanted_ranks(trainer: Trainer) -> int:
    """The ranks of a config; ``trainer.world_size`` is what a cluster's environment says."""
    return int(trainer.num_devices * trainer.num_nodes)


@dataclass(frozen=True)
class Start:
    """What the ranks of a run have to agree on before they train.

    Args:
        directory: of the run.
        resumed: whether they go on from its last checkpoint.
        hosts: the machine of each rank; none for a run on one device.
    """

    directory: Path
    resumed: bool
    hosts: tuple[str, ...] = ()

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return RunDirectory(self.directory).checkpoints

    @property
    def last(self) -> Path | None:
        """The checkpoint to go on from."""
        return RunDirectory(self.directory).last_checkpoint if self.resumed else None

    @property
    def state(self) -> Path:
        """Folder of what learners have that is too large for a checkpoint."""
        return self.directory / "state"


def meet(trainer: Trainer, start: Start | None, timeout_s: float | None = None) -> Start:
    """Wait for all ranks, and hear from rank 0 where the run is.

    Args:
        trainer: of the run.
        start: what rank 0 says; None on the others.
        timeout_s: seconds that ranks wait for each other; None: torch's own limit.
    """
    if trainer.world_size > 1:
        choose_interface()
        place = found_ranks(os.environ)
        if place is not None and starts_again():
            device = trainer.strategy.root_device
            join(place, _get_default_process_group_backend_for_device(device), timeout_s)
        trainer.strategy.setup_environment()
        agreed = trainer.strategy.broadcast(None if start is None else (str(start.directory), start.resumed))
        assert agreed is not None
        return Start(Path(agreed[0]), agreed[1], hosts_of_ranks(trainer.world_size))
    assert start is not None
    return start


def leave(trainer: Trainer) -> None:
    """Part from the other ranks: what follows, rank 0 does alone."""
    if trainer.world_size > 1 and torch.distributed.is_initialized():
        trainer.strategy.barrier()
        torch.distributed.destroy_process_group()


def alone(config: Mapping[str, Any], allowed: tuple[str, ...]) -> Trainer:
    """A Trainer for rank 0, when it has left the others: each sample of a split passes through it once, in order."""
    node = {**config["trainer"], "devices": 1, "num_nodes": 1, "strategy": "auto"}
    environment = LightningEnvironment()  # not what the ranks' starter says
    return make_trainer(
        {"trainer": node}, allowed, environment=environment, logger=False, enable_checkpointing=False, callbacks=[]
    )


def on_cpu() -> Trainer:
    """A Trainer in this process on the CPU, for a model that is no net."""
    return Trainer(
        accelerator="cpu",
        devices=1,
        plugins=[LightningEnvironment()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
