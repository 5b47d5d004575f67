"""One way out for every figure, table, final number and checkpoint: always a file, and every logger that takes it.

A logger takes what it has a method for: ``log_image``, ``log_table``, ``log_summary``, ``log_checkpoint``; one of
Lightning's own without ``log_summary`` gets final numbers as metrics, and the config as parameters. What shows
single samples, whose rows may name a person, goes to a file, and only to loggers whose ``takes_samples`` is true.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from smoothlab.rundir.atomic import make_folders, write_atomically
from smoothlab.rundir.spreadsheet import without_formulas


def save_figure(figure: Any, name: str, folder: Path, loggers: Iterable[Any] = (), *, samples: bool = False) -> Path:
    """Write a figure to ``<folder>/<name>.png`` and show it to the loggers that take images.

    Args:
        figure: a matplotlib Figure, of as many dots per inch as it has.
        name: what it shows, such as ``reliability_test``.
        folder: the run's ``figures/``; made when missing.
        loggers: Lightning loggers; those with a ``log_image`` method get it as ``figures/<name>``.
        samples: whether it shows single samples.

    Returns:
        The file's path.
    """
    make_folders(folder)
    path = folder / f"{name}.png"
    write_atomically(path, lambda temporary: print_figure(figure, temporary))
    for logger in _that_take("log_image", loggers, samples):
        logger.log_image(key=f"figures/{name}", images=[str(path)])
    return path


def print_figure(figure: Any, path: Path) -> None:
    """Draw a figure into a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)  # draws once, where savefig draws everything a second time for the layout
    quick = {"compress_level": 2}  # a few per cent larger than the usual 6, in a third of the time
    canvas.print_png(path, pil_kwargs=quick)


def save_table(table: Any, name: str, folder: Path, loggers: Iterable[Any] = (), *, samples: bool = False) -> Path:
    """Write a table to ``<folder>/<name>.csv`` and show it to the loggers that take tables.

    Args:
        table: a pandas DataFrame.
        name: what it shows, such as ``classes_test``.
        folder: made when missing.
        loggers: Lightning loggers; those with a ``log_table`` method get it as ``tables/<name>``.
        samples: whether its rows are single samples.

    Returns:
        The file's path.
    """
    make_folders(folder)
    path = folder / f"{name}.csv"
    write_atomically(path, lambda temporary: without_formulas(table).to_csv(temporary, index=False))
    rows = table.astype(object).where(table.notna(), None).to_numpy().tolist()
    for logger in _that_take("log_table", loggers, samples):
        logger.log_table(key=f"tables/{name}", columns=list(table.columns), data=rows)
    return path


def log_summary(values: Mapping[str, float], loggers: Iterable[Any]) -> None:
    """Tell every logger a run's final numbers: as a summary, or else as metrics."""
    for logger in loggers:
        if hasattr(logger, "log_summary"):
            logger.log_summary(values)
        elif _is_foreign(logger):
            logger.log_metrics(dict(values))


def log_config(config: Mapping[str, Any], loggers: Iterable[Any]) -> None:
    """Tell Lightning's own loggers the config; smoothlab's get it when they are made."""
    for logger in loggers:
        if _is_foreign(logger):
            logger.log_hyperparams(dict(config))


def log_checkpoint(path: Path, alias: str, about: Mapping[str, Any], loggers: Iterable[Any]) -> None:
    """Show a finished run's checkpoint to the loggers that keep them.

    Args:
        path: the file, which must not change any more.
        alias: ``best`` or ``last``.
        about: ``name``, ``identity``, and what else is to be shown with it; plain values.
        loggers: Lightning loggers.
    """
    for logger in _that_take("log_checkpoint", loggers):
        logger.log_checkpoint(path, alias, about)


def finish(loggers: Iterable[Any], *, failed: bool) -> None:
    """Close the loggers; a failed run is marked as such."""
    for logger in loggers:
        if hasattr(logger, "finish"):
            logger.finish(failed=failed)
        elif _is_foreign(logger):
            logger.finalize("failed" if failed else "success")


def _is_foreign(logger: Any) -> bool:
    """Whether a logger is one of Lightning's interface that smoothlab has not made."""
    from pytorch_lightning.loggers import Logger

    return isinstance(logger, Logger) and not type(logger).__module__.startswith("smoothlab.")


def _that_take(method: str, loggers: Iterable[Any], samples: bool = False) -> Iterator[Any]:
    for logger in loggers:
        if hasattr(logger, method) and (not samples or getattr(logger, "takes_samples", False)):
            yield logger
