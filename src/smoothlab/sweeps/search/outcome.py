"""What a search leaves: search.json, best.yaml, and a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from smoothlab.rundir.atomic import write_json, write_text
from smoothlab.sweeps.search.study import DONE, Study, Trial
from smoothlab.yaml_limits import dump_yaml

FORMAT = 1


def write_outcome(study: Study, folder: Path) -> None:
    """Write search.json (every trial) and, once a trial is done, best.yaml (the best one, or the Pareto front)."""
    best = study.best()
    summary = {
        "format": FORMAT,
        "n_trials": study.total,
        "objectives": [{"name": objective.name, "mode": objective.mode} for objective in study.objectives],
        "best": [trial.number for trial in best],
        "importance": study.importance(),
        "trials": [_as_dict(study, trial) for trial in study.trials()],
    }
    write_json(folder / "search.json", summary)
    if best:
        front = [_as_dict(study, trial) for trial in best]
        heading = "# The best trial" if len(study.objectives) == 1 else "# The trials that no other one beats in all"
        text = f"{heading} of {folder.name}; train it again: smoothlab train <overrides>\n"
        content = front[0] if len(study.objectives) == 1 else {"pareto_front": front}
        write_text(folder / "best.yaml", text + dump_yaml(content))


def as_text(study: Study) -> str:
    """The trials for people, those on the Pareto front or the best one marked by a star."""
    trials, best = study.trials(), {trial.number for trial in study.best()}
    names = [objective.name for objective in study.objectives]
    widths = [max(12, len(name) + 2) for name in names]
    head = "".join(f"{name:<{width}}" for name, width in zip(names, widths, strict=True))
    lines = [f"{'trial':<7}{'state':<9}{head}{'seconds':<9}values"]
    for trial in trials:
        star = " *" if trial.number in best else ""
        values = ["-"] * len(names) if trial.values is None else [f"{value:.4f}{star}" for value in trial.values]
        shown = "".join(f"{value:<{width}}" for value, width in zip(values, widths, strict=True))
        seconds = "-" if trial.seconds is None else f"{trial.seconds:.1f}"
        chosen = " ".join(trial.overrides[len(study.space.fixed) :])
        reason = f"   {trial.reason}" if trial.reason else ""
        lines.append(f"{trial.number:<7}{trial.state:<9}{shown}{seconds:<9}{chosen}{reason}")
    states = [trial.state for trial in trials]
    counts = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    lines.append(f"{len(trials)} of {study.total} trials: {counts}")
    importance = study.importance()
    if importance:
        lines.append("importance: " + ", ".join(f"{key} {value:.2f}" for key, value in importance.items()))
    return "\n".join(lines)


def progress(study: Study, trial: Trial) -> str:
    """A line about a trial that has ended."""
    chosen = " ".join(trial.overrides[len(study.space.fixed) :])
    if trial.state == DONE and trial.values is not None:
        values = ", ".join(
            f"{objective.name} {value:.4f}" for objective, value in zip(study.objectives, trial.values, strict=True)
        )
        outcome = f"{values}{'  best so far' if trial.number in {best.number for best in study.best()} else ''}"
    else:
        outcome = f"{trial.state}, {trial.reason}"
    return f"trial {trial.number} ({chosen}): {outcome}"


def _as_dict(study: Study, trial: Trial) -> dict[str, Any]:
    values = trial.values or (None,) * len(study.objectives)
    return {
        "trial": trial.number,
        "state": trial.state,
        "values": dict(zip([objective.name for objective in study.objectives], values, strict=True)),
        "overrides": list(trial.overrides),
        "directory": trial.directory,
        "seconds": None if trial.seconds is None else round(trial.seconds, 3),
        "reason": trial.reason,
    }
