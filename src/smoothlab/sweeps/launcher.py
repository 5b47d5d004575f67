"""Run the jobs of a sweep, each in its own process; skip what is done, continue what was cut off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig

from smoothlab.errors import RunFailed, UserMistake
from smoothlab.rundir.directory import DONE, RUNNING, RunDirectory
from smoothlab.sweeps.board import Board
from smoothlab.sweeps.fingerprints import Fingerprints
from smoothlab.sweeps.folder import make_folder, refuse_held, say
from smoothlab.sweeps.launcher_pool import LauncherPool, Pool
from smoothlab.sweeps.ledger import FILE, Entry, Ledger, common, identifying, is_done, key_of, prefixes
from smoothlab.sweeps.pool import Job, JobPool, Planned
from smoothlab.sweeps.space import check_space, estimate
from smoothlab.sweeps.table import Row, as_text, rows
from smoothlab.training.stacked.stackable import bundles, settled
from smoothlab.training.stopping import stopped_by_signals

REPEATED = ("seed", "data.fold")  # of which the jobs of one row differ
LARGE = 10  # runs from which on the disk is thought of before the first one is there


def run_sweep(
    jobs: Sequence[Planned],
    folder: Path,
    pool: Pool,
    check: Callable[[Sequence[Planned]], None] | None = None,
    *,
    board: Board,
) -> Ledger:
    """Run what is not done yet of a sweep's jobs; a job that fails does not stop the others.

    Args:
        jobs: what is asked for.
        folder: the sweep's directory.
        pool: runs them; it is closed before the table is printed.
        check: refuses jobs that cannot run; it gets those that are not done.
        board: shows how far it is.

    Returns:
        The sweep's ledger; its table has been printed.

    Raises:
        UserMistake: before anything is written: another process works on the sweep, its base config changed, or the
            disk does not hold it.
        KeyboardInterrupt: the user stopped it; every process has ended, and the same command goes on.
    """
    for job in jobs:
        pool.check(job.values)
    ledger = Ledger.open(folder, common([job.values for job in jobs]))
    entries = _place(ledger, jobs, pool)
    left = [(job, entry) for job, entry in zip(jobs, entries, strict=True) if not is_done(ledger.run(entry))]
    _refuse_running(ledger, [entry for _, entry in left])
    finished = [ledger.run(entry).path for entry in ledger.entries if is_done(ledger.run(entry))]
    if check is not None and left:
        check([job for job, _ in left])
    large = len(left) >= LARGE and not finished
    size = estimate(finished, pool.call(weight_bytes, left[0][0].values) if large else None)
    if size is not None and left:
        say(check_space(folder, len(left), size))
    make_folder(folder)
    skipped = f", {len(jobs) - len(left)} of them done before" if len(left) < len(jobs) else ""
    say(f"sweep of {len(jobs)} runs{skipped} in {folder}")
    with RunDirectory(folder).held():
        _write(ledger)
        try:
            with stopped_by_signals(), pool:
                _run_all(left, ledger, pool, board, sized=size is not None)
        except KeyboardInterrupt:
            board.close()
            say(f"\n{as_text(rows(ledger))}\ninterrupted; the same command goes on with it")
            raise
    board.close()
    say(f"\n{as_text(rows(ledger))}")
    return ledger


def _run_all(left: Sequence[tuple[Planned, Entry]], ledger: Ledger, pool: Pool, board: Board, *, sized: bool) -> None:
    runs = [(planned, ledger.run(entry).path) for planned, entry in left]
    names = dict(zip((path for _, path in runs), _rows_of([planned for planned, _ in runs]), strict=True))
    board.expect(Counter(names.values()))
    if isinstance(pool, JobPool):
        shared = bundles([planned.values for planned, _ in runs], pool.devices.n_jobs)
        for places in shared:
            pool.submit_together([runs[place] for place in places])
        taken = {place for places in shared for place in places}
        runs = [run for place, run in enumerate(runs) if place not in taken]
    for planned, directory in runs:
        pool.submit(planned, directory)
    if isinstance(pool, LauncherPool):
        list(pool.ended())
        return
    while (ended := pool.wait_any(board.look_seconds)) or pool.running:
        for job in ended:
            board.advance(names[job.directory.path], _ending(job), job.objective, failed=job.state != DONE)
            if job.state == DONE and not sized and len(left) >= LARGE and board.done < len(left):
                sized = True
                say(check_space(ledger.folder, len(left) - board.done, estimate([job.directory.path], None) or 0))
        shares = [((job, *job.others), job.share) for job in pool.running]
        board.look(
            [(names[each.directory.path], share) for together, share in shares for each in together],
            [(len(together), share) for together, share in shares if len(together) > 1],
        )


def _rows_of(jobs: Sequence[Planned]) -> list[str]:
    """The row of a table for each job: what its overrides have that others have not, beside seeds and folds."""
    words = [[word for word in job.overrides if key_of(word) not in REPEATED] for job in jobs]
    return prefixes(words, otherwise=str(jobs[0].values["name"])) if jobs else []


def _ending(job: Job) -> str:
    name = f"{job.directory.path.name}{' (continued)' if job.resume else ''}"
    if job.state != DONE:
        return f"{name}: {job.state}{f', {job.error}' if job.error else ''}"
    value = job.objective
    return f"{name}: done{'' if value is None else f', objective {value:.4f}'}, {job.seconds:.1f} s"


def launch(
    config: DictConfig, loader: ConfigLoader, job_overrides: Sequence[Sequence[str]], n_jobs: int | str
) -> list[JobReturn]:
    """What Hydra's launchers do: run jobs of any sweeper and return how each ended.

    A job that failed raises when the sweeper asks for its value, as Hydra's own launcher has it.

    Raises:
        UserMistake: as of ``run_sweep``.
    """
    from smoothlab.config.compose import plain

    configs = [loader.load_sweep_config(config, list(overrides)) for overrides in job_overrides]
    planned = []
    for overrides, composed in zip(job_overrides, configs, strict=True):
        values = plain(composed)
        values["engine"] = settled(values, by_itself=False)
        planned.append(Planned(values, tuple(overrides), partial(DictConfig.copy, composed)))
    folder = Path(str(config.hydra.sweep.dir))
    with Board("jobs", "objective") as board, JobPool(n_jobs) as pool:
        ledger = run_sweep(planned, folder, pool, board=board)
    by_overrides = {identifying(entry.overrides): row for entry, row in zip(ledger.entries, rows(ledger), strict=True)}
    return [
        _returned(job.overrides, composed, by_overrides[identifying(job.overrides)])
        for job, composed in zip(planned, configs, strict=True)
    ]


def _returned(overrides: Sequence[str], config: DictConfig, row: Row) -> JobReturn:
    done = JobReturn(overrides=list(overrides), cfg=config, hydra_cfg=config, working_dir=row.directory)
    done.status = JobStatus.COMPLETED if row.state == DONE else JobStatus.FAILED
    done.return_value = row.objective if row.state == DONE else RunFailed(f"{row.directory}: {row.error or row.state}")
    return done


def _place(ledger: Ledger, jobs: Sequence[Planned], pool: Pool) -> list[Entry]:
    prints = Fingerprints(ledger.data, pool.call)
    prints.learn([job.values for job in jobs])
    named = prefixes([job.overrides for job in jobs], otherwise=str(jobs[0].values["name"]))
    placed = [
        ledger.place(job.overrides, prints.identity(job.values), prefix, job.values)
        for job, prefix in zip(jobs, named, strict=True)
    ]
    for place, entry in enumerate(placed):
        if (first := placed.index(entry)) < place:
            before, now = (" ".join(jobs[each].overrides) for each in (first, place))
            raise UserMistake(
                f"the sweep has one run twice: two jobs differ in nothing that changes their result: {before} and {now}"
            )
    return placed


def _refuse_running(ledger: Ledger, entries: Sequence[Entry]) -> None:
    """A sweep that runs already is refused by its own lock; this is for runs that were started singly."""
    refuse_held(ledger.folder)
    for entry in entries:
        run = ledger.run(entry)
        if run.lock.is_file() and run.read_status().get("state") == RUNNING:
            refuse_held(run.path)


def _write(ledger: Ledger) -> None:
    try:
        ledger.write()
    except OSError as error:
        raise UserMistake(
            f"{ledger.folder / FILE}: cannot be written ({error.strerror}); what was there stands"
        ) from None


def weight_bytes(values: dict[str, Any]) -> int | None:
    """Bytes of a run's net; None where it cannot be made, of which the run itself tells."""
    from smoothlab.training.preparing import prepare

    try:
        task = prepare(values).task
    except Exception:
        return None
    return sum(parameter.numel() * parameter.element_size() for parameter in task.parameters())
