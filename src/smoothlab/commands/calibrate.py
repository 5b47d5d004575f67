"""`smoothlab calibrate run=<directory> input=<file> output=<folder>`: a run's model, calibrated to new rows."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from smoothlab.config.compose import compose_config, no_sweep, plain
from smoothlab.errors import UserMistake

SHOWN = ("nll", "accuracy", "ece", "confidence_gap")


def run(words: Sequence[str]) -> int:
    """The command: writes the new run, and prints what the rows say of the old model and the new one."""
    values = plain(compose_config("calibrate", no_sweep("calibrate", words)))

    from smoothlab.commands.predict import check_text
    from smoothlab.models.recalibrating import recalibrate
    from smoothlab.rundir.writable import check_folder

    for key in ("run", "input", "output", "method", "checkpoint"):
        check_text(key, values[key])
    output = Path(values["output"])
    if output.exists():
        raise UserMistake(f"output = {str(output)!r}: is there already; expected a folder to make")
    check_folder(output.parent, key="output")
    result = recalibrate(
        values["run"],
        Path(values["input"]),
        output,
        method=values["method"],
        checkpoint=values["checkpoint"],
        code=values["code"],
    )
    for name in SHOWN if result.after else ():
        if name in result.after:
            print(f"{name:<16}{result.before[name]:.4f} -> {result.after[name]:.4f}")
    if "temperature" in result.summary:
        print(f"temperature     {result.summary['temperature']:.4f}")
    for row in result.shares[:20]:
        labels = f", labels {row['labels']:.3f}" if "labels" in row else ""
        print(f"{row['class']}: training {row['training']:.3f}, estimated {row['estimated']:.3f}{labels}")
    crossed = ", each scored by a fit to others" if result.after else ", without labels"
    print(f"{result.rows} rows of {values['input']}{crossed}\n{output} written", file=sys.stderr)
    for note in result.notes:
        print(note, file=sys.stderr)
    return 0
