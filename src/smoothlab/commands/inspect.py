"""`smoothlab inspect`: what a strategy does to the targets, before a minute is spent on training."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoothlab.commands.file_first import named_by_data
from smoothlab.commands.predict import check_text
from smoothlab.config.compose import compose_config, no_sweep, plain
from smoothlab.errors import UserMistake

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OF_A_RUN = ("run", "checkpoint", "output", "code")  # what a run does not say itself


def run(words: Sequence[str]) -> int:
    """The command: prints what it finds, and puts figures and numbers where ``output`` says."""
    overrides = no_sweep("inspect", words)
    values = plain(compose_config("inspect", named_by_data(overrides)))
    path, checkpoint = values.pop("run"), values.pop("checkpoint")
    output = values.pop("output")
    if output is not None:
        check_text("output", output)
    folder = None if output is None else check_folder_of_output(Path(output))
    if path is not None:
        check_text("run", path)
        check_text("checkpoint", checkpoint)
        refuse_others(overrides)

    from rich.console import Console

    from smoothlab.inspection import LabelInspection
    from smoothlab.inspection.label_tables import show_labels
    from smoothlab.inspection.tables import show
    from smoothlab.reports.inspection import figures
    from smoothlab.reports.label_inspection import label_figures
    from smoothlab.training.inspecting import inspect_config, inspect_run

    inspection = (
        inspect_config(values) if path is None else inspect_run(path, checkpoint=checkpoint, code=values["code"])
    )
    console = Console(highlight=False)
    if isinstance(inspection, LabelInspection):
        show_labels(inspection, console)
    else:
        show(inspection, console)
    if folder is not None:
        drawn = label_figures(inspection) if isinstance(inspection, LabelInspection) else figures(inspection)
        write(folder, inspection.json(), drawn)
        print(f"figures and inspection.json in {folder}", file=sys.stderr)
    return 0


def refuse_others(overrides: Sequence[str]) -> None:
    """Refuse what a run says itself.

    Raises:
        UserMistake: an override that would be ignored.
    """
    for override in overrides:
        key = override.lstrip("+~").split("=", 1)[0]
        if key not in OF_A_RUN and not key.startswith("hydra."):
            raise UserMistake(f"{override}: run=... is inspected with its own config; beside it: {', '.join(OF_A_RUN)}")


def check_folder_of_output(folder: Path) -> Path:
    """Refuse a place for the figures that is a file, cannot be written, or is a run's.

    Raises:
        UserMistake: one of these.
    """
    from smoothlab.rundir.writable import check_folder

    if folder.exists() and not folder.is_dir():
        raise UserMistake(f"output = {str(folder)!r}: is a file; expected a folder")
    for parent in (folder.resolve(), *folder.resolve().parents):
        if (parent / "status.json").is_file() and (parent / "config.yaml").is_file():
            raise UserMistake(f"output = {str(folder)!r}: lies in the run {parent.name}; expected a folder of its own")
    check_folder(folder, key="output")
    return folder


def write(folder: Path, numbers: dict[str, Any], drawn: dict[str, Figure]) -> None:
    """Put figures and numbers into a folder, each file whole or not at all; the numbers come last."""
    from smoothlab.rundir.atomic import write_json
    from smoothlab.tracking.sink import save_figure

    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in drawn.items():
        save_figure(figure, name, folder)
    write_json(folder / "inspection.json", numbers)
