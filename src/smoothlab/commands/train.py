"""`smoothlab train`: one run, or a sweep with -m."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf, read_write

from smoothlab.commands.compose import (
    compose_config,
    directory_of,
    expand_sweep,
    multirun,
    plain,
    quoted,
    run_job,
    split_options,
)
from smoothlab.errors import RunFailed, UserMistake

if TYPE_CHECKING:
    from smoothlab.runs.run import Run


def run(words: Sequence[str]) -> int:
    """The command: exit code 0 when every run is done, 1 when one failed."""
    overrides, many = split_options(words)
    try:
        if many:
            return sweep(overrides)
        train(overrides)
    except RunFailed:
        return 1  # the run said why
    return 0


def train(overrides: Sequence[str] = ()) -> Run:
    """Train one classifier, as ``smoothlab train`` does.

    Args:
        overrides: as on the command line, such as ``["smoothing=none", "seed=1"]``.

    Returns:
        The finished run; ``run.results`` holds its metrics, ``run.model()`` predicts.

    Raises:
        UserMistake: something in the config or the data is wrong; nothing was written.
        RunFailed: training failed; the run directory says why.
    """
    config = compose_config("train", overrides)
    values = plain(config)

    from smoothlab.runs.directory import RunDirectory
    from smoothlab.runs.preparing import prepare
    from smoothlab.runs.run import Run
    from smoothlab.runs.training import train as train_prepared
    from smoothlab.runs.writable import check_folder

    prepared = prepare(values)
    if OmegaConf.select(config, "hydra.job.chdir"):
        raise UserMistake("hydra.job.chdir = true: runs stay in the working directory")
    directory, resume = choose_directory(config, values, prepared.identity)
    if resume:
        check_resumable(directory)
    else:
        check_folder(directory.path.parent, key="output_root")
        directory = RunDirectory(claim(directory.path))
    with read_write(config.hydra):
        config.hydra.run.dir = str(directory.path)
    try:
        run_job(config, lambda _: train_prepared(prepared, directory, resume=resume))
    except KeyboardInterrupt:
        print("continue it with resume=auto and the same options", file=sys.stderr)
        raise
    return Run(directory.path)


def choose_directory(config: DictConfig, values: dict[str, Any], identity: str) -> tuple[Any, bool]:
    """The run's directory, and whether the run in it is continued.

    Raises:
        UserMistake: the run to continue is not there, is finished, or has another config.
    """
    from smoothlab.runs.directory import DONE, RunDirectory, existing_run
    from smoothlab.runs.identity import differences
    from smoothlab.runs.run import Run

    wanted = values["resume"]
    fresh = directory_of(config, "hydra.run.dir")
    if wanted in (None, "none"):
        return RunDirectory(fresh), False
    if wanted == "auto":
        found = newest_unfinished(fresh.parent, identity)
        if found is None:
            print("resume=auto: no unfinished run of this config; starting anew", file=sys.stderr)
        return found or RunDirectory(fresh), found is not None
    run = existing_run(wanted, key="resume")
    status = run.read_status()
    if status.get("state") == DONE:
        raise UserMistake(f"resume = {str(wanted)!r}: this run is finished")
    if status.get("identity") != identity:
        changed = differences(Run(run.path).config, values) or ["the data's content"]
        raise UserMistake(f"resume = {str(wanted)!r}: its config is another one ({'; '.join(changed[:3])})")
    return run, True


def check_resumable(run: Any) -> None:
    """Refuse to continue a run before anything in its directory is touched.

    Raises:
        UserMistake: a living process holds the directory, or its last checkpoint cannot be read.
    """
    from smoothlab.runs.checkpoint import read_checkpoint

    with run.held():
        if run.last_checkpoint.is_file():
            read_checkpoint(run.last_checkpoint)


def newest_unfinished(folder: Path, identity: str) -> Any:
    """The newest run directory in ``folder`` of this identity that is neither done nor held by a living process."""
    from smoothlab.runs.directory import DONE, RUNNING, RunDirectory

    candidates = []
    for status_file in folder.glob("*/status.json"):
        run = RunDirectory(status_file.parent)
        try:
            status = run.read_status()
        except UserMistake:
            continue  # another one's damage is not this run's business
        if status.get("identity") == identity and status.get("state") not in (DONE, RUNNING):
            candidates.append((status.get("started", ""), run.path.name, run))
    return max(candidates, key=lambda one: one[:2])[2] if candidates else None


def claim(path: Path) -> Path:
    """Make ``path``, or it with ``_2``, ``_3``, ... where another run of the same second was faster."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number, free = 1, path
    while True:
        try:
            free.mkdir()
            return free
        except FileExistsError:
            number += 1
            free = path.with_name(f"{path.name}_{number}")
        except OSError as error:
            raise UserMistake(f"{str(free)!r}: cannot be made ({error.strerror})") from None


