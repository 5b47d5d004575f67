"""Which arguments of Lightning's Trainer a config may set: they work, they cannot, or smoothlab sets them.

Lightning takes many more arguments than a run can honour: each is in one of three tables, and a test compares them with
the signature of the installed Trainer. ``sigterm`` and ``timeout_s`` are smoothlab's own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from smoothlab.errors import UserMistake

WORKS = (
    *("accelerator", "strategy", "devices", "num_nodes", "precision", "sync_batchnorm"),
    *("max_epochs", "min_epochs", "max_steps", "min_steps", "max_time"),
    *("limit_train_batches", "limit_val_batches", "reload_dataloaders_every_n_epochs"),
    *("val_check_interval", "check_val_every_n_epoch", "num_sanity_val_steps", "log_every_n_steps"),
    *("enable_progress_bar", "enable_model_summary", "profiler", "detect_anomaly"),
    *("accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm"),
    *("deterministic", "benchmark", "inference_mode"),
)
AT_STEP = "step"
SIGTERM = (AT_STEP, "epoch")  # where a signal ends a training
OWN = ("sigterm", "timeout_s")
# A value that changes nothing (false, null, 0, a whole split) is taken.
CANNOT_WORK = {
    "fast_dev_run": "it leaves no checkpoint; use debug=fast",
    "barebones": "it leaves no checkpoint and no metrics; progress=none logger=none figures=false leaves out most",
    "overfit_batches": "its validation would be of training rows; use trainer.limit_train_batches",
    "limit_test_batches": "test is scored whole, after training",
    "limit_predict_batches": "it would score parts of validation and test as the whole",
    "model_registry": "checkpoints stay in the run directory; export writes a model to keep",
    "enable_autolog_hparams": "loggers get the whole config from smoothlab, always",
}
UNCHANGED: dict[str, tuple[Any, ...]] = {
    "limit_test_batches": (None, 1.0),
    "limit_predict_batches": (None, 1.0),
    "enable_autolog_hparams": (True,),
}
SET_BY_SMOOTHLAB = {
    "logger": "the group logger says it (logger=csv, logger=wandb)",
    "callbacks": "the group callbacks says it (callbacks=default, +callbacks.<name>._target_=...)",
    "plugins": "trainer.precision and trainer.strategy say what they are for",
    "enable_checkpointing": "each run writes checkpoints (callbacks.best_checkpoint, callbacks.last_checkpoint)",
    "default_root_dir": "output_root says where runs go",
    "use_distributed_sampler": "smoothlab's loaders know the ranks",
}
PROFILERS = {
    "simple": "pytorch_lightning.profilers.SimpleProfiler",
    "advanced": "pytorch_lightning.profilers.AdvancedProfiler",
    "pytorch": "pytorch_lightning.profilers.PyTorchProfiler",
}
AT_LEAST_1 = {
    "accumulate_grad_batches": "an integer of at least 1",
    "check_val_every_n_epoch": "an integer of at least 1",
    "max_epochs": "at least 1, or -1 for no end",
    "max_steps": "at least 1, or -1 for no limit",
}
NO_CHANGE = (None, False, 0, 0.0, "")


def lightning_arguments(trainer: Mapping[str, Any]) -> dict[str, Any]:
    """The config's group without what is smoothlab's own."""
    return {name: value for name, value in trainer.items() if name not in OWN}


def check_trainer_arguments(trainer: Mapping[str, Any]) -> None:
    """Refuse what a run cannot honour, before anything is made.

    Args:
        trainer: the config's group.

    Raises:
        UserMistake: in one line.
    """
    for name, value in trainer.items():
        if name in SET_BY_SMOOTHLAB:
            raise UserMistake(f"trainer.{name}: smoothlab sets it; {SET_BY_SMOOTHLAB[name]}")
        if name in CANNOT_WORK and not _changes_nothing(name, value):
            raise UserMistake(f"trainer.{name}: {CANNOT_WORK[name]}")
    for name, expected in AT_LEAST_1.items():
        value = trainer.get(name)
        if (
            isinstance(value, int)
            and not isinstance(value, bool)
            and (value == 0 or (value < 0 and "-1" not in expected))
        ):
            raise UserMistake(f"trainer.{name} = {value}: expected {expected}")
    interval = trainer.get("val_check_interval")
    if isinstance(interval, str | Mapping):  # Lightning 2.6 takes a time, and its own callbacks then fail
        raise UserMistake(
            f"trainer.val_check_interval = {interval!r}: expected a share of an epoch (0.25) or a number of "
            "batches; by the clock no run repeats another"
        )
    profiler = trainer.get("profiler")
    if profiler is not None and not isinstance(profiler, Mapping) and profiler not in PROFILERS:
        raise UserMistake(f"trainer.profiler = {profiler!r}: expected one of {', '.join(PROFILERS)}, or null")
    if trainer.get("sigterm", AT_STEP) not in SIGTERM:
        raise UserMistake(f"trainer.sigterm = {trainer['sigterm']!r}: expected one of {', '.join(SIGTERM)}")
    timeout = trainer.get("timeout_s")
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0):
        raise UserMistake(f"trainer.timeout_s = {timeout!r}: expected seconds above 0, or null for torch's 30 minutes")
    _check_clipping(trainer.get("gradient_clip_val"), trainer.get("gradient_clip_algorithm"))


def _changes_nothing(name: str, value: Any) -> bool:
    unchanged = UNCHANGED.get(name, NO_CHANGE)
    return any(type(value) is type(same) and value == same for same in unchanged)


def _check_clipping(norm: Any, algorithm: Any) -> None:
    if norm is None and algorithm is not None:
        raise UserMistake(
            f"trainer.gradient_clip_algorithm = {algorithm!r}: without trainer.gradient_clip_val it clips "
            "nothing; give a number"
        )
    if isinstance(norm, int | float) and not isinstance(norm, bool) and (norm < 0 or math.isnan(norm)):
        raise UserMistake(f"trainer.gradient_clip_val = {norm}: expected a number above 0, or null for no clipping")
