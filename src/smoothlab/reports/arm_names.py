"""What to call runs by the settings in which they differ: "smoothing=standard, epsilon 0.1"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from smoothlab.rundir.identity import NOT_IDENTITY

# What tells repetitions of one arm from each other.
REPETITION = frozenset({"seed", "data.split_seed", "data.shuffle_seed", "data.row_seed", "data.fold"})
NO_GROUP = frozenset({"experiment", "debug", "logger", "callbacks", "sweep"})
ABSENT = "(absent)"


def arm_names(flats: Sequence[Mapping[str, Any]], choices: Sequence[Mapping[str, Any]]) -> list[str]:
    """A name for each run, the same for runs that differ in nothing but seed and fold.

    A group whose option differs is told by it, and further by the settings that differ among the runs of one option;
    a group whose options are not known is told by its settings.

    Args:
        flats: the leaves of each run's config by dotted keys.
        choices: the option of each group, ``{"smoothing": "standard"}``, empty where it is not known.
    """
    keys = dict.fromkeys(key for flat in flats for key in flat if tells(key))
    varying = [key for key in keys if _differ([flat.get(key, ABSENT) for flat in flats])]
    words: list[list[str]] = [[] for _ in flats]
    for group in dict.fromkeys(key.split(".")[0] for key in varying):
        inside = [key for key in varying if key.split(".")[0] == group]
        options = [str(choice.get(group, "")) for choice in choices]
        told_apart = len(set(options)) > 1 and group not in NO_GROUP
        shown: dict[str, list[str]] = {}
        for option in set(options):
            alike = [flat for flat, own in zip(flats, options, strict=True) if own == option]
            shown[option] = [key for key in inside if _differ([flat.get(key, ABSENT) for flat in alike])]
        for option, flat, own_words in zip(options, flats, words, strict=True):
            if told_apart and option:
                own_words.append(f"{group}={option}")
            own_words += [f"{_short(key, varying)} {_value(flat[key])}" for key in shown[option] if key in flat]
    return [", ".join(own) or _alone(chosen) for own, chosen in zip(words, choices, strict=True)]


def tells(key: str) -> bool:
    """Whether a setting tells arms apart, and not the repetitions of one arm, nor places and loggers."""
    return key not in REPETITION and key.split(".")[0] not in NOT_IDENTITY


def _differ(values: Sequence[Any]) -> bool:
    return any(value != values[0] for value in values)


def _short(key: str, keys: Sequence[str]) -> str:
    """The last words of a dotted key, as many as tell it from the others."""
    parts = key.removesuffix("._target_").split(".")
    others = [other.removesuffix("._target_").split(".") for other in keys if other != key]
    for length in range(1, len(parts)):
        if all(other[-length:] != parts[-length:] for other in others):
            return ".".join(parts[-length:])
    return ".".join(parts)


def _value(value: Any) -> str:
    text = value.rsplit(".", 1)[-1] if isinstance(value, str) and value.startswith("smoothlab.") else str(value)
    return " ".join(text.split())


def _alone(chosen: Mapping[str, Any]) -> str:
    if chosen.get("model") not in (None, "net"):
        return f"model={chosen['model']}"
    return f"smoothing={chosen['smoothing']}" if chosen.get("smoothing") else "this setting"
