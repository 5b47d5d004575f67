"""A finished run that is trained on: the same config with more epochs, in a directory of its own."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from smoothlab.config.allowed import code_fingerprint
from smoothlab.errors import UserMistake
from smoothlab.learner import Learner, learners_in
from smoothlab.models.checkpoint import KEY, read_checkpoint
from smoothlab.rundir.atomic import make_folders
from smoothlab.rundir.directory import RunDirectory
from smoothlab.rundir.identity import differences, run_identity
from smoothlab.training.preparing import Prepared

LENGTH = "trainer.max_epochs"


def is_longer(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether a config is another one's with more epochs, and nothing else."""
    changed = [line.partition(":")[0] for line in differences(dict(old), dict(new))]
    before, after = (config["trainer"].get("max_epochs") for config in (old, new))
    return changed == [LENGTH] and isinstance(before, int) and isinstance(after, int) and 0 < before < after


def check_longer(old: RunDirectory, prepared: Prepared) -> int:
    """Refuse what would not be the longer run.

    Args:
        old: a finished run, of a config that :func:`is_longer` has compared.
        prepared: of the longer one.

    Returns:
        The epochs that are done.

    Raises:
        UserMistake: the data or code changed, a schedule had ended with the run, or a state is gone with it.
    """
    where = f"resume = {str(old.path)!r}"
    content = read_checkpoint(old.last_checkpoint)
    before: dict[str, Any] = content[KEY]["config"]
    config = prepared.config | {"trainer": prepared.config["trainer"] | {"max_epochs": before["trainer"]["max_epochs"]}}
    fingerprint = prepared.data.fingerprint + code_fingerprint(config["code"])
    if run_identity(config, fingerprint) != content[KEY].get("identity"):
        raise UserMistake(f"{where}: the content of the data, or of a file that it names, is another one now")
    if prepared.rival:
        raise UserMistake(f"{where}: its model is fitted at once, and has no epochs to add")
    schedule = prepared.task.schedule
    if schedule is not None and schedule.needs_end:
        raise UserMistake(
            f"{where}: the course of its scheduler was over with the run, and a longer one is another from its first "
            "epoch on; train anew, or a run with scheduler=none on"
        )
    if any(type(learner).keep_in is not Learner.keep_in for learner in learners_in(prepared.task)):
        raise UserMistake(f"{where}: what its smoothing remembered was deleted when the run was done; train anew")
    return int(content["epoch"]) + 1


def take_over(old: RunDirectory, new: RunDirectory) -> None:
    """Copy what the longer run goes on from: the checkpoints, of which the last one has the rows of metrics.csv."""
    make_folders(new.checkpoints)
    for source, target in ((old.best_checkpoint, new.best_checkpoint), (old.last_checkpoint, new.last_checkpoint)):
        if source.is_file():
            shutil.copyfile(source, target)
