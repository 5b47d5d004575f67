"""Weights & Biases: a run of its own for each run, offline unless a key and the server are there."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import WandbLogger

from smoothlab.errors import InvalidArgument, UserMistake
from smoothlab.flat_keys import takes_keys
from smoothlab.rundir.provenance import code_diff, code_state
from smoothlab.tracking import wandb_media as media
from smoothlab.tracking.wandb_server import (
    Mode,
    WrittenMode,
    check_online,
    choose_mode,
    chosen_by_user,
    online_mistake,
    reason_of,
)
from smoothlab.unpacking import name_of

START_SECONDS = {"online": 20.0, "auto": 10.0}  # who asked for online waits longer before it fails
SETTINGS: dict[str, Any] = {
    "silent": True,
    "console": "off",
    "finish_timeout": 300.0,  # seconds to upload what is left at the end; `wandb sync` sends the rest
    "disable_git": True,  # W&B's own would take the remote's address and every tracked file along
}
NOT_IN_PROJECT = "/\\#?%:"
LONGEST_PROJECT = 128  # characters
LONGEST_TAG = 64  # characters, W&B's own limit, found only by its server
CHECKPOINTS = ("best", "last")
ENVIRONMENT = {
    "project": "WANDB_PROJECT",
    "entity": "WANDB_ENTITY",
    "group": "WANDB_RUN_GROUP",
    "job_type": "WANDB_JOB_TYPE",
    "notes": "WANDB_NOTES",
}
SWEEP_FILE = "sweep.json"  # stands in the directory that holds a sweep's runs
log = logging.getLogger("smoothlab")


class RunLogger(WandbLogger):
    """Lightning's W&B logger, with what a run says at its end.

    Args:
        run: W&B's run.
        checkpoints: which of ``best`` and ``last`` it takes.
        takes_samples: whether tables and figures of single samples may be sent.
    """

    def __init__(self, run: Any, *, checkpoints: Sequence[str] = (), takes_samples: bool = False) -> None:
        super().__init__(experiment=run, log_model=False)
        self.takes_samples = takes_samples
        self._checkpoints = checkpoints

    def log_summary(self, values: Mapping[str, float]) -> None:
        """Set final values, shown in W&B's table of runs."""
        self.experiment.summary.update(dict(values))

    def log_checkpoint(self, path: Path, alias: str, about: Mapping[str, Any]) -> None:
        """Send a checkpoint as a version of the artifact ``<name>-<8 digits of the identity>``, if it was asked for.

        Args:
            path: the file, which must not change any more.
            alias: ``best`` or ``last``.
            about: ``name``, ``identity``, and what is shown with the version.
        """
        if alias not in self._checkpoints:
            return
        import wandb

        artifact = wandb.Artifact(f"{about['name']}-{about['identity'][:8]}", type="model", metadata=dict(about))
        # Offline, W&B keeps a copy until `wandb sync`: by then the run's own file may have been pruned.
        artifact.add_file(str(path), name=path.name, policy="mutable" if self.offline else "immutable")
        self.experiment.log_artifact(artifact, aliases=[alias])

    def log_diff(self) -> None:
        """Send what differs from the commit, as W&B's own ``diff.patch``."""
        text = code_diff()
        if not text:
            return
        path = Path(self.experiment.dir) / "diff.patch"
        path.write_text(text, encoding="utf-8")
        self.experiment.save(str(path), base_path=self.experiment.dir, policy="now")

    @property
    def offline(self) -> bool:
        """Whether the run is written to files alone."""
        return str(self.experiment.settings.mode) == "offline"

    def finish(self, *, failed: bool) -> None:
        """Close the run; a failed one ends with exit code 1. Offline, say how to send it."""
        settings = self.experiment.settings
        folder, offline = Path(settings.sync_dir), self.offline
        self.experiment.finish(exit_code=1 if failed else 0)
        if offline:
            parts = shlex.quote(str(folder.parent)) + "/offline-run-*"  # a resumed run has several
            log.info("W&B: written offline; send it with: wandb sync %s", parts)


