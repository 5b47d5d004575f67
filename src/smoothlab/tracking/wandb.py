"""Weights & Biases: offline unless a key and the server are there, never a prompt, never a long wait."""

from __future__ import annotations

import logging
import os
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any, Literal, get_args

from pytorch_lightning.loggers import WandbLogger

from smoothlab.errors import InvalidArgument

Mode = Literal["auto", "online", "offline", "disabled"]
WrittenMode = Literal["online", "offline", "disabled"]
PROBE_SECONDS = 3.0
log = logging.getLogger("smoothlab")


def choose_mode(mode: Mode) -> WrittenMode:
    """``online``, ``offline`` or ``disabled``.

    WANDB_MODE wins over ``auto``; without it, ``auto`` is online where a key is known and the server answers.

    Raises:
        InvalidArgument: no such mode.
    """
    if mode not in get_args(Mode):
        raise InvalidArgument("mode", mode, f"one of {', '.join(get_args(Mode))}")
    if mode != "auto":
        return mode
    for written in get_args(WrittenMode):
        if os.environ.get("WANDB_MODE") == written:
            return written
    if not _has_key():
        return "offline"
    url = _base_url()
    if _answers(url):
        return "online"
    log.info("W&B: %s did not answer within %g s; the run is written offline", url, PROBE_SECONDS)
    return "offline"


def _base_url() -> str:
    import wandb

    return str(wandb.Settings().base_url)


def _has_key() -> bool:
    import wandb

    # Looks in the environment, W&B's settings and .netrc; asks nobody and no server.
    return bool(wandb.login(prompt=False))


def _answers(url: str) -> bool:
    """Whether an HTTP server answers at ``url``; proxies of the environment are used, any status will do."""
    try:
        with urllib.request.urlopen(url, timeout=PROBE_SECONDS):  # noqa: S310 - the user's own server setting
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False


def make_wandb_logger(
    run_dir: str | Path,
    *,
    project: str,
    config: dict[str, Any],
    identity: str,
    name: str,
    resume_step: int = 0,
    entity: str | None = None,
    group: str | None = None,
    tags: list[str] | None = None,
    mode: Mode = "auto",
    job_type: str = "train",
) -> RunLogger | None:
    """Start a W&B run that writes below ``<run_dir>/wandb`` and wrap it for Lightning.

    The run is started here, not by Lightning, which would set WANDB_MODE for the rest of the process.

    Args:
        run_dir: the run directory.
        project: W&B project.
        config: the resolved config, shown with the run.
        identity: the run's identity; with the directory it makes the run's id, so that a resumed run goes on.
        name: shown name.
        resume_step: the step that the run continues from; above 0, the W&B run of this directory goes on.
        entity: W&B team or user.
        group: runs shown together, such as a sweep.
        tags: labels of the run.
        mode: ``auto``, ``online``, ``offline`` or ``disabled``.
        job_type: which command made the run.

    Returns:
        The logger; None when the mode is ``disabled``.
    """
    chosen = choose_mode(mode)
    if chosen == "disabled":
        return None
    import wandb

    folder = Path(run_dir).resolve()  # W&B's own process may have another working directory
    id_file = folder / "wandb" / "run-id.txt"
    run_id = id_file.read_text(encoding="utf-8").strip() if resume_step and id_file.is_file() else uuid.uuid4().hex[:12]
    id_file.parent.mkdir(parents=True, exist_ok=True)
    id_file.write_text(run_id + "\n", encoding="utf-8")
    run = wandb.init(
        project=project,
        entity=entity,
        group=group,
        tags=tags or None,
        job_type=job_type,
        name=name,
        id=run_id,
        resume="allow" if chosen == "online" else None,
        dir=str(folder),
        mode=chosen,
        config={**config, "identity": identity},
        reinit="create_new",
        settings=wandb.Settings(silent=True, console="off", x_disable_stats=True, init_timeout=20),
    )
    return RunLogger(experiment=run, log_model=False)


class RunLogger(WandbLogger):
    """Lightning's W&B logger, and a place for a run's final numbers."""

    def log_summary(self, values: dict[str, float]) -> None:
        """Set final values, shown in W&B's table of runs."""
        self.experiment.summary.update(values)


def finish_wandb(loggers: list[Any], *, failed: bool) -> None:
    """Close the W&B runs among ``loggers``; a failed run is marked as such."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.experiment.finish(exit_code=1 if failed else 0)
