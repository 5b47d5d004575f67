"""Parts of a strategy: what they say of themselves, what they have learned, and the trees they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from smoothlab.classes.tree import ClassTree
from smoothlab.learner import Learner, learners_in

LONGEST = 160  # characters of a description
MOST_VALUES = 1 << 14  # of a state, in the JSON file


@dataclass(frozen=True, eq=False)
class LearnedPart:
    """A part that learns.

    Args:
        key: where it stands in the config.
        description: of the part.
        moved_by: what changes its state, in words.
        state: its present one.
    """

    key: str
    description: str
    moved_by: str
    state: Mapping[str, Tensor]

    def json(self) -> dict[str, Any]:
        """Plain values; of a large state only its shape."""
        return {
            "part": self.key,
            "description": self.description,
            "moved_by": self.moved_by,
            "state": {
                key: {"shape": list(value.shape)} | ({"values": _listed(value)} if value.numel() <= MOST_VALUES else {})
                for key, value in self.state.items()
            },
        }


def described(part: Any) -> str:
    """A part in one line: its own ``describe()`` where it has one, else its representation."""
    describe = getattr(part, "describe", None)
    text = " ".join(str(describe() if callable(describe) else repr(part)).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def learned_parts(parts: Mapping[str, Any]) -> list[LearnedPart]:
    """The learners among these parts and in them, each once."""
    learned: dict[int, LearnedPart] = {}
    for key, part in parts.items():
        for learner in learners_in(part):
            learned.setdefault(id(learner), LearnedPart(key, described(learner), moved_by(learner), learner.kept))
    return list(learned.values())


def moved_by(learner: Learner) -> str:
    """What changes a learner's state, told by the methods that it overrides."""
    kind = type(learner)
    sources = []
    if kind.learn_from_training is not Learner.learn_from_training:
        sources.append("the training steps, at each epoch's end")
    if kind.learn_from_validation is not Learner.learn_from_validation:
        sources.append("each validation")
    if not sources:
        return "each training step" if kind.observe is not Learner.observe else "nothing"
    return " and ".join(sources)


def trees(parts: Mapping[str, Any]) -> dict[str, ClassTree]:
    """The class trees that parts hold as ``tree``; a tree that several share is told once."""
    by_key: dict[str, ClassTree] = {}
    for key, part in parts.items():
        tree = getattr(part, "tree", None)
        if isinstance(tree, ClassTree) and str(tree) not in map(str, by_key.values()):
            by_key[key] = tree
    return by_key


def _listed(values: Tensor) -> Any:
    """Plain values; a state may hold infinities, which JSON does not have."""
    flat = values.detach().cpu()
    if flat.is_floating_point() and not bool(flat.isfinite().all()):
        return [str(value) for value in flat.reshape(-1).tolist()]
    return flat.tolist()
