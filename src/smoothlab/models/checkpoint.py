"""The checkpoint file: tensors and plain values only, written whole, read with ``weights_only=True``."""

from __future__ import annotations

import contextlib
import math
import pickle
import random
import shutil
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer, seed_everything
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import Tensor, nn

from smoothlab.errors import InvalidArgument, UserMistake, reason_of
from smoothlab.models.as_text import with_texts, without_texts
from smoothlab.rundir.atomic import write_atomically
from smoothlab.tasks.ranks import of_all_ranks
from smoothlab.tasks.task import Task
from smoothlab.tracking.csv import CSVLogger
from smoothlab.unpacking import damaged_part

FORMAT = 2  # of those that are written
READABLE = (1, 2)
KEY = "smoothlab"
SAME = 1e-6  # of one metric in its exact and its streaming form; from 128 classes on the latter is in float32


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write beside the target and rename; read tensors and plain values only.

    Lightning's own plugin writes to the system's temporary folder and moves, which between file systems is a copy.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Save ``checkpoint`` at ``path``: afterwards the old file or the new one stands there, whole.

        Raises:
            UserMistake: it cannot be written, as on a full disk.
        """
        path = Path(path)
        try:
            path.parent.mkdir(exist_ok=True)  # not its parents: a run directory that was removed stays so
            write_atomically(path, lambda temporary: _save(checkpoint, temporary))
        except (OSError, RuntimeError) as error:  # the latter is what torch makes of a write that fails
            if isinstance(error, RuntimeError) and "inline_container" not in str(error):
                raise
            if not path.parent.is_dir():
                raise UserMistake(f"{path}: cannot be written (its folder is gone)") from error
            reason = getattr(error, "strerror", None) or "is the disk full, or a limit of file sizes reached?"
            free = shutil.disk_usage(path.parent).free / 1e6
            raise UserMistake(
                f"{path}: cannot be written ({reason}; {free:,.0f} MB are free); the checkpoint before it is whole: "
                "make room, then continue the run with the same options and resume=auto (a sweep: the same command)"
            ) from error

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: Any = None) -> dict[str, Any]:
        """Read a checkpoint of ours."""
        return read_checkpoint(Path(path), map_location=map_location or "cpu")


def _save(checkpoint: dict[str, Any], path: Path) -> None:
    if KEY in checkpoint:
        checkpoint = {**checkpoint, KEY: with_texts(checkpoint[KEY])}
    with open(path, "wb") as file:  # given a path, torch writes its name, and with it a process id, into the archive
        torch.save(checkpoint, file)


def read_checkpoint(path: Path, *, map_location: Any = "cpu") -> dict[str, Any]:
    """The content of a checkpoint file.

    Raises:
        UserMistake: there is no such file, it is damaged, it holds something else than tensors and plain values, it is
            not smoothlab's, or its format is not this version's.
    """
    if not path.is_file():
        raise UserMistake(f"{path}: no such checkpoint")
    _check_sums(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the pickle protocol of foreign files, which are refused anyway
            checkpoint = torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        if "GLOBAL" in str(error):  # the text of torch's refusal to look up a Python object
            raise UserMistake(f"{path}: refused, it holds Python objects, which can run code when loaded") from None
        raise UserMistake(f"{path}: not a readable checkpoint (damaged, or another kind of file)") from None
    except Exception as error:  # what a damaged or foreign file can make torch raise has no end
        raise UserMistake(
            f"{path}: not a readable checkpoint (damaged, or another kind of file: {reason_of(error)})"
        ) from None
    ours = checkpoint.get(KEY) if isinstance(checkpoint, dict) else None
    if not isinstance(ours, dict) or "state_dict" not in checkpoint:
        raise UserMistake(f"{path}: a checkpoint, but not one of smoothlab")
    if ours.get("format") not in READABLE:
        raise UserMistake(
            f"{path}: checkpoint format {ours.get('format')!r}; this version of smoothlab reads formats "
            f"{' and '.join(map(str, READABLE))}"
        )
    with odd_content(str(path)):
        checkpoint[KEY] = ours = without_texts(ours)
    config = ours.get("config")
    complete = (
        isinstance(config, dict)
        and all(isinstance(config.get(name), dict) for name in ("net", "data", "task", "smoothing", "optimizer"))
        and _is_of_text(ours.get("class_names"), list)
        and _is_of_text(checkpoint["state_dict"], dict)
        and isinstance(ours.get("encoder"), dict)
        and "kind" in ours["encoder"]
    )
    if not complete:
        raise UserMistake(f"{path}: incomplete, its config, weights, class names or encoder are missing")
    return checkpoint


def _is_of_text(value: Any, kind: type[list[Any]] | type[dict[Any, Any]]) -> bool:
    """Whether a list, or the keys of a mapping, are texts."""
    return isinstance(value, kind) and all(isinstance(part, str) for part in value)


def _check_sums(path: Path) -> None:
    """Compare each part of the archive with its CRC-32, which ``torch.load`` does not do: a flipped bit is found.

    Raises:
        UserMistake: a part differs, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            damaged = damaged_part(file)  # what it is where it is no archive, torch.load says
    except Exception as error:  # a damaged archive makes zipfile raise much
        raise UserMistake(
            f"{path}: not a readable checkpoint (damaged, or another kind of file: {reason_of(error)})"
        ) from None
    if damaged:
        raise UserMistake(f"{path}: damaged: the part {damaged!r} is not what was written (its CRC-32 differs)")


