"""Make the plan of a comparison: compose every arm, and leave out those that do not fit the data."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from smoothlab.comparing.arm import TEACHER_PATH, Arm, settings_text
from smoothlab.comparing.plan import Places, Plan, PlannedRun
from smoothlab.comparing.repetition import Repetition, Resolve, Values, settle
from smoothlab.errors import UserMistake

if TYPE_CHECKING:
    from smoothlab.data.module import DataModule


@dataclass(frozen=True)
class Level:
    """A value of a condition.

    Args:
        name: as tables show it.
        at: where it stands on the axis.
        overrides: of the config, for every arm.
    """

    name: str | None = None
    at: float | None = None
    overrides: tuple[str, ...] = field(default=())


NO_CONDITION = (Level(),)


def make_plan(
    arms: Mapping[str, Arm],
    resolve: Resolve,
    *,
    repetition: Repetition,
    grid: int,
    levels: Sequence[Level] = NO_CONDITION,
    required: Collection[str] = (),
    places: Places,
    sliced: bool = False,
) -> Plan:
    """Every arm with each of its settings, at every level, for every seed or fold.

    Args:
        arms: those asked for, the baseline first.
        resolve: gives the config of a run.
        repetition: how often an arm is trained.
        grid: most settings of an arm.
        levels: of the condition.
        required: arms that must fit, beside the baseline; others that do not are left out, with the reason.
        places: where the runs stand, for those that are teachers.
        sliced: whether the metrics have to be told apart by slices of the test data.

    Raises:
        UserMistake: the data cannot be used, or a required arm does not fit.
    """
    settled = settle(repetition, resolve, levels[0].overrides)
    units, resolve = settled.units, settled.resolve
    plan = Plan(foldable=settled.foldable)
    must = {*required, next(iter(arms))}
    planned: dict[str, list[PlannedRun]] = {f"{seed} {fold}": [] for seed, fold in units}
    for level in levels:
        world = _World(resolve((), {}, level.overrides, *units[0]), settled.opened)
        if sliced:
            world.check_slices()
        taken: dict[str, str] = {}
        teachers: dict[tuple[str, int, int | None], PlannedRun] = {}
        for name, arm in sorted(arms.items(), key=lambda pair: pair[1].teacher is not None):
            if arm.made_of is not None or (name in plan.left_out and name not in must):
                continue
            try:
                world.check_needs(arm)
                if arm.teacher is not None:
                    runs = _students(arm, resolve, level, units, world, teachers, plan, places)
                else:
                    runs = _runs_of(arm, resolve, level, units, grid, world, taken, plan)
            except UserMistake as mistake:
                if name in must:
                    raise UserMistake(f"arm {name}: {mistake}" if arm.overrides else str(mistake)) from None
                plan.left_out[name] = str(mistake)
                continue
            for run in runs:
                planned[f"{run.seed} {run.fold}"].append(run)
                teachers.setdefault((run.arm, run.seed, run.fold), run)
    plan.runs = [run for runs in planned.values() for run in runs if run.arm not in plan.left_out]
    return plan


def _runs_of(
    arm: Arm,
    resolve: Resolve,
    level: Level,
    units: Sequence[tuple[int, int | None]],
    grid: int,
    world: _World,
    taken: dict[str, str],
    plan: Plan,
) -> list[PlannedRun]:
    runs, same = [], []
    for settings in arm.settings(grid):
        first = True
        for seed, fold in units:
            values = resolve(arm.overrides, settings, level.overrides, seed, fold)
            if first:
                world.check(values)
            identity = world.identity(values)
            if first and identity in taken:
                same.append(taken[identity])
                break
            if first:
                taken[identity] = f"{arm.name}{', ' if settings else ''}{settings_text(settings)}"
            first = False
            runs.append(PlannedRun(arm.name, dict(settings), seed, fold, identity, level.name))
            plan.values[identity] = values
    if not runs:
        raise UserMistake(f"the same as {same[0]}")
    return runs


def _students(
    arm: Arm,
    resolve: Resolve,
    level: Level,
    units: Sequence[tuple[int, int | None]],
    world: _World,
    teachers: Mapping[tuple[str, int, int | None], PlannedRun],
    plan: Plan,
    places: Places,
) -> list[PlannedRun]:
    """The runs of an arm that learn from those of another one, which need not be there yet."""
    runs = []
    for seed, fold in units:
        teacher = teachers.get((str(arm.teacher), seed, fold))
        if teacher is None:
            raise UserMistake(f"its teacher, {arm.teacher}, is left out")
        # what counts is which run the teacher is, not where it stands or whether it is there yet
        settled = resolve(arm.overrides, {TEACHER_PATH: f"run {teacher.identity}"}, level.overrides, seed, fold)
        identity = world.identity(settled)
        path = str(places.of(teacher).path)
        plan.values[identity] = resolve(arm.overrides, {TEACHER_PATH: path}, level.overrides, seed, fold)
        runs.append(PlannedRun(arm.name, {}, seed, fold, identity, level.name, teacher.identity))
    return runs


class _World:
    """The data of a level, read once for every arm that leaves them as they are."""

    def __init__(self, values: Values, opened: tuple[Values, DataModule] | None) -> None:
        from smoothlab.config.allowed import code_fingerprint
        from smoothlab.config.opening import open_data

        self._config, self._task = values["data"], values["task"]
        self._data = opened[1] if opened is not None and opened[0] == values else open_data(values)
        self._fingerprint = self._data.fingerprint + code_fingerprint(values["code"])
        self._others: Any = None

    def check_slices(self) -> None:
        """Refuse data whose test metrics are not told apart by slices.

        Raises:
            UserMistake: they have neither a split by time nor a column that the task names.
        """
        if self._task.get("slices") is None and self._data.slice_column is None:
            raise UserMistake(
                "condition: these data have no slices; split them by time (data.split=time data.split_column=...), or "
                "name a metadata column as task.slices"
            )

    def check_needs(self, arm: Arm) -> None:
        """Refuse an arm that needs what the data do not have.

        Raises:
            UserMistake: they lack it.
        """
        from smoothlab.training.parts import are_ordered

        for need in arm.needs:
            if need == "tree" and self._data.class_tree is None and self._task.get("tree") is None:
                raise UserMistake("the classes have no tree")
            if need == "order" and not are_ordered(self._task, self._data):
                raise UserMistake("the classes have no order")
            if need.startswith("metadata.") and need[9:] not in (self._data.first(2).metadata or {}):
                raise UserMistake(f"the data have no metadata column {need[9:]!r}")

    def check(self, values: Values) -> None:
        """Refuse a config that does not fit the data.

        Raises:
            UserMistake: it does not.
        """
        from smoothlab.training.preparing import check_fit, prepare

        if values["data"] == self._config:
            check_fit(values, self._data)
        else:
            prepare(values)

    def identity(self, values: Values) -> str:
        """The identity of a run.

        The content of the data is that of the first seed: what follows the seed is in the config.
        """
        from smoothlab.rundir.identity import run_identity
        from smoothlab.sweeps.fingerprints import Fingerprints

        data = {key: value for key, value in values["data"].items() if key not in FOLLOWS}
        if data == {key: value for key, value in self._config.items() if key not in FOLLOWS}:
            return run_identity(values, self._fingerprint)
        self._others = self._others or Fingerprints()
        return str(self._others.identity(values))


FOLLOWS = ("shuffle_seed", "fold")  # of the data: what differs between the runs of an arm