@dataclass(frozen=True)
class WandbOptions:
    """What a config says of its W&B run.

    Args:
        project: W&B project; None leaves the choice to W&B. With the default see :func:`project_of`.
        entity: W&B team or user; None is the user's default.
        group: runs shown together; None is the sweep that the run belongs to, or else the experiment's name.
        job_type: which command made the run.
        tags: labels of the run.
        notes: a longer text beside the name.
        mode: ``auto``, ``online``, ``offline`` or ``disabled``. Where ``auto`` chose online and W&B refuses, the run
            is written offline; where the caller or WANDB_MODE chose it, that is an error.
        diff: send what differs from the commit, of tracked files, as ``diff.patch``; see ``code_diff``.
        system: send the machine's load, memory and temperature.
        checkpoints: which of ``best`` and ``last`` to send as versions of an artifact.
        samples: send tables and figures that show single samples, which may name a person.

    Raises:
        InvalidArgument: an option that W&B does not take.
    """

    project: str | None = "smoothlab"
    entity: str | None = None
    group: str | None = None
    job_type: str = "train"
    tags: Sequence[str] | None = ()
    notes: str | None = None
    mode: Mode = "auto"
    diff: bool = False
    system: bool = False
    checkpoints: Sequence[str] = ()
    samples: bool = False

    def __post_init__(self) -> None:
        project: object = self.project
        if project is not None and not (
            isinstance(project, str) and 0 < len(project) <= LONGEST_PROJECT and not set(project) & set(NOT_IN_PROJECT)
        ):
            expected = f"a name of 1 to {LONGEST_PROJECT} characters, none of {' '.join(NOT_IN_PROJECT)}"
            raise InvalidArgument("project", project, expected)
        for key in ("entity", "group", "job_type", "notes"):
            value = getattr(self, key)
            if value is not None and not (isinstance(value, str) and value.strip()):
                raise InvalidArgument(key, value, "a text that is not empty, or null")
        if self.tags is not None and (
            isinstance(self.tags, str)
            or not all(isinstance(tag, str) and 0 < len(tag) <= LONGEST_TAG for tag in self.tags)
        ):
            raise InvalidArgument("tags", self.tags, f"a list of texts of 1 to {LONGEST_TAG} characters")
        if isinstance(self.checkpoints, str) or not set(self.checkpoints or ()) <= set(CHECKPOINTS):
            expected = f"a list of {', '.join(CHECKPOINTS)}; [] sends none"
            raise InvalidArgument("checkpoints", self.checkpoints, expected)
        for key in ("diff", "system", "samples"):
            if not isinstance(getattr(self, key), bool):
                raise InvalidArgument(key, getattr(self, key), "true or false")


def by_environment(options: WandbOptions) -> WandbOptions:
    """Options, with W&B's own variables where the config has said nothing else than its default.

    WANDB_PROJECT, WANDB_ENTITY, WANDB_RUN_GROUP, WANDB_JOB_TYPE, WANDB_NOTES and WANDB_TAGS, between commas.
    """
    silent = {name: getattr(options, name) == getattr(WandbOptions(), name) for name in ENVIRONMENT}
    given = {name: os.environ.get(variable) for name, variable in ENVIRONMENT.items() if silent[name]}
    changed: dict[str, Any] = {name: value for name, value in given.items() if value}
    if not options.tags and (tags := os.environ.get("WANDB_TAGS")):
        changed["tags"] = [tag.strip() for tag in tags.split(",") if tag.strip()]
    return replace(options, **changed)


def project_of(config: dict[str, Any], default: str | None) -> str | None:
    """The project of a run whose config has the default: the run's name where that is the one of its data's file, as
    after ``smoothlab train my.csv``, so that own data are not among the runs of presets. WANDB_PROJECT wins.
    """
    data = config.get("data")
    path = data.get("path") if isinstance(data, dict) else None
    if default != WandbOptions().project or os.environ.get("WANDB_PROJECT") or not (path and isinstance(path, str)):
        return default
    name = name_of(path)
    return name[:LONGEST_PROJECT] if name == config.get("name") else default


