"""Weights & Biases: offline unless a key and the server are there, never a prompt, never a long wait."""

from __future__ import annotations

import logging
import os
import re
import shutil
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any, Literal, get_args

from pytorch_lightning.loggers import WandbLogger

from smoothlab.errors import InvalidArgument, UserMistake

Mode = Literal["auto", "online", "offline", "disabled"]
WrittenMode = Literal["online", "offline", "disabled"]
PROBE_SECONDS = 3.0
START_SECONDS = {"online": 20.0, "auto": 10.0}  # who asked for online waits longer before it fails
NOT_IN_PROJECT = "/\\#?%:"
log = logging.getLogger("smoothlab")


def choose_mode(mode: Mode) -> WrittenMode:
    """``online``, ``offline`` or ``disabled``.

    WANDB_MODE wins over ``auto``; without it, ``auto`` is online where a key is known and the server answers
    and takes it; else a line of the log says why the run is offline.

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
    try:
        if not _has_key():
            return "offline"
        url = _base_url()
        if _answers(url):
            _has_key(verify=True)
            return "online"
    except Exception as error:  # whatever is wrong with W&B's settings, the run itself is not in question
        log.warning("W&B: %s; the run is written offline", _reason(error))
        return "offline"
    log.info("W&B: %s did not answer within %g s; the run is written offline", url, PROBE_SECONDS)
    return "offline"


def _base_url() -> str:
    import wandb

    return str(wandb.setup().settings.base_url)  # a new Settings() does not read the environment


def _has_key(verify: bool = False) -> bool:
    """Whether the environment, W&B's settings or .netrc have a key; ``verify`` raises if the server refuses it."""
    from wandb.sdk.lib import wbauth

    # Unlike wandb.login it asks a server only on request, and prints nothing.
    found = wbauth.authenticate_session(
        host=_base_url(), source="smoothlab", prompt=False, verify=verify, update_session=False
    )
    return found is not None


def _answers(url: str) -> bool:
    """Whether an HTTP server answers at ``url``; proxies of the environment are used, any status will do."""
    try:
        with urllib.request.urlopen(url, timeout=PROBE_SECONDS):  # noqa: S310 - the user's own server setting
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False


def _reason(error: Exception) -> str:
    """The error's first line without a server's HTML page, and without the key, should an answer repeat it."""
    text = str(error).strip()
    line = re.split(r"<!|{|\\u003c", text.splitlines()[0])[0].rstrip(" :.") if text else type(error).__name__
    key = os.environ.get("WANDB_API_KEY")
    return line.replace(key, "***") if key else line


def make_wandb_logger(
    run_dir: str | Path,
    *,
    project: str | None,
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
        project: W&B project; None leaves the choice to W&B.
        config: the resolved config, shown with the run.
        identity: the run's identity; with the directory it makes the run's id, so that a resumed run goes on.
        name: shown name.
        resume_step: the step that the run continues from; above 0, the W&B run of this directory goes on.
        entity: W&B team or user.
        group: runs shown together, such as those of one experiment.
        tags: labels of the run.
        mode: ``auto``, ``online``, ``offline`` or ``disabled``. Where ``auto`` chose online and W&B refuses, the run
            is written offline; where the caller or WANDB_MODE chose it, that is an error.
        job_type: which command made the run.

    Returns:
        The logger; None when the mode is ``disabled``.

    Raises:
        InvalidArgument: no such mode, or a project name that W&B does not take.
        UserMistake: W&B did not start the run in the mode that was asked for.
    """
    if project is not None and not (
        isinstance(project, str) and 0 < len(project) <= 128 and not set(project) & set(NOT_IN_PROJECT)
    ):
        raise InvalidArgument("project", project, f"a name of 1 to 128 characters, none of {' '.join(NOT_IN_PROJECT)}")
    chosen = choose_mode(mode)
    if chosen == "disabled":
        return None
    import wandb

    folder = Path(run_dir).resolve()  # W&B's own process may have another working directory
    id_file = folder / "wandb" / "run-id.txt"
    run_id = id_file.read_text(encoding="utf-8").strip() if resume_step and id_file.is_file() else uuid.uuid4().hex[:12]
    id_file.parent.mkdir(parents=True, exist_ok=True)
    may_fall_back = mode == "auto" and os.environ.get("WANDB_MODE") != "online"

    def start(written: WrittenMode, run_id: str) -> RunLogger:
        id_file.write_text(run_id + "\n", encoding="utf-8")
        try:
            run = wandb.init(
                project=project,
                entity=entity,
                group=group,
                tags=tags or None,
                job_type=job_type,
                name=name,
                id=run_id,
                resume="allow" if written == "online" else None,
                dir=str(folder),
                mode=written,
                config={**config, "identity": identity},
                reinit="create_new",
                settings=wandb.Settings(
                    silent=True,
                    console="off",
                    x_disable_stats=True,
                    init_timeout=START_SECONDS["auto" if may_fall_back else "online"],
                ),
            )
        except Exception as error:  # W&B's own process fails with errors of many kinds, not all of them wandb.Error
            raise UserMistake(f"W&B: {_reason(error)}") from None
        return RunLogger(experiment=run, log_model=False)

    try:
        return start(chosen, run_id)
    except UserMistake as mistake:
        if chosen == "offline":
            raise
        if not may_fall_back:
            raise UserMistake(f"{mistake}; mode = 'online': expected a key and a server that take the run") from None
        log.warning("%s; the run is written offline", mistake)
    for left in id_file.parent.glob(f"run-*-{run_id}"):
        shutil.rmtree(left, ignore_errors=True)  # of the attempt: no run to anyone who looks
    return start("offline", uuid.uuid4().hex[:12])  # W&B's process still holds the first id


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
