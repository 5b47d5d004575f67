"""A search from the command line: checked before anything runs, run, summed up."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from smoothlab.config.compose import compose_config, plain
from smoothlab.config.repeated import compose_jobs
from smoothlab.errors import RunFailed, UserMistake, readable
from smoothlab.rundir.directory import RunDirectory
from smoothlab.sweeps.board import Board
from smoothlab.sweeps.claims import Claims
from smoothlab.sweeps.fingerprints import Fingerprints
from smoothlab.sweeps.folder import make_folder, refuse_held, say
from smoothlab.sweeps.launcher_pool import LauncherPool, Pool
from smoothlab.sweeps.ledger import HEX, Entry, Ledger, common, prefixes
from smoothlab.sweeps.pool import JobPool, Planned
from smoothlab.sweeps.search.databases import KEY, answering, is_url, open_database, refuse_password, shown
from smoothlab.sweeps.search.loop import run_trials
from smoothlab.sweeps.search.optional import load_optuna
from smoothlab.sweeps.search.outcome import as_text, progress, write_outcome
from smoothlab.sweeps.search.pool_runner import PoolRunner
from smoothlab.sweeps.search.pruners import make_pruner
from smoothlab.sweeps.search.samplers import sampler_factory
from smoothlab.sweeps.search.settings import Settings, find_objectives
from smoothlab.sweeps.search.shared import SharedStudy
from smoothlab.sweeps.search.space import Space
from smoothlab.sweeps.search.storage import open_storage
from smoothlab.sweeps.search.study import DONE, FAILED, Objective, Study, Trial
from smoothlab.training.stacked.stackable import SINGLE
from smoothlab.training.stopping import stopped_by_signals

OUR_LAUNCHER = "hydra_plugins.smoothlab_plugins.launcher.SmoothlabLauncher"


def search(config: DictConfig, overrides: Sequence[str], launcher: Any) -> None:
    """Run a search until all its trials have ended.

    Args:
        config: composed for a multirun, with Hydra's node, whose ``sweep.dir`` is the search's directory.
        overrides: of the command line, without those of Hydra's node; ranges and lists are searched.
        launcher: Hydra's, which runs the trials where it is not smoothlab's own.

    Raises:
        UserMistake: before anything is written: the space, a setting, or a config that the space makes is wrong.
        RunFailed: some trials failed, or none is done.
        KeyboardInterrupt: the user stopped it; the same command goes on.
    """
    with Board("trials", "objective") as board:
        _search(config, overrides, launcher, board)


def _search(config: DictConfig, overrides: Sequence[str], launcher: Any, board: Board) -> None:
    load_optuna()
    node = OmegaConf.to_container(config.hydra.sweeper, resolve=True)
    assert isinstance(node, dict)
    settings = Settings.read(node)  # type: ignore[arg-type]
    if is_url(settings.storage):
        _check_url(config)
    space = Space.read(node["params"], overrides)
    if not len(space):
        raise UserMistake(
            "hydra/sweeper=smoothlab: nothing to search; give a range, such as optimizer.lr=interval(0,1)"
        )
    composing = Composing(OmegaConf.to_container(config.hydra.overrides.hydra) or [])  # type: ignore[arg-type]
    ours = str(OmegaConf.select(config, "hydra.launcher._target_")) == OUR_LAUNCHER
    if not ours and settings.pruner != "none":
        raise UserMistake(f"hydra.sweeper.pruner = {settings.pruner!r}: needs hydra/launcher=smoothlab; expected none")
    if not ours and is_url(settings.storage):
        raise UserMistake(f"{KEY}: a database needs hydra/launcher=smoothlab; expected journal or sqlite")
    folder = Path(str(config.hydra.sweep.dir))
    pool = JobPool(OmegaConf.select(config, "hydra.launcher.n_jobs")) if ours else LauncherPool(launcher)
    pool.warm()  # its server imports while the space is checked; it is closed while the folder is still held
    with pool, _begun(settings, space, composing, folder, pool) as (study, runner, claims), pool:
        _run(settings, study, runner, folder, claims, board)


class Composing:
    """From a trial's overrides to its config.

    Args:
        always: overrides of Hydra's node, such as its search path.
    """

    def __init__(self, always: Sequence[str]) -> None:
        self._always = list(always)

    def planned(self, overrides: Sequence[str]) -> Planned:
        """The config of a trial.

        Raises:
            UserMistake: it cannot be composed.
        """
        config = compose_config("train", [*self._always, *overrides])
        values = plain(config) | {"engine": SINGLE}  # trials start one after the other
        return Planned(values, tuple(overrides), lambda: config)

    def several(self, jobs: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
        """The resolved configs of some trials."""
        return [job.values for job in compose_jobs("train", [[*self._always, *job] for job in jobs])]


def check_space(space: Space, composing: Composing, pool: Pool) -> list[dict[str, Any]]:
    """Compose and check a config for each option and both ends of each range; returns the configs.

    Raises:
        UserMistake: a key that the config does not have, an option that does not compose, an end out of range.
    """
    corners = [space.overrides(values) for values in space.corners()]
    configs = composing.several(corners)
    if any(values["resume"] not in ("none", "auto", None) for values in configs):
        raise UserMistake("resume: is for one run; a search that is started again goes on by itself")
    pool.call(_check_trials, configs, [" ".join(overrides[len(space.fixed) :]) for overrides in corners])
    return configs


def _check_trials(configs: Sequence[dict[str, Any]], chosen: Sequence[str]) -> None:
    """Check what trials train, in whatever process has the packages.

    Raises:
        UserMistake: with the trial's own words.
    """
    from smoothlab.training.loggers import check_loggers
    from smoothlab.training.preparing import check_config

    for values, words in zip(configs, chosen, strict=True):
        try:
            check_loggers(values, check_config(values).parts.allowed)
        except UserMistake as mistake:
            raise UserMistake(f"{mistake} (in the trial {words})") from None


def _objectives(settings: Settings, values: dict[str, Any], pool: Pool) -> list[Objective]:
    """What is searched for; the data are read only where the task must say what metrics it has."""
    monitored = pool.call(_monitored, values) if settings.objectives else {}
    return find_objectives(settings.objectives, monitored, values["callbacks"])


def _monitored(values: dict[str, Any]) -> dict[str, str]:
    from smoothlab.training.preparing import prepare

    return dict(prepare(values).task.monitored)


def _check_url(config: DictConfig) -> None:
    """Refuse a database that a config file names, and a password that would stand in files.

    Raises:
        UserMistake: in one line.
    """
    typed = OmegaConf.to_container(config.hydra.overrides.hydra) or []
    if not any(str(word).lstrip("+").startswith(f"{KEY}=") for word in typed):
        raise UserMistake(f"{KEY}: only the command line may name a database")
    raw = OmegaConf.to_container(config.hydra.sweeper, resolve=False)
    assert isinstance(raw, dict)
    refuse_password(str(raw["storage"]))


@contextlib.contextmanager
def _opened(asked: Settings, folder: Path, **arguments: Any) -> Iterator[Study]:
    """The study of a file in ``folder``, which is held meanwhile, or of a database.

    Raises:
        UserMistake: a search of other settings is there.
    """
    with contextlib.ExitStack() as stack:
        try:
            if is_url(asked.storage):
                name = asked.study or "/".join(folder.parts[-2:])
                storage = open_database(asked.storage)
                stack.enter_context(answering(asked.storage))
                study: Study = SharedStudy(storage, name=name, folder=folder, grace_s=asked.grace_s, **arguments)
                make_folder(folder)
            else:
                name = str(folder)
                make_folder(folder)
                stack.enter_context(RunDirectory(folder).held())
                with readable("its storage", "a search of the past"):
                    study = Study(open_storage(folder, asked.storage), **arguments)
                    study.trials()  # all that is in it
        except UserMistake as mistake:
            if str(mistake).startswith(KEY):
                raise
            own = "hydra.launcher.name=..." if name == str(folder) else "hydra.sweeper.study=..."
            raise UserMistake(f"{name}: {mistake}; give it a name of its own with {own}") from None
        yield study


def _arguments(settings: Settings, space: Space, objectives: Sequence[Objective], epochs: int | None) -> dict[str, Any]:
    """What a study is made of, beside its storage.

    Raises:
        UserMistake: a sampler or pruner that does not fit.
    """
    count = len(objectives)
    epochs = epochs if epochs and epochs > 0 else None
    return {
        "space": space,
        "sampler": sampler_factory(
            settings.sampler, settings.sampler_options, space, objectives=count, seed=settings.seed
        ),
        "pruner": make_pruner(settings.pruner, settings.pruner_options, objectives=count, epochs=epochs),
        "objectives": objectives,
        "total": settings.total(space),
        "grid": settings.sampler == "grid",
    }


@contextlib.contextmanager
def _begun(
    settings: Settings, space: Space, composing: Composing, folder: Path, pool: Pool
) -> Iterator[tuple[Study, PoolRunner, Claims | None]]:
    """Check everything, and hold the folder from before its files are opened until the search is over."""
    corners = check_space(space, composing, pool)
    objectives = _objectives(settings, corners[0], pool)
    base = common(corners)
    ledger = Ledger.open(folder, base)
    prints = Fingerprints(ledger.data, pool.call)
    lasting = settings.lasting(space, objectives)
    claims = None
    if is_url(settings.storage):
        claims = Claims(folder)
        lasting |= {f"config.{key}": value for key, value in base.items()}
        lasting["content of the data and own code"] = prints.identity(corners[0])[:HEX]
    else:
        refuse_held(folder)
    arguments = _arguments(settings, space, objectives, corners[0]["trainer"].get("max_epochs"))

    def place(planned: Planned) -> Entry:
        own = planned.overrides[len(space.fixed) :]
        prefix = prefixes([[], own], otherwise="trial")[1]
        with contextlib.nullcontext() if claims is None else claims.turn():
            if claims is not None:
                ledger.take_in()
            entry = ledger.place(planned.overrides, prints.identity(planned.values), prefix, planned.values)
            ledger.write()
        return entry

    with _opened(settings, folder, settings=lasting, **arguments) as study:
        pruning, size = settings.pruner != "none", settings.batch_size
        runner = PoolRunner(
            *(pool, ledger, objectives),
            compose=composing.planned,
            place=place,
            pruning=pruning,
            size=size,
            claims=claims,
        )
        with contextlib.nullcontext() if claims is None else contextlib.closing(claims):
            yield study, runner, claims


def _run(
    settings: Settings, study: Study, runner: PoolRunner, folder: Path, claims: Claims | None, board: Board
) -> None:
    before = study.ended()
    looked_for = " and ".join(f"{objective.name} ({objective.mode})" for objective in study.objectives)
    earlier = f", {before} of them done before" if before else ""
    where = f"study {study.name} of {shown(settings.storage)}, in " if claims is not None else "in "
    say(f"search for {looked_for}: {study.total} trials{earlier} {where}{folder}")

    def write() -> None:
        with contextlib.nullcontext() if claims is None else claims.turn():
            write_outcome(study, folder)

    board.expect({}, total=study.total, done=before)

    def ended(trial: Trial) -> None:
        chosen = " ".join(trial.overrides[len(study.space.fixed) :])
        value = None if trial.values is None else trial.values[0]
        board.advance(f"{trial.number} {chosen}", progress(study, trial), value, failed=trial.state == FAILED)
        write()

    try:
        with stopped_by_signals():
            whole = run_trials(
                study, runner, pruning=settings.pruner != "none", retry_failed=settings.retry_failed, ended=ended
            )
    except KeyboardInterrupt:
        study.let_all_go()
        board.close()
        say(f"\n{as_text(study)}\ninterrupted; the same command goes on with it")
        raise
    write()
    board.close()
    say(f"\n{as_text(study)}\nbest: {folder / 'best.yaml'}" if study.best() else f"\n{as_text(study)}")
    trials = study.trials()
    failed = sum(trial.state == FAILED for trial in trials)
    if failed or not whole or not any(trial.state == DONE for trial in trials):
        interrupted = "" if whole else "; some were interrupted, the same command goes on with them"
        raise RunFailed(f"{failed} of {len(trials)} trials failed{interrupted}")