@takes_keys
def make_wandb_logger(
    run_dir: str | Path,
    *,
    config: dict[str, Any],
    identity: str,
    name: str,
    resume_step: int = 0,
    options: WandbOptions = WandbOptions(),
) -> RunLogger | None:
    """Start a W&B run that writes below ``<run_dir>/wandb`` and wrap it for Lightning.

    The run is started here, not by Lightning, which would set WANDB_MODE for the rest of the process.

    Args:
        run_dir: the run directory.
        config: the resolved config, shown with the run.
        identity: the run's identity, shown with the run.
        name: shown name.
        resume_step: the step that the run continues from; above 0, the W&B run of this directory goes on.
        options: a part, or its keys.

    Returns:
        The logger; None when the mode is ``disabled``.

    Raises:
        UserMistake: W&B did not start the run in the mode that was asked for.
    """
    chosen = choose_mode(options.mode)
    if chosen == "disabled":
        return None
    by_choice = chosen_by_user(options.mode) == "online"
    folder = Path(run_dir).resolve()  # W&B's own process may have another working directory
    code = code_state()
    options = by_environment(options)
    arguments = {
        **{key: getattr(options, key) for key in ("entity", "job_type", "notes")},
        "project": project_of(config, options.project),
        "group": options.group or group_of(folder, str(config.get("name", name))),
        "tags": list(options.tags) if options.tags else None,
        "name": os.environ.get("WANDB_NAME") or name,
        "dir": str(folder),
        "config": {**config, "identity": identity, "code_commit": code["commit"], "code_changed": code["changed"]},
    }
    timeout = START_SECONDS["online" if by_choice else "auto"]
    settings = {"x_disable_stats": not options.system, "init_timeout": timeout, "git_commit": code["commit"]}
    run = _start_or_fall_back(
        lambda written, run_id: _start(arguments, settings, written, run_id),
        chosen,
        RunId(folder / "wandb"),
        resumed=resume_step > 0,
        may_fall_back=not by_choice,
    )
    logger = RunLogger(run, checkpoints=tuple(options.checkpoints or ()), takes_samples=options.samples)
    if options.diff:
        logger.log_diff()
    return logger


def check_wandb(**options: Any) -> None:
    """Find out before a run's directory is made what would keep its W&B run from starting; ``online`` asks the server.

    Raises:
        InvalidArgument: an option that W&B does not take.
        TypeError: an option that there is not.
        UserMistake: ``online``, but no key or no server that takes it.
    """
    check_online(WandbOptions(**options).mode)


def group_of(run_dir: Path, name: str) -> str:
    """The group of a run that was given none: its sweep, which the directory above it knows, or the experiment."""
    if not (run_dir.parent / SWEEP_FILE).is_file():
        return name
    sweep = run_dir.parent.name
    return sweep if sweep.startswith(name) else f"{name}-{sweep}"


class RunId:
    """The id of the W&B run of a run directory, kept in a file, so that a resumed run goes on under it.

    Args:
        folder: ``<run directory>/wandb``.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "run-id.txt"

    def choose(self, *, resumed: bool) -> str:
        """The id to start under: the file's for a resumed run, that of a W&B agent where one asks for it, or new."""
        if resumed and self._file.is_file():
            return self.keep(self._file.read_text(encoding="utf-8").strip())
        given = os.environ.get("WANDB_RUN_ID") if os.environ.get("WANDB_SWEEP_ID") else None
        return self.keep(given or self.new())

    def new(self) -> str:
        """An id that no run has."""
        return uuid.uuid4().hex[:12]

    def keep(self, run_id: str) -> str:
        """Write the id down."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(run_id + "\n", encoding="utf-8")
        return run_id

    def forget_attempt(self, run_id: str) -> None:
        """Remove what a start that failed has left: no run to anyone who looks."""
        for left in self._file.parent.glob(f"run-*-{run_id}"):
            shutil.rmtree(left, ignore_errors=True)


def _start_or_fall_back(
    start: Callable[[WrittenMode, str], Any],
    chosen: WrittenMode,
    ids: RunId,
    *,
    resumed: bool,
    may_fall_back: bool,
) -> Any:
    """W&B's run: in the mode that was chosen, or offline where online fails and nobody insists on it."""
    run_id = ids.choose(resumed=resumed)
    try:
        return start(chosen, run_id)
    except Exception as error:  # W&B's own process fails with errors of many kinds, not all of them wandb.Error
        reason = reason_of(error)
    if chosen == "offline":
        raise UserMistake(f"W&B: {reason}")
    if not may_fall_back:
        raise online_mistake(reason)
    log.warning("W&B: %s; the run is written offline", reason)
    ids.forget_attempt(run_id)
    return start("offline", ids.keep(ids.new()))  # W&B's process still holds the first id


def _start(arguments: Mapping[str, Any], settings: Mapping[str, Any], written: WrittenMode, run_id: str) -> Any:
    import wandb

    media.own_folder()
    with environment_kept():
        run = wandb.init(
            **arguments,
            id=run_id,
            resume="allow" if written == "online" else None,
            mode=written,
            reinit="create_new",
            settings=wandb.Settings(**SETTINGS, **settings),
        )
    run.define_metric("trainer/global_step")
    run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
    return run


@contextmanager
def environment_kept() -> Iterator[None]:
    """Put the environment's variables back: W&B leaves the address of its process there, which children would use."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)