@contextlib.contextmanager
def odd_content(what: str = "the checkpoint's content") -> Iterator[None]:
    """Around the making of objects from what is in a file, which somebody may have written by hand.

    Args:
        what: it is, for the line.

    Raises:
        UserMistake: in place of what wrong types and missing keys make Python raise.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RuntimeError) as error:
        raise UserMistake(f"{what} is not what smoothlab writes ({type(error).__name__}: {reason_of(error)})") from None


def add_to_checkpoint(path: Path, content: dict[str, Any], **ours: Any) -> None:
    """Write a checkpoint again with more in its own part.

    Args:
        path: the file.
        content: what ``read_checkpoint`` gave of it; changed here.
        ours: plain values and tensors by name.
    """
    content[KEY] |= ours
    AtomicCheckpointIO().save_checkpoint(content, path)


def load_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give a module the weights of a checkpoint, in the checkpoint's precision.

    Raises:
        UserMistake: other names or shapes, as of a net whose code was changed after training.
    """
    # a learner keeps a dictionary of tensors in its own precision
    tensors = [value for value in weights.values() if isinstance(value, Tensor)]
    types = {value.dtype for value in tensors if value.is_floating_point()}
    if torch.float64 in types:  # trainer.precision=64-true
        module.double()
    try:
        module.load_state_dict(dict(weights))
    except (RuntimeError, InvalidArgument) as error:  # the latter from a learner of another number of classes
        reason = str(error).strip().splitlines()[-1].strip()
        raise UserMistake(f"the weights do not fit the net; was its code changed after training? ({reason})") from None


def validated(checkpoint: Mapping[str, Any]) -> dict[str, float]:
    """The metrics ``val/...`` of the last validation before a checkpoint was written; of the best one, its own."""
    metrics: dict[str, float] = checkpoint.get(KEY, {}).get("validation", {}).get("metrics", {})
    return metrics


def as_validated(metrics: dict[str, float], checkpoint: Mapping[str, Any]) -> None:
    """Take the numbers by which a checkpoint was chosen, where scoring its weights again gives them to rounding.

    Metrics that stream add up batches in another order than those of whole splits do, so the last digits may differ;
    a run's objective, its row in metrics.csv and results.json say the same to the last digit.

    Args:
        metrics: of the validation split, uncalibrated; changed here.
        checkpoint: whose weights were scored.
    """
    for name, value in validated(checkpoint).items():
        short = name.removeprefix("val/")
        if short in metrics and math.isclose(metrics[short], value, rel_tol=SAME, abs_tol=SAME):
            metrics[short] = value


