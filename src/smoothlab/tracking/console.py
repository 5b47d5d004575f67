"""What the user sees of a run, and the copy of it in run.log."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

log = logging.getLogger("smoothlab")
SUMMARY = "pytorch_lightning.callbacks.model_summary"
LINE_SECONDS = 5.0  # at most one progress line in this time


@contextlib.contextmanager
def quiet_lightning() -> Iterator[None]:
    """Leave out Lightning's advertisements, and its warnings about choices that smoothlab made on purpose."""
    names = ("pytorch_lightning", "lightning_fabric")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        _set_level(logging.getLogger(name), logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\).*")
            warnings.filterwarnings("ignore", module=r"pytorch_lightning\.trainer\.connectors\.data_connector")
            warnings.filterwarnings("ignore", module=r"pytorch_lightning\.loops\.fit_loop")
            # metrics are summed over the ranks before they are logged
            warnings.filterwarnings("ignore", message=r"It is recommended to use `self.log.*sync_dist")
            warnings.filterwarnings("ignore", message=r"The `srun` command is available")  # who starts ranks is known
            warnings.filterwarnings("ignore", message=r"Checkpoint directory .* exists and is not empty")
            warnings.filterwarnings("ignore", message=r"A `OneCycleLR` scheduler is using 'interval': 'epoch'")
            warnings.filterwarnings("ignore", message=r"`precision=\d+` is supported for historical reasons")
            # refused in a line of ours
            warnings.filterwarnings("ignore", message=r"You passed `Trainer\(accelerator='cpu', precision='16-mixed'\)")
            yield
    finally:
        for name, level in levels.items():
            _set_level(logging.getLogger(name), level)


class _LogFile(logging.FileHandler):
    """run.log; what a disk refuses to take of it, the console has."""

    def handleError(self, record: logging.LogRecord) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            super().close()


_SILENT: ContextVar[bool] = ContextVar("silent", default=False)


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """In this block runs say nothing on the console; their run.log has it all the same."""
    token = _SILENT.set(True)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning_fabric)\.")
            yield
    finally:
        _SILENT.reset(token)


def _set_level(logger: logging.Logger, level: int) -> None:
    """Set a level where it is another one: setting it makes every logger there is forget what it is enabled for."""
    if logger.level != level:
        logger.setLevel(level)


