"""`smoothlab predict run=<directory> input=<table or folder> output=<table>`: probabilities for raw rows."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from smoothlab.config.compose import compose_config, no_sweep, plain
from smoothlab.errors import UserMistake

TABLES = (".csv", ".parquet")


def run(words: Sequence[str]) -> int:
    """The command: everything that can be wrong is checked before the model reads a row."""
    values = plain(compose_config("predict", no_sweep("predict", words)))

    from smoothlab.kinds import KINDS
    from smoothlab.models.loading import load
    from smoothlab.models.predicting import LINES, predict_file
    from smoothlab.models.validated import Promises
    from smoothlab.rundir.writable import check_output

    for key in ("run", "input", "output", "checkpoint"):
        check_text(key, values[key])
    source, output = Path(values["input"]), Path(values["output"])
    batch_size = values["batch_size"]
    if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
        raise UserMistake(f"batch_size = {batch_size!r}: expected an integer of at least 1")
    check_output(output, (*TABLES, LINES))
    if source.resolve() == output.resolve() or (source.exists() and output.exists() and source.samefile(output)):
        raise UserMistake(f"output = {str(output)!r}: is the input itself; expected another file")
    options = {name: values[name] for name in ("abstain_at_risk", "abstain_delta", "conformal", "alpha")}
    asked = [name for name, off in (("abstain_at_risk", None), ("conformal", "none")) if options[name] != off]
    if asked and values["checkpoint"] != "best":
        raise UserMistake(
            f"{asked[0]}: is chosen by the validation predictions of checkpoint=best, not of {values['checkpoint']}"
        )
    model = load(values["run"], checkpoint=values["checkpoint"], code=values["code"])
    if output.suffix == LINES and not KINDS[model.kind].decodes:
        raise UserMistake(f"output = {str(output)!r}: expected a file ending in {' or '.join(TABLES)}")
    promises = Promises.chosen(values["run"], model.class_names, **options)
    rows = predict_file(model, source, output, batch_size=batch_size, promises=promises)
    for note in [*model.notes, *promises.sentences()]:
        print(note, file=sys.stderr)
    print(f"{rows} {'lines' if output.suffix == LINES else 'rows'} written to {output}", file=sys.stderr)
    return 0


def check_text(key: str, value: object) -> None:
    """Refuse what Hydra read as something else than text: null, a number, a list.

    Raises:
        UserMistake: not text, or empty.
    """
    if not isinstance(value, str) or not value.strip():
        raise UserMistake(f"{key} = {value!r}: expected text that is not empty")