def sweep(overrides: Sequence[str]) -> int:
    """Every combination of the listed values, one after another; a failed run does not stop the others."""
    jobs = expand_sweep(overrides)
    configs = [plain(compose_config("train", job)) for job in jobs]

    if any(values["resume"] != "none" for values in configs):
        raise UserMistake("resume: is for one run; a sweep starts its runs anew")

    from smoothlab.runs.preparing import check_config
    from smoothlab.runs.writable import check_folder

    for values in configs:
        check_config(values)
    first = compose_config("train", jobs[0])
    folder = directory_of(first, "hydra.sweep.dir")
    check_folder(folder.parent, key="output_root")
    folder = claim(folder)
    print(f"sweep of {len(jobs)} runs in {folder}", file=sys.stderr)
    error = multirun("train", [*overrides, f"hydra.sweep.dir={quoted(folder)}"], _sweep_job)
    failed = _print_sweep(folder, jobs)
    if error is not None and not failed:
        print(f"smoothlab: {str(error).splitlines()[0]}", file=sys.stderr)
    return 1 if failed or error is not None else 0


def _sweep_job(config: DictConfig) -> float | None:
    """One job of a sweep, called by Hydra's launcher; returns the objective."""
    from hydra.core.hydra_config import HydraConfig

    from smoothlab.runs.directory import FAILED, RunDirectory, StatusFile
    from smoothlab.runs.identity import run_identity
    from smoothlab.runs.preparing import prepare
    from smoothlab.runs.training import train as train_prepared

    values = plain(config)
    directory = RunDirectory(HydraConfig.get().runtime.output_dir)
    print(f"\nrun {directory.path.name}: {' '.join(HydraConfig.get().overrides.task)}", file=sys.stderr)
    try:
        prepared = prepare(values)
    except UserMistake as mistake:
        with directory.held():
            StatusFile(directory, run_identity(values, "")).update(state=FAILED, error=str(mistake))
        print(f"smoothlab: {mistake}", file=sys.stderr)
        raise RunFailed(str(mistake)) from None
    return train_prepared(prepared, directory)["objective"]["value"]


def _print_sweep(folder: Path, jobs: list[list[str]]) -> int:
    """A table of the sweep's runs; returns how many are not done."""
    from smoothlab.runs.directory import DONE, RunDirectory
    from smoothlab.runs.run import Run

    failed = 0
    print(f"\n{'run':<6}{'state':<13}{'objective':<12}overrides", file=sys.stderr)
    for number, job in enumerate(jobs):
        status = RunDirectory(folder / str(number)).read_status()
        state, objective = status.get("state", "not started"), ""
        if state == DONE:
            value = Run(folder / str(number)).results["objective"]["value"]
            objective = "-" if value is None else f"{value:.4f}"
        else:
            failed += 1
        print(f"{number:<6}{state:<13}{objective:<12}{' '.join(job)} {status.get('error', '')}", file=sys.stderr)
    return failed
