"""A study of a database as anybody sees it, without the command that made it: the ledgers of all machines as one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from smoothlab.errors import UserMistake
from smoothlab.sweeps.search.databases import answering, open_database, shown
from smoothlab.sweeps.search.optional import load_optuna
from smoothlab.sweeps.search.places import in_places
from smoothlab.sweeps.search.shared import FOLDER, HOST, SIGN, TOTAL
from smoothlab.sweeps.search.study import DIRECTORY, DONE, PRUNED, REASON, SETTINGS, states


def stored_trials(name: str, url: str) -> tuple[list[dict[str, Any]], int]:
    """Each trial of a study, and how many it is to have.

    Args:
        name: of the study.
        url: of its database.

    Returns:
        Trials with ``trial``, ``state``, ``values`` by objective, ``params``, ``host``, ``directory``, ``seconds``,
        ``sign_of_life`` and ``reason``; None where there is none.

    Raises:
        UserMistake: no such study, no such file of SQLite, or no answer.
    """
    kind, _, file = url.partition(":///")
    if kind.startswith("sqlite") and not Path(file.partition("?")[0]).is_file():  # which opening it would make
        raise UserMistake(f"storage = {url}: no such file")
    optuna = load_optuna()
    storage = open_database(url, "storage")
    with answering(url):
        try:
            study = optuna.load_study(study_name=name, storage=storage)
        except KeyError:
            others = ", ".join(sorted(optuna.get_all_study_names(storage))) or "none"
            raise UserMistake(f"{name}: no such study in {shown(url)}; studies there: {others}") from None
        trials, attributes = study.get_trials(deepcopy=False), study.user_attrs
    total = int(attributes.get(TOTAL, len(trials)))
    objectives = [str(objective).split(" ")[0] for objective in attributes.get(SETTINGS, {}).get("objectives", [])]
    names = states(optuna)
    return [_as_dict(trial, names[trial.state], objectives) for trial in in_places(trials)[:total]], total


def all_well(trials: list[dict[str, Any]], total: int) -> bool:
    """Whether a study has all its trials, and each has ended without a failure."""
    return len(trials) >= total and all(trial["state"] in (DONE, PRUNED) for trial in trials)


def as_text(trials: list[dict[str, Any]], total: int) -> str:
    """The trials for people."""
    objectives = list(dict.fromkeys(name for trial in trials for name in trial["values"] or {}))
    widths = [max(12, len(name) + 2) for name in objectives]
    heads = "".join(f"{name:<{width}}" for name, width in zip(objectives, widths, strict=True))
    lines = [f"{'trial':<7}{'state':<9}{heads}{'seconds':<9}{'host':<17}values"]
    for trial in trials:
        cells = ["-" if trial["values"] is None else f"{trial['values'][name]:.4f}" for name in objectives]
        judged = "".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
        seconds = "-" if trial["seconds"] is None else f"{trial['seconds']:.1f}"
        chosen = " ".join(f"{key}={value}" for key, value in trial["params"].items())
        reason = f"   {trial['reason']}" if trial["reason"] else ""
        host = trial["host"] or "-"
        lines.append(f"{trial['trial']:<7}{trial['state']:<9}{judged}{seconds:<9}{host:<17}{chosen}{reason}")
    counted = [trial["state"] for trial in trials]
    counts = ", ".join(f"{counted.count(state)} {state}" for state in sorted(set(counted)))
    hosts = {trial["host"] for trial in trials if trial["host"]}
    lines.append(f"{len(trials)} of {total} trials{f': {counts}' if counts else ''}; machines: {len(hosts)}")
    return "\n".join(lines)


def _as_dict(trial: Any, state: str, objectives: list[str]) -> dict[str, Any]:
    attributes = trial.user_attrs
    folder, name = attributes.get(FOLDER), attributes.get(DIRECTORY)
    values = dict(zip(objectives, trial.values, strict=True)) if state == DONE else None
    return {
        "trial": trial.number,
        "state": state,
        "values": values,
        "params": dict(trial.params),
        "host": attributes.get(HOST),
        "directory": f"{folder}/{name}" if folder and name else None,
        "seconds": None if trial.duration is None else round(trial.duration.total_seconds(), 3),
        "sign_of_life": attributes.get(SIGN),
        "reason": attributes.get(REASON),
    }
