"""`smoothlab train`: one run, or a sweep with -m."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf, read_write

from smoothlab.commands.file_first import named_by_file, with_file
from smoothlab.config.compose import (
    compose_config,
    directory_of,
    expand_sweep,
    hydra_launcher,
    is_list,
    multirun,
    plain,
    quoted,
    run_job,
    split_options,
)
from smoothlab.config.places import check_name
from smoothlab.config.repeated import compose_jobs
from smoothlab.errors import RunFailed, UserMistake
from smoothlab.rundir.directory import DONE, INTERRUPTED, PRUNED, RUNNING, RunDirectory, existing_run
from smoothlab.rundir.identity import OF_NETS, differences
from smoothlab.rundir.writable import check_folder
from smoothlab.starters import found_ranks
from smoothlab.training.stacked.stackable import SINGLE, check_engine, settled

if TYPE_CHECKING:
    from smoothlab.models.run import Run
    from smoothlab.sweeps.board import Board
    from smoothlab.sweeps.launcher_pool import Pool

BASIC_SWEEPER = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
OUR_LAUNCHER = "hydra_plugins.smoothlab_plugins.launcher.SmoothlabLauncher"
MEANS_NOTHING = OF_NETS | {"callbacks", "compile"}  # to a model in a net's place
OF_ONE_RUN = {
    "init",
    "smoothing",
    "seed",
    "figures",
    "model",
    "calibrator",
}  # what a comparison chooses itself, or refuses
OF_SWEEPS = [["hydra", "sweep"], ["hydra", "launcher"], ["hydra", "sweeper"]]


def run(words: Sequence[str]) -> int:
    """The command: exit code 0 when every run is done, 1 when one failed."""
    overrides, many = split_options(with_file(words))
    try:
        if many:
            return sweep(named_by_file(overrides))
        run = train(overrides)
    except RunFailed:
        return 1  # the run said why
    if ((place := found_ranks(os.environ)) is None or place.rank == 0) and run.status.get("state") == DONE:
        print(f"next: {next_command(words, run)}", file=sys.stderr)
    return 0


@contextlib.contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say on a terminal what is waited for, as long as it takes."""
    if not sys.stderr.isatty():
        yield
        return
    print(f"{what} ...", end="", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def next_command(words: Sequence[str], run: Run) -> str:
    """What to type after a run, by what its test rows say of its confidence.

    Args:
        words: of the command that made it.
        run: the finished run.
    """
    from smoothlab.reports.confidence import FITS, Confidence

    confidence = Confidence.of(run.results, run.config)
    left_out = {"resume"}
    if confidence is not None and confidence.remedy:
        left_out.add(confidence.remedy.partition("=")[0])
        return shlex.join(["smoothlab", "train", *_without(words, left_out), confidence.remedy])
    if confidence is not None and confidence.kind == FITS:
        return (
            f"smoothlab predict run={shlex.quote(os.path.relpath(run.path))} input=<new rows> output=probabilities.csv"
        )
    rest = _without(words, {*left_out, *OF_ONE_RUN})
    return shlex.join(["smoothlab", "compare", *(rest or ["experiment=medical"]), "budget=quick"])


def _without(words: Sequence[str], groups: set[str]) -> list[str]:
    """The words of a command without those of some groups and keys."""
    return [word for word in words if re.split(r"[=./@]", word.lstrip("-+~"))[0] not in groups or "=" not in word]


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
    refuse_without_effect(overrides, many=False)
    config = compose_config("train", overrides)
    refuse_preset(config, overrides)
    refuse_of_nets(config, overrides)
    values = plain(config)
    check_engine(values["engine"])
    values["engine"] = SINGLE  # there is no other run

    with waiting("importing torch and Lightning"):
        from smoothlab.models.run import Run
        from smoothlab.training.preparing import prepare
        from smoothlab.training.ranks import leave_status, server_for, train_on_devices
        from smoothlab.training.stopping import stopped_by_signals
        from smoothlab.training.train import follow

    with stopped_by_signals(), server_for(values) as server:
        prepared = prepare(values)
        given = found_ranks(os.environ)
        if given is not None and given.rank > 0:  # rank 0 makes the directory, and says which
            return Run(follow(prepared))
        if OmegaConf.select(config, "hydra.job.chdir"):
            raise UserMistake("hydra.job.chdir = true: runs stay in the working directory")
        directory, resume, begun = choose_directory(config, values, prepared.identity)
        if begun is not None:
            directory = train_on(begun, prepared, directory)
        elif resume:
            check_resumable(directory)
        else:
            check_folder(directory.path.parent, key="output_root")
            directory = RunDirectory(claim(directory.path))
        with read_write(config.hydra):
            config.hydra.run.dir = str(directory.path)
        try:
            run_job(config, lambda _: train_on_devices(prepared, directory, resume=resume, server=server))
        except KeyboardInterrupt:
            if not directory.read_status():  # before the training began
                leave_status(directory, prepared.identity, INTERRUPTED)
            print("continue it with resume=auto and the same options", file=sys.stderr)
            raise
    return Run(directory.path)


def refuse_without_effect(overrides: Sequence[str], *, many: bool) -> None:
    """Refuse settings of Hydra that a command would not look at.

    Args:
        overrides: of the command line.
        many: whether the command makes a sweep.

    Raises:
        UserMistake: in one line.
    """
    for override in overrides:
        key = override.split("=", 1)[0].lstrip("+~")
        if key == "hydra.sweep.subdir":
            raise UserMistake(
                "hydra.sweep.subdir: a run's folder is named by what it changes, so that a second start finds it; "
                "hydra.sweep.dir and hydra.launcher.name choose the sweep's folder"
            )
        if key == "hydra.mode":
            raise UserMistake("hydra.mode: -m chooses it; leave it out")
        if not many and key.replace("/", ".").split(".")[:2] in OF_SWEEPS:
            raise UserMistake(f"{key}: is for a sweep; add -m")


def refuse_preset(config: DictConfig, overrides: Sequence[str]) -> None:
    """Refuse a preset of a sweep whose lists nobody would read.

    Raises:
        UserMistake: there is one, and the command line gives none of the values that it lists.
    """
    params = OmegaConf.select(config, "hydra.sweeper.params") or {}
    if params and not {override.split("=", 1)[0] for override in overrides} & {str(key) for key in params}:
        raise UserMistake(f"sweep={config.hydra.runtime.choices.sweep}: makes a sweep; add -m")


def refuse_of_nets(config: DictConfig, overrides: Sequence[str]) -> None:
    """Refuse options that train a net where another model stands in its place.

    Raises:
        UserMistake: in one line.
    """
    model = config.hydra.runtime.choices.get("model") or "net"
    for override in overrides if model != "net" else ():
        key = override.split("=", 1)[0].lstrip("+~")
        if re.split(r"[./@]", key)[0] in MEANS_NOTHING:
            raise UserMistake(f"{key}: trains a net, and model={model} is none; leave it out, or take model=net")


def train_on(begun: RunDirectory, prepared: Any, directory: RunDirectory) -> RunDirectory:
    """The directory of a run that goes on where a finished, shorter one ended.

    Raises:
        UserMistake: what comes of it would not be the longer run.
    """
    from smoothlab.training.longer import check_longer, take_over

    epochs = check_longer(begun, prepared)
    check_folder(directory.path.parent, key="output_root")
    directory = RunDirectory(claim(directory.path))
    take_over(begun, directory)
    print(
        f"{begun.path} is done after {epochs} epochs; it is trained on in {directory.path}, and what follows the "
        "training's progress (a schedule of smoothing) follows that of the new length",
        file=sys.stderr,
    )
    return directory


def choose_directory(
    config: DictConfig, values: dict[str, Any], identity: str
) -> tuple[RunDirectory, bool, RunDirectory | None]:
    """The run's directory, whether a run is continued, and the finished one that a longer one begins with, if any.

    Raises:
        UserMistake: the run to continue is not there, is finished, or has another config.
    """
    from smoothlab.models.run import Run

    wanted = values["resume"]
    fresh = directory_of(config, "hydra.run.dir")
    if wanted in (None, "none"):
        return RunDirectory(fresh), False, None
    if wanted == "auto":
        unfinished = newest_unfinished(fresh.parent, identity)
        if unfinished is None:
            print("resume=auto: no unfinished run of this config; starting anew", file=sys.stderr)
        return unfinished or RunDirectory(fresh), unfinished is not None, None
    run = existing_run(wanted, key="resume")
    status = status_of(run)
    if status.get("state") == DONE:
        from smoothlab.training.longer import is_longer

        if run.last_checkpoint.is_file() and is_longer(Run(run.path).config, values):
            return RunDirectory(fresh), True, run
        raise UserMistake(
            f"resume = {str(wanted)!r}: this run is finished; its options with a larger trainer.max_epochs train it on"
        )
    if status.get("identity") != identity:
        changed = differences(Run(run.path).config, values) or ["the content of the data, or of a file that it names"]
        raise UserMistake(f"resume = {str(wanted)!r}: its config is another one ({'; '.join(changed[:3])})")
    return run, True, None


def check_resumable(run: Any) -> None:
    """Refuse to continue a run before anything in its directory is touched.

    Raises:
        UserMistake: a living process holds the directory, or its last checkpoint cannot be read.
    """
    from smoothlab.models.checkpoint import read_checkpoint

    with run.held():
        if run.last_checkpoint.is_file():
            read_checkpoint(run.last_checkpoint)


def newest_unfinished(folder: Path, identity: str) -> Any:
    """The newest run directory in ``folder`` of this identity that is neither done nor held by a living process.

    Where its status.json is lost or damaged, its last checkpoint says whose it is.
    """
    candidates = []
    for path in folder.glob("*/"):
        run = RunDirectory(path)
        status = status_of(run)
        if status.get("identity") == identity and status.get("state") not in (DONE, PRUNED, RUNNING):
            candidates.append((status.get("started", ""), run.path.name, run))
    return max(candidates, key=lambda candidate: candidate[:2])[2] if candidates else None


def status_of(run: RunDirectory) -> dict[str, Any]:
    """The content of status.json; where that is lost or damaged, what the last checkpoint knows of it."""
    from smoothlab.models.checkpoint import KEY, read_checkpoint

    with contextlib.suppress(UserMistake):
        if (status := run.read_status()) or not run.last_checkpoint.is_file():
            return status
    with contextlib.suppress(UserMistake):
        state = RUNNING if run.is_locked() else INTERRUPTED
        return {"state": state, "identity": read_checkpoint(run.last_checkpoint)[KEY].get("identity")}
    return {}  # another one's damage is not this run's business


def claim(path: Path) -> Path:
    """Make ``path``, or it with ``_2``, ``_3``, ... where another run of the same second was faster."""
    from smoothlab.rundir.atomic import make_folders, sync_folder

    make_folders(path.parent)
    number, free = 1, path
    while True:
        try:
            free.mkdir()
            sync_folder(free.parent)
            return free
        except FileExistsError:
            number += 1
            free = path.with_name(f"{path.name}_{number}")
        except OSError as error:
            raise UserMistake(f"{str(free)!r}: cannot be made ({error.strerror})") from None


def sweep(overrides: Sequence[str]) -> int:
    """Every combination of the listed values, each in a process of its own; what is done already is skipped."""
    refuse_without_effect(overrides, many=True)
    base = compose_config("train", [override for override in overrides if not is_list(override)])
    refuse_of_nets(base, overrides)
    if str(OmegaConf.select(base, "hydra.sweeper._target_")) != BASIC_SWEEPER:
        return _hydra_sweep(overrides, base)
    with contextlib.ExitStack() as stack:
        from smoothlab.sweeps.board import Board

        board = stack.enter_context(Board("jobs", "objective"))
        if str(OmegaConf.select(base, "hydra.launcher._target_")) == OUR_LAUNCHER:
            from smoothlab.sweeps.pool import JobPool

            wandb = "wandb" in str(OmegaConf.select(base, "logger"))
            pool = stack.enter_context(JobPool(base.hydra.launcher.n_jobs, wandb=wandb))
            return _run_jobs(overrides, base, pool, board)
        from smoothlab.sweeps.launcher_pool import LauncherPool

        words = [override for override in overrides if not is_list(override)]
        words.append(f"hydra.sweep.dir={quoted(sweep_folder(base, overrides))}")
        launcher = stack.enter_context(hydra_launcher("train", words, _sweep_job))  # such as submitit's on a cluster
        return _run_jobs(overrides, base, LauncherPool(launcher), board)


def _run_jobs(overrides: Sequence[str], base: DictConfig, pool: Pool, board: Board) -> int:
    """The runs of a sweep, in directories of their own."""
    jobs = expand_sweep(with_params(base, overrides))
    composed = compose_jobs("train", jobs)
    ours = str(OmegaConf.select(base, "hydra.launcher._target_")) == OUR_LAUNCHER
    folder = sweep_folder(composed[0].compose(), overrides)

    from smoothlab.sweeps.ledger import FILE

    if not (folder / FILE).exists():  # of a sweep that is there, all may be done
        pool.warm()  # its server imports while the rest of this is imported and checked
    for job in composed:
        check_engine(job.values["engine"])
        if job.values["resume"] not in ("none", "auto", None):
            raise UserMistake("resume: is for one run; a sweep that is started again goes on by itself")
        job.values["engine"] = settled(job.values, by_itself=False) if ours else SINGLE

    from smoothlab.sweeps.checking import check_configs
    from smoothlab.sweeps.launcher import run_sweep
    from smoothlab.sweeps.pool import Planned
    from smoothlab.sweeps.table import rows

    check_folder(folder, key="output_root")
    planned = [Planned(job.values, tuple(words), job.compose) for words, job in zip(jobs, composed, strict=True)]

    def check(left: Sequence[Planned]) -> None:
        pool.call(check_configs, [job.values for job in left], ours)

    ledger = run_sweep(planned, folder, pool, check, board=board)
    return 0 if all(row.state == DONE for row in rows(ledger)) else 1


def with_params(config: DictConfig, overrides: Sequence[str]) -> list[str]:
    """The overrides, after those that ``hydra.sweeper.params`` gives and the command line does not."""
    given = {override.split("=", 1)[0] for override in overrides}
    params = OmegaConf.select(config, "hydra.sweeper.params") or {}
    return [*(f"{key}={value}" for key, value in params.items() if key not in given), *overrides]


def sweep_folder(config: DictConfig, overrides: Sequence[str]) -> Path:
    """A sweep's directory: ``hydra.sweep.dir`` where the command line gives it, else a folder of its own below it.

    Raises:
        UserMistake: the sweep's name is none.
    """
    from smoothlab.sweeps.ledger import sweep_hash

    folder = directory_of(config, "hydra.sweep.dir")
    ours = str(OmegaConf.select(config, "hydra.launcher._target_")) == OUR_LAUNCHER
    name = OmegaConf.select(config, "hydra.launcher.name") if ours else None  # submitit's names the job
    if name is not None and "/" in str(name):
        raise UserMistake(f"hydra.launcher.name = {name!r}: expected the name of a folder")
    if name is not None:
        check_name(str(name), "hydra.launcher.name")
    if name is None and any(override.split("=", 1)[0] == "hydra.sweep.dir" for override in overrides):
        return folder
    return folder / str(name or sweep_hash(with_params(config, overrides)))


def _hydra_sweep(overrides: Sequence[str], base: DictConfig) -> int:
    """Let Hydra's sweeper do it, such as the search."""
    folder = sweep_folder(base, overrides)
    check_folder(folder, key="output_root")
    own = [override for override in overrides if override.split("=", 1)[0] != "hydra.sweep.dir"]
    error = multirun("train", [*own, f"hydra.sweep.dir={quoted(folder)}"], _sweep_job)
    if isinstance(error, UserMistake):
        raise error
    if error is not None:
        print(f"smoothlab: {str(error).splitlines()[0]}", file=sys.stderr)
    return 0 if error is None else 1


def _sweep_job(config: DictConfig) -> float | None:
    """One job of another launcher of Hydra's, in whatever process it chose; returns the objective."""
    from hydra.core.hydra_config import HydraConfig

    from smoothlab.models.run import Run
    from smoothlab.sweeps.cluster_job import run_cluster_job

    place = RunDirectory(HydraConfig.get().runtime.output_dir)
    run_cluster_job(plain(config) | {"engine": SINGLE}, place.path, resume=place.last_checkpoint.is_file())
    ranks = found_ranks(os.environ)
    if ranks is not None and ranks.rank > 0:
        return None  # rank 0 has it
    objective: float | None = Run(place.path).results["objective"]["value"]
    return objective
