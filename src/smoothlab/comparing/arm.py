"""An arm of a comparison: one way of training, with the hyper-parameters that may stand for it."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from smoothlab.errors import UserMistake

ENSEMBLE, TEMPERATURE = "ensemble", "temperature"
MADE_OF = (ENSEMBLE, TEMPERATURE)
KEYS = ("overrides", "grid", "needs", "made_of", "teacher")
TEACHER_PATH = "smoothing.prior.net.path"
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Arm:
    """One way of training, or of using what was trained.

    Args:
        name: as tables show it.
        overrides: of the config, such as ``smoothing=standard``.
        grid: by key the values that may stand for the arm, the most promising first.
        needs: what the data must have: ``tree``, ``order`` or ``metadata.<column>``.
        made_of: ``ensemble`` or ``temperature``: made from predictions of another arm's runs; None: trained.
        source: the arm that it is made of; None: the baseline.
        teacher: the arm whose run of the same seed is the teacher; that arm is trained first. None: there is none.
    """

    name: str
    overrides: tuple[str, ...] = ()
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    made_of: str | None = None
    source: str | None = None
    teacher: str | None = None

    def settings(self, most: int) -> list[dict[str, Any]]:
        """The first ``most`` points of the grid, one of them empty where there is no grid."""
        points = [dict(zip(self.grid, values, strict=True)) for values in itertools.product(*self.grid.values())]
        return points[: max(1, most)]


def read_arms(node: Mapping[str, Any]) -> dict[str, Arm]:
    """The arms of a config by name: each a list of overrides or a mapping with ``KEYS``.

    Raises:
        UserMistake: an arm is neither.
    """
    return {str(name): _read(str(name), arm) for name, arm in node.items() if arm is not None}


def _read(name: str, node: Any) -> Arm:
    if isinstance(node, str):
        node = [node]
    if isinstance(node, Sequence):
        node = {"overrides": node}
    if not isinstance(node, Mapping) or set(node) - set(KEYS):
        raise UserMistake(
            f"arms.{name} = {node!r}: expected a list of overrides such as [smoothing=standard], or a mapping with "
            f"{', '.join(KEYS)}"
        )
    overrides = tuple(str(override) for override in node.get("overrides") or ())
    for override in overrides:
        if "=" not in override:
            raise UserMistake(f"arms.{name}: {override!r} is no override; expected key=value or group=option")
    grid = node.get("grid") or {}
    if not isinstance(grid, Mapping) or not all(isinstance(values, list) and values for values in grid.values()):
        raise UserMistake(f"arms.{name}.grid = {grid!r}: expected a list of values by key")
    made_of, source = node.get("made_of"), None
    if isinstance(made_of, Mapping) and len(made_of) == 1:
        made_of, source = next(iter(made_of.items()))
    if made_of not in (None, *MADE_OF) or not isinstance(source, str | None):
        known = ", ".join(MADE_OF)
        raise UserMistake(
            f"arms.{name}.made_of = {node['made_of']!r}: expected one of {known}, or with the arm that it is made of, "
            "such as {temperature: mixup}"
        )
    if made_of is not None and (overrides or grid):
        raise UserMistake(f"arms.{name}: made_of = {made_of} trains nothing; leave overrides and grid out")
    teacher = node.get("teacher")
    if teacher is not None and not isinstance(teacher, str):
        raise UserMistake(f"arms.{name}.teacher = {teacher!r}: expected the name of an arm")
    return Arm(name, overrides, dict(grid), tuple(node.get("needs") or ()), made_of, source, teacher)


def take(
    arms: Mapping[str, Arm], baseline: str, wanted: Sequence[str] | None, without: Iterable[str]
) -> dict[str, Arm]:
    """The arms that are asked for, the baseline first.

    Args:
        arms: all, by name.
        baseline: the name of the one that the others are compared with.
        wanted: names; None: all but ``without``.
        without: names that are left out where ``wanted`` is None.

    Raises:
        UserMistake: an unknown name, a baseline that is not trained, or nothing beside it.
    """
    for key, names in (("baseline", [baseline]), ("take", wanted or [])):
        for name in names:
            if name not in arms:
                near = difflib.get_close_matches(str(name), arms, n=1)
                hint = f"nearest: {near[0]}; " if near else ""
                raise UserMistake(f"{key} = {name}: no such arm; {hint}arms: {', '.join(arms)}")
    if arms[baseline].made_of is not None:
        raise UserMistake(f"baseline = {baseline}: is made from predictions; expected an arm that is trained")
    left_out = set(without)
    names = [name for name in arms if name not in left_out] if wanted is None else list(wanted)
    names = list(dict.fromkeys([baseline, *names]))
    if wanted is None:  # what is made of an arm that is left out, is left out too
        names = [name for name in names if (arms[name].source or baseline) in names]
    for name in names:
        source = arms[name].source or baseline
        if source not in names or arms[source].made_of is not None:
            raise UserMistake(
                f"arms.{name}.made_of = {{{arms[name].made_of}: {source}}}: expected an arm that is compared "
                "and trained itself"
            )
        teacher = arms[name].teacher
        if teacher is not None and (teacher not in names or arms[teacher].teacher or arms[teacher].made_of):
            raise UserMistake(f"arms.{name}.teacher = {teacher}: expected an arm that is compared and trained itself")
    if len(names) < 2:
        raise UserMistake(f"take = {wanted}: nothing to compare {baseline} with")
    return {name: arms[name] for name in names}


def settings_text(settings: Settings) -> str:
    """Settings as people read them: ``epsilon 0.1``."""
    return ", ".join(f"{key.replace('/', '.').rsplit('.', 1)[-1]} {value}" for key, value in settings.items())
