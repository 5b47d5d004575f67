"""Which runs can train as one, as far as their configs tell; imports nothing heavy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from smoothlab.errors import UserMistake
from smoothlab.rundir.identity import in_order

AUTO, SINGLE, BATCHED = "auto", "single", "batched"
ENGINES = (AUTO, SINGLE, BATCHED)
TASKS = tuple(f"smoothlab.tasks.{name}" for name in ("ClassificationTask", "OrdinalTask", "MultilabelTask"))
NOT_SMALL = tuple(  # nets of images and texts; nets of one's own are tried
    f"smoothlab.nets.{name}"
    for name in (
        *("ConvNet", "ResNet", "TextTransformer", "EmbeddingBag"),
        *("Seq2SeqTransformer", "Pretrained", "PretrainedSeq2Seq", "Timm"),
    )
)
# torch's optimizers that treat each weight by itself, so that those of several nets may stand in one tensor.
OPTIMIZERS = tuple(
    f"torch.optim.{name}" for name in ("AdamW", "Adam", "SGD", "RMSprop", "NAdam", "RAdam", "Adamax", "Adagrad")
)
# What a stack's loop does as Lightning does it; any other value of these is trained singly.
TRAINER: Mapping[str, tuple[Any, ...]] = {
    "accelerator": ("cpu",),
    "devices": (1, "auto"),
    "strategy": ("auto",),
    "num_nodes": (1,),
    "precision": ("32-true", "64-true", 32, 64, "32", "64"),
    "max_steps": (-1,),
    "max_time": (None,),
    "min_epochs": (None,),
    "min_steps": (None,),
    "limit_train_batches": (1.0, None),
    "limit_val_batches": (1.0, None),
    "reload_dataloaders_every_n_epochs": (0,),
    "val_check_interval": (1.0, None),
    "check_val_every_n_epoch": (1,),
    "num_sanity_val_steps": (0,),
    "accumulate_grad_batches": (1,),
    "gradient_clip_val": (None, 0),
    "detect_anomaly": (False,),
    "profiler": (None,),
    "sync_batchnorm": (False,),
}
FREE = ("_target_", "max_epochs", "deterministic", "benchmark", "inference_mode", "sigterm", "timeout_s")
FREE_TRAINER = frozenset(
    {*FREE, "log_every_n_steps", "enable_progress_bar", "enable_model_summary", "gradient_clip_algorithm"}
)
CHECKPOINT = "pytorch_lightning.callbacks.ModelCheckpoint"
STOPPING = "pytorch_lightning.callbacks.EarlyStopping"
CALLBACKS: Mapping[str, tuple[str, frozenset[str]]] = {
    "best_checkpoint": (CHECKPOINT, frozenset({"monitor", "mode", "filename", "save_on_train_epoch_end"})),
    "last_checkpoint": (CHECKPOINT, frozenset({"monitor", "filename", "save_on_train_epoch_end"})),
    "early_stopping": (
        STOPPING,
        frozenset({"monitor", "mode", "patience", "min_delta", "check_finite", "verbose"})
        | {"stopping_threshold", "divergence_threshold"},
    ),
}
ALWAYS = frozenset({"_target_", "enable_version_counter", "auto_insert_metric_name"})
OF_ROWS = ("fold", "shuffle_seed", "split_seed", "row_seed")  # of the data: which rows, and in which order
RIVALS = "other models"
LEAST = 2  # runs of a stack
MOST = 128  # beyond, the weights of one more net cost as much as a stack of its own


def check_engine(engine: Any) -> None:
    """Refuse what is no engine.

    Raises:
        UserMistake: in one line.
    """
    if engine not in ENGINES:
        raise UserMistake(f"engine = {engine!r}: expected one of {', '.join(ENGINES)}")


def settled(values: Mapping[str, Any], *, by_itself: bool) -> str:
    """The engine of a run: ``batched`` where that is asked for and the config lets it be, else ``single``.

    Args:
        values: the resolved config.
        by_itself: whether ``auto`` asks for it.
    """
    engine = values.get("engine", AUTO)
    wanted = engine == BATCHED or (engine == AUTO and by_itself)
    return BATCHED if wanted and is_stackable(values) else SINGLE


def is_stackable(values: Mapping[str, Any]) -> bool:
    """Whether a run can be trained in a stack of nets, as far as its config tells."""
    return (
        not values.get("model")
        and not values.get("compile")
        and values.get("init") is None
        and values["task"].get("_target_") in TASKS
        and values["net"].get("_target_") not in NOT_SMALL
        and values["optimizer"].get("_target_") in OPTIMIZERS
        and _usual_trainer(values["trainer"])
        and all(_usual_callback(name, node) for name, node in values["callbacks"].items())
        and {"best_checkpoint", "last_checkpoint"} <= set(values["callbacks"])
    )


def _usual_trainer(node: Mapping[str, Any]) -> bool:
    usual = all(node[name] in values for name, values in TRAINER.items() if name in node)
    epochs = node.get("max_epochs")
    return usual and isinstance(epochs, int) and epochs >= 1 and set(node) <= {*TRAINER, *FREE_TRAINER}


def _usual_callback(name: str, node: Mapping[str, Any]) -> bool:
    if name not in CALLBACKS:
        return False
    target, keys = CALLBACKS[name]
    at_validation = name != "best_checkpoint" or node.get("save_on_train_epoch_end") is None
    return node.get("_target_") == target and set(node) <= keys | ALWAYS and at_validation


def kind_of(values: Mapping[str, Any]) -> str:
    """What runs have in common that may train as one; their shapes are compared once the data are read."""
    net = {name: bool(value) if name == "dropout" else value for name, value in values["net"].items()}
    data = {name: value for name, value in values["data"].items() if name not in OF_ROWS}
    trainer = {name: value for name, value in values["trainer"].items() if name != "max_epochs"}
    kind = [net, data, trainer, values["task"], values["optimizer"]["_target_"], values["threads"], values["code"]]
    return json.dumps(in_order(kind))


def bundles(runs: Sequence[Mapping[str, Any]], processes: int) -> list[list[int]]:
    """Which runs share a process, as their positions; those that have one for themselves are in none.

    Nets that train as one share it, and other models, which are fitted there one after the other.

    Args:
        runs: resolved configs, in the order in which they are to be started.
        processes: how many run at a time; each gets a share of the runs.
    """
    kinds: dict[str, list[int]] = {}
    for place, values in enumerate(runs):
        if values.get("model"):  # fitted in a moment: a process of its own imports for longer
            kinds.setdefault(RIVALS, []).append(place)
        elif values.get("engine") == BATCHED and is_stackable(values):
            kinds.setdefault(kind_of(values), []).append(place)
    made = []
    for places in kinds.values():
        parts = max(min(processes, len(places) // LEAST), -(-len(places) // MOST))
        made += [places[part::parts] for part in range(parts)] if parts else []
    return [places for places in made if len(places) >= LEAST]
