"""`smoothlab sweep status|prune <directory>`: look at a sweep, and free its disk."""

from __future__ import annotations

import json
from collections.abc import Sequence

from smoothlab.errors import UserMistake

OPTIONS = {"keep": "best", "free": "checkpoints", "dry_run": "true"}
NAMES = 5  # runs that a message names


def run(words: Sequence[str]) -> int:
    """The command: exit code 0, or 1 from ``status`` where a run of the sweep is not done."""
    name, *rest = words
    actions = {"status": status, "prune": prune}
    if name not in actions:
        raise UserMistake(f"sweep {name}: no such action; actions: {', '.join(actions)}")
    return actions[name](rest)


def status(words: Sequence[str]) -> int:
    """Print the table of a sweep, or of a study in a database."""
    url = next((word.partition("=")[2] for word in words if word.startswith("storage=")), None)
    if url is not None:
        return _study_status([word for word in words if not word.startswith("storage=")], url)
    from smoothlab.rundir.directory import DONE
    from smoothlab.sweeps.ledger import Ledger
    from smoothlab.sweeps.table import as_json, as_text, rows

    unknown = [word for word in words if word.startswith("-") and word != "--json"]
    if unknown:
        raise UserMistake(f"{unknown[0]}: no such option; options: --json")
    runs = rows(Ledger.read(_directory([word for word in words if word != "--json"])))
    print(as_json(runs) if "--json" in words else as_text(runs))
    return 0 if all(row.state == DONE for row in runs) else 1


def _study_status(words: Sequence[str], written: str) -> int:
    """Print the trials of a study in a database, whose URL may stand in a variable."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from smoothlab.errors import reason_of
    from smoothlab.sweeps.search.databases import refuse_password
    from smoothlab.sweeps.search.stored import all_well, as_text, stored_trials

    names = [word for word in words if word != "--json"]
    if len(names) != 1 or names[0].startswith("-"):
        raise UserMistake(
            f"sweep status: expected one study, such as medical/1a2b3c4d; got {' '.join(names) or 'none'}"
        )
    refuse_password(written)
    try:
        url = str(OmegaConf.create({"storage": written}).storage)
    except OmegaConfBaseException as error:
        raise UserMistake(f"storage = {written}: {reason_of(error)}") from None
    trials, total = stored_trials(names[0], url)
    print(json.dumps(trials, indent=2) if "--json" in words else as_text(trials, total))
    return 0 if all_well(trials, total) else 1


def prune(words: Sequence[str]) -> int:
    """Say what would be removed, or remove it."""
    from smoothlab.sweeps.ledger import Ledger
    from smoothlab.sweeps.prune import plan
    from smoothlab.sweeps.space import shown

    options = dict(OPTIONS)
    for word in (word for word in words if "=" in word):
        key, value = word.split("=", 1)
        if key in OPTIONS:
            options[key] = value
    if options["dry_run"] not in ("true", "false"):
        raise UserMistake(f"dry_run = {options['dry_run']}: expected true or false")
    folder = _directory([word for word in words if word.split("=", 1)[0] not in OPTIONS])
    free = tuple(name.strip() for name in options["free"].split(","))
    planned = plan(Ledger.read(folder), keep=options["keep"], free=free)
    dry = options["dry_run"] == "true"
    size = shown(planned.size)
    whole = f"; whole: {_some(planned.whole)}" if planned.whole else ""
    what = f"{len(planned.files)} files ({' and '.join(free)}) of {len(planned.touched)} runs, {size}{whole}"
    for file in planned.files:
        print(file)
    if dry:
        print(f"would remove {what}\nadd dry_run=false to do so")
        return 0
    try:
        planned.carry_out()
    except OSError as error:
        raise UserMistake(f"{error.filename}: cannot be removed ({error.strerror})") from None
    print(f"removed {what}")
    return 0


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMES]) + (f" and {len(names) - NAMES} more" if len(names) > NAMES else "")


def _directory(words: Sequence[str]) -> str:
    if len(words) != 1:
        got = " ".join(words) or "nothing"
        raise UserMistake(f"sweep: expected one directory, such as outputs/sweeps/medical/1a2b3c4d; got {got}")
    return words[0]
