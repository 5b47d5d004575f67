"""Keys that say something else than the option of their group: a run is what its options' names say, or is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smoothlab.errors import UserMistake

OF_ONE_OBJECT = ("loss", "mixing", "scheduler", "calibrator", "decision", "model")  # {} is none, or the usual
OF_SEVERAL = ("penalty", "callbacks")  # objects by name
NOTHING = {"_target_": "smoothlab.smoothing.Constant", "epsilon": 0}


def refuse_contradictions(values: Mapping[str, Any], choices: Mapping[str, Any]) -> None:
    """Refuse keys of an option that has no object which could have them, and smoothing under the name ``none``.

    Args:
        values: the resolved config of a command; groups that it does not have are passed over.
        choices: the option of each group.

    Raises:
        UserMistake: in one line, which names the key, its value and what would be right.
    """
    for group in OF_ONE_OBJECT:
        _refuse_without_object(group, values.get(group), choices.get(group))
    for group in OF_SEVERAL:
        members = values.get(group)
        for name, member in members.items() if isinstance(members, Mapping) else ():
            _refuse_without_object(f"{group}.{name}", member, None)
    smoothing = values.get("smoothing")
    if choices.get("smoothing") == "none" and isinstance(smoothing, Mapping):
        _refuse_strength(smoothing.get("strength"), choices.get("smoothing/strength"))


def _refuse_without_object(group: str, node: Any, option: str | None) -> None:
    if not isinstance(node, Mapping) or not node or "_target_" in node:
        return
    key, value = next(iter(node.items()))
    chosen = f"{group}={option}" if option else group
    raise UserMistake(
        f"{group}.{key} = {value!r}: {chosen} has no object that takes it; choose the option that does, or leave it out"
    )


def _refuse_strength(strength: Any, option: str | None) -> None:
    if not isinstance(strength, Mapping) or strength == NOTHING:
        return
    changed = {key: value for key, value in strength.items() if value != NOTHING.get(key)}
    what = next((f"smoothing.strength.{key} = {value!r}" for key, value in changed.items()), "smoothing.strength")
    if option not in (None, "none"):
        what = f"smoothing/strength = {option}"
    raise UserMistake(
        f"{what}: smoothing=none leaves the labels as they are; leave it out, or take an option that smooths, such as "
        "smoothing=standard"
    )
