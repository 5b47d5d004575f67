"""TensorBoard: the same numbers, figures and tables as events below the run directory."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from smoothlab.errors import InvalidArgument, UserMistake
from smoothlab.yaml_limits import dump_yaml


class TensorBoardLogger(Logger):
    """Write events to ``<run_dir>/tensorboard``; to look at them: ``tensorboard --logdir outputs``.

    A resumed run hides the events after the checkpoint's step, which it writes again.

    Args:
        run_dir: the run directory.
        config: the resolved config, shown as a text.
        resume_step: the optimizer step of the checkpoint that the run continues from; 0 begins anew.
        samples: whether tables and figures of single samples, which may name a person, are written.

    Raises:
        InvalidArgument: ``samples`` is not a bool.
        UserMistake: tensorboard is not installed.
    """

    def __init__(
        self,
        run_dir: str | Path,
        config: Mapping[str, Any] | None = None,
        resume_step: int = 0,
        *,
        samples: bool = False,
    ) -> None:
        super().__init__()
        check_tensorboard(samples=samples)
        from torch.utils.tensorboard import SummaryWriter

        self.takes_samples = samples
        self._step = resume_step
        purge = {"purge_step": resume_step + 1} if resume_step else {}
        self._writer = SummaryWriter(str(Path(run_dir) / "tensorboard"), **purge)
        if config and not resume_step:
            self._writer.add_text("config", _preformatted(dump_yaml(dict(config))))

    @property
    def name(self) -> str:
        """Name of the logger's folder; not used."""
        return ""

    @property
    def version(self) -> str:
        """Version of the logger's folder; not used."""
        return ""

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: the config is there from the start."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Each metric as a point of its curve, at the optimizer step."""
        self._step = self._step if step is None else step
        for name, value in metrics.items():
            self._writer.add_scalar(name, float(value), self._step)

    @rank_zero_only
    def log_image(self, key: str, images: Sequence[str], step: int | None = None) -> None:
        """Figures from their PNG files."""
        from matplotlib.image import imread

        for path in images:
            self._writer.add_image(key, imread(path)[..., :3], step or self._step, dataformats="HWC")

    @rank_zero_only
    def log_table(self, key: str, columns: Sequence[str], data: Sequence[Sequence[Any]]) -> None:
        """A table as text with its columns."""
        rows = [columns, ["---"] * len(columns), *data]
        lines = ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
        self._writer.add_text(key, "\n".join(lines), self._step)

    @rank_zero_only
    def log_summary(self, values: Mapping[str, float]) -> None:
        """Final values as curves of one point, at the last step."""
        for name, value in values.items():
            self._writer.add_scalar(name, float(value), self._step)

    @rank_zero_only
    def finish(self, *, failed: bool) -> None:
        """Close the file; of a failed run it says so."""
        if failed:
            self._writer.add_text("state", "failed", self._step)
        self._writer.close()


def check_tensorboard(*, samples: bool = False) -> None:
    """Find out before a run begins that its events cannot be written.

    Raises:
        InvalidArgument: ``samples`` is not a bool.
        UserMistake: tensorboard is not installed.
    """
    if not isinstance(samples, bool):
        raise InvalidArgument("samples", samples, "true or false")
    if importlib.util.find_spec("tensorboard") is None:
        raise UserMistake("logger: tensorboard is not installed; pip install 'smoothlab[tensorboard]'")


def _cell(value: Any) -> str:
    """A value in a table of Markdown, whose own signs it must not use."""
    if value is None:
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def _preformatted(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())