@contextlib.contextmanager
def run_log(path: Path | None) -> Iterator[None]:
    """Send smoothlab's messages and Lightning's warnings to the console, and to ``path`` with times."""
    console = logging.NullHandler() if _SILENT.get() else logging.StreamHandler(sys.stderr)
    console.setFormatter(logging.Formatter("%(message)s"))
    handlers: list[logging.Handler] = [console]
    if path is not None:
        file = _LogFile(path, encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        handlers.append(file)
    loggers = {name: logging.getLogger(name) for name in ("smoothlab", "pytorch_lightning", "lightning_fabric")}
    before = {name: (logger.level, logger.propagate, list(logger.handlers)) for name, logger in loggers.items()}
    for name, logger in loggers.items():
        logger.handlers = list(handlers)
        logger.propagate = False
        _set_level(logger, logging.INFO if name == "smoothlab" else logging.WARNING)
    _set_level(
        logging.getLogger(SUMMARY), logging.INFO
    )  # which a Trainer writes where trainer.enable_model_summary asks
    try:
        with quiet_lightning():
            yield
    finally:
        for name, (level, propagate, old) in before.items():
            _set_level(loggers[name], level)
            loggers[name].propagate = propagate
            loggers[name].handlers = old
        console.flush()
        if path is not None:
            handlers[-1].close()


class EpochProgress(Callback):
    """A bar over epochs on a terminal; now and then a line elsewhere.

    Args:
        style: ``auto`` (a bar where standard error is a terminal, else lines), ``lines`` or ``none``.
    """

    def __init__(self, style: str) -> None:
        self.bar = style == "auto" and sys.stderr.isatty()
        self.lines = style != "none" and not self.bar
        self._progress: Progress | None = None
        self._last_line = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the bar."""
        self._last_line = time.monotonic()
        if self.bar:
            self._progress = Progress(
                TextColumn("epoch"),
                MofNCompleteColumn(),
                BarColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[metrics]}"),
                console=Console(stderr=True),
                transient=True,
            )
            total = trainer.max_epochs if trainer.max_epochs != -1 else None
            self._task = self._progress.add_task("", total=total, metrics="", completed=trainer.current_epoch)
            self._progress.start()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Advance the bar, or write a line when the last one is some seconds old."""
        if self._progress is not None:
            self._progress.update(self._task, advance=1, metrics=_short(trainer.callback_metrics))
        elif self.lines and time.monotonic() - self._last_line >= LINE_SECONDS:
            self._last_line = time.monotonic()
            log.info(
                "epoch %d  step %d  %s",
                trainer.current_epoch,
                trainer.global_step,
                _short(trainer.callback_metrics),
            )

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take the bar away, however the run ended."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def _short(metrics: Any) -> str:
    shown = ("val/nll", "val/accuracy", "val/ece")
    return "  ".join(f"{name} {float(metrics[name]):.4f}" for name in shown if name in metrics)


def new_rows_table(
    metrics: Mapping[str, float],
    intervals: Mapping[str, Sequence[float]],
    test: Mapping[str, float],
    test_intervals: Mapping[str, Sequence[float]],
) -> str:
    """Metrics of new rows beside those of a run's test rows, each with its 95% interval where it has one."""
    width = max(len(name) for name in metrics)
    lines = [f"{'':<{width}}{'new rows':>12}{'95% interval':>20}{'test':>12}{'95% interval':>20}"]
    for name, value in metrics.items():
        line = f"{name:<{width}}{value:>12.4f}{_interval(intervals.get(name)):>20}"
        if name in test:
            line += f"{test[name]:>12.4f}{_interval(test_intervals.get(name)):>20}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def _interval(ends: Sequence[float] | None) -> str:
    return "" if ends is None else f"{ends[0]:.4f} to {ends[1]:.4f}"


def drift_table(columns: Sequence[Any], most: int = 12) -> str:
    """How far columns have moved from training, the furthest first; of many those that are noted, and a few more."""
    shown = [column for place, column in enumerate(columns) if column.noted or place < most][: 4 * most]
    width = max([6, *(len(str(column.column)[:40]) for column in shown)])
    lines = [f"{'column':<{width}}{'index':>9}{'chance':>9}{'distance':>10}{'unseen':>9}{'missing, before':>17}"]
    for column in shown:
        distance = "" if column.distance is None else f"{column.distance:.3f}"
        unseen = "" if column.unseen is None else f"{column.unseen:.1%}"
        missing = f"{column.missing[1]:.1%}, {column.missing[0]:.1%}"
        line = f"{str(column.column)[:40]:<{width}}{column.index:>9.3f}{column.chance:>9.3f}"
        lines.append(f"{line}{distance:>10}{unseen:>9}{missing:>17}{'  drift' if column.noted else ''}")
    noted = sum(column.noted for column in columns)
    lines.append(
        f"drift from the training rows in {noted} of {len(columns)} columns "
        "(stability index above 0.1 and above chance)"
    )
    return "\n".join(lines)


def results_table(
    splits: Mapping[str, Mapping[str, float]], intervals: Mapping[str, Sequence[float]] | None = None
) -> str:
    """Metrics as rows, splits as columns, in plain text; 95% intervals belong to the last split."""
    names = list(dict.fromkeys(name for metrics in splits.values() for name in metrics))
    width = max(len(name) for name in names)
    heading = f"{'95% interval':>20}" if intervals else ""
    lines = [" " * width + "".join(f"{split:>12}" for split in splits) + heading]
    for name in names:
        cells = "".join(f"{metrics[name]:>12.4f}" if name in metrics else " " * 12 for metrics in splits.values())
        if intervals and name in intervals:
            low, high = intervals[name]
            cells += f"{f'{low:.4f} to {high:.4f}':>20}"
        lines.append(f"{name:<{width}}{cells}".rstrip())
    return "\n".join(lines)