class RunState(Callback):
    """Put into each checkpoint what resuming and predicting need beside the weights.

    Args:
        config: the run's resolved config, plain values.
        identity: the run's identity.
    """

    def __init__(self, config: dict[str, Any], identity: str) -> None:
        self.config = config
        self.identity = identity
        self.within_epoch = False  # whether the checkpoint that is written now is of a training within an epoch
        self._restored: dict[str, Any] | None = None
        self._resumed = False
        self._had = 0  # batches of the epoch that the interrupted run has had

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add format, config, identity, the state of every random generator, and the rows of metrics.csv."""
        states = of_all_ranks(random_state())
        checkpoint[KEY] = {
            **checkpoint.get(KEY, {}),
            "format": FORMAT,
            "config": self.config,
            "identity": self.identity,
            "random": states[0],
            "random_of_ranks": states[1:],
            "rows": next((logger.text() for logger in trainer.loggers if isinstance(logger, CSVLogger)), ""),
        }
        if self.within_epoch and isinstance(pl_module, Task):
            batches = trainer.fit_loop.epoch_loop.batch_progress.current.ready
            checkpoint[KEY] |= {"batches": batches, "epoch_so_far": of_all_ranks(pl_module.epoch_so_far())}

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep the generators' states until training starts, since setting up may draw from them.

        A run directory may have been moved: ModelCheckpoint would then forget which checkpoint was the best.
        """
        self._resumed = True
        self._had = checkpoint[KEY].get("batches", 0)
        states = [checkpoint[KEY]["random"], *checkpoint[KEY].get("random_of_ranks", ())]
        rank = trainer.global_rank
        self._restored = states[rank] if rank < len(states) else None
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            state = checkpoint.get("callbacks", {}).get(callback.state_key)
            if isinstance(callback, ModelCheckpoint) and state is not None:
                _move(state, str(callback.dirpath))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw from generators that differ by rank: two ranks with one dropout mask would waste half of the draws.

        Train no further where early stopping had already ended the training that is resumed.
        """
        if trainer.global_rank > 0:
            step = trainer.global_step  # anew where more ranks resume a run than have begun it
            seed_everything((self.config["seed"] + 7919 * trainer.global_rank + step) % 2**32, verbose=False)
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if self._resumed and isinstance(callback, EarlyStopping):
                trainer.should_stop |= callback.wait_count >= max(callback.patience, 1)
        if self._had:
            loader: Any = trainer.train_dataloader
            loader.skip(self._had)
            self._go_on()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on with the random numbers that the interrupted run would have drawn next."""
        self._go_on()

    def _go_on(self) -> None:
        if self._restored is not None:
            set_random_state(self._restored)
            self._restored = None


def _move(state: dict[str, Any], folder: str) -> None:
    """Change the folder in the state of a ModelCheckpoint."""

    def moved(path: str) -> str:
        return str(Path(folder) / Path(path).name) if path else path

    state["dirpath"] = folder
    state["best_k_models"] = {moved(path): score for path, score in state["best_k_models"].items()}
    for name in ("best_model_path", "kth_best_model_path", "last_model_path"):
        state[name] = moved(state[name])


def random_state() -> dict[str, Any]:
    """The states of Python's, numpy's and torch's generators, as plain values and tensors."""
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002 - what libraries draw from
    state: dict[str, Any] = {
        "python": [version, torch.tensor(words), gauss],
        "numpy": [name, torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Undo ``random_state``."""
    version, words, gauss = state["python"]
    # a list in checkpoints of format 1
    random.setstate((version, tuple(words.tolist() if isinstance(words, Tensor) else words), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))  # noqa: NPY002
    torch.set_rng_state(state["torch"].cpu())
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all([device_state.cpu() for device_state in state["cuda"]])
