"""One way out for every figure and table: always a file, and every logger that is on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from smoothlab.runs.atomic import write_atomically


def save_figure(figure: Any, name: str, folder: Path, loggers: Iterable[Any] = ()) -> Path:
    """Write a figure to ``<folder>/<name>.png`` and show it to the loggers that take images.

    Args:
        figure: a matplotlib Figure.
        name: what it shows, such as ``reliability_test``.
        folder: the run's ``figures/``; made when missing.
        loggers: Lightning loggers; those with a ``log_image`` method get it as ``figures/<name>``.

    Returns:
        The file's path.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    write_atomically(path, lambda temporary: figure.savefig(temporary, dpi=150), sync=False)
    for logger in loggers:
        if hasattr(logger, "log_image"):
            logger.log_image(key=f"figures/{name}", images=[str(path)])
    return path


def save_table(table: Any, name: str, folder: Path, loggers: Iterable[Any] = ()) -> Path:
    """Write a table to ``<folder>/<name>.csv`` and show it to the loggers that take tables.

    Args:
        table: a pandas DataFrame.
        name: what it shows, such as ``samples_test``.
        folder: made when missing.
        loggers: Lightning loggers; those with a ``log_table`` method get it as ``tables/<name>``.

    Returns:
        The file's path.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.csv"
    write_atomically(path, lambda temporary: table.to_csv(temporary, index=False))
    for logger in loggers:
        if hasattr(logger, "log_table"):
            logger.log_table(key=f"tables/{name}", columns=list(table.columns), data=table.to_numpy().tolist())
    return path
