"""Commands to type: what trains an arm, what a larger comparison would be."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterable, Sequence

# Keys of a comparison that are none of train.
OWN = (
    "budget",
    "condition",
    "arms",
    "baseline",
    "take",
    "seeds",
    "folds",
    "looks",
    "grid",
    "without",
    "epochs",
    "n_jobs",
    "level",
    "margin",
    "vary",
)


def command(name: str, *lists: Iterable[str]) -> str:
    """``smoothlab <name>`` and words, of which a later one of the same key takes the place of an earlier one."""
    return shlex.join(["smoothlab", name, *merged(*(list(words) for words in lists))])


def of_train(typed: Sequence[str]) -> list[str]:
    """The words of a comparison that are words of train too."""
    return [word for word in typed if key_of(word).split(".")[0] not in OWN]


def merged(*lists: Sequence[str]) -> list[str]:
    """Overrides, of which a later one of the same key takes the place of an earlier one."""
    by_key: dict[str, str] = {}
    for override in itertools.chain(*lists):
        by_key.pop(key_of(override), None)
        by_key[key_of(override)] = override
    return list(by_key.values())


def key_of(override: str) -> str:
    """The key of an override; of an arm's own, ``arms``."""
    key = override.split("=", 1)[0].lstrip("+~")
    return "arms" if key.startswith("arms.") else key
