"""The objectives of a run that is done, from its results.json."""

from __future__ import annotations

from collections.abc import Sequence

from smoothlab.rundir.directory import RunDirectory
from smoothlab.sweeps.search.study import Objective


def objective_values(run: RunDirectory, objectives: Sequence[Objective]) -> tuple[float | None, ...]:
    """The run's objectives; None for one that it does not have, as a metric that is no number.

    What the best checkpoint was chosen by is its best value; every other metric is that of the best checkpoint.
    """
    results = run.read_results()
    own = results["objective"]
    values: list[float | None] = []
    for objective in objectives:
        split, _, name = objective.name.partition("/")
        value = own["value"] if own["name"] == objective.name else results["metrics"].get(split, {}).get(name)
        values.append(None if value is None else float(value))
    return tuple(values)
