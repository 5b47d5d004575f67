"""`smoothlab suspects runs=<directory> output=<folder>`: labels that are likely to be wrong."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from smoothlab.config.compose import compose_config, no_sweep, plain
from smoothlab.errors import UserMistake

SHOWN = 10


def run(words: Sequence[str]) -> int:
    """The command: prints the worst, and writes table and page."""
    values = plain(compose_config("suspects", no_sweep("suspects", words)))

    from smoothlab.commands.predict import check_text
    from smoothlab.models.suspecting import suspected
    from smoothlab.reports.suspects_page import write_suspects_page
    from smoothlab.rundir.atomic import make_folders, write_atomically
    from smoothlab.rundir.writable import check_no_run

    places = values["runs"] if isinstance(values["runs"], list) else [values["runs"]]
    for place in places:
        check_text("runs", place)
        if not Path(place).is_dir():
            raise UserMistake(f"runs = {place!r}: no such directory; expected run directories or folders of them")
    check_text("output", values["output"])
    output = Path(values["output"])
    check_no_run(output, key="output")
    result = suspected([Path(place) for place in places])
    worst = result.table[result.table["suspect"]]
    lines = [
        f"{len(worst)} of {len(result.table)} rows have a suspect label; an estimated {result.noise:.1%} of the labels "
        f"are wrong (by {result.runs} runs, each on rows that it was not trained on)",
        *result.notes,
    ]
    make_folders(output)
    write_atomically(output / "rows.parquet", lambda path: result.table.to_parquet(path, index=False))
    write_atomically(
        output / "suspects.csv",
        lambda path: worst.drop(columns="suspect").to_csv(path, index=False, float_format="%.4f"),
    )
    write_suspects_page(output / "suspects.html", worst, result.raw, result.joint, result.class_names, lines)
    print("\n".join(lines))
    if len(worst):
        columns = ["row", "label", "likely", "prob_label", "prob_likely"]
        print(worst[columns].head(SHOWN).to_string(index=False, float_format=lambda number: f"{number:.3f}"))
    print(
        f"{output / 'suspects.html'} shows the rows; data.without={output / 'suspects.csv'} trains without them",
        file=sys.stderr,
    )
    return 0
