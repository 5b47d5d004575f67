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
        kept: its present state.
    """

    key: str
    description: str
    moved_by: str
    kept: Mapping[str, Tensor]

    def json(self) -> dict[str, Any]:
        """Plain values; of a large state only its shape."""
        return {
            "part": self.key,
            "description": self.description,
            "moved_by": self.moved_by,
            "state": {
                name: {"shape": list(one.shape)} | ({"values": _listed(one)} if one.numel() <= MOST_VALUES else {})
                for name, one in self.kept.items()
            },
        }


def described(part: Any) -> str:
    """A part in one line: its own ``describe()`` where it has one, else its representation."""
    describe = getattr(part, "describe", None)
    text = " ".join(str(describe() if callable(describe) else repr(part)).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def learned_parts(parts: Mapping[str, Any]) -> list[LearnedPart]:
    """The learners among these parts and in them, each once."""
    found: dict[int, LearnedPart] = {}
    for key, part in parts.items():
        for learner in learners_in(part):
            found.setdefault(id(learner), LearnedPart(key, described(learner), moved_by(learner), learner.kept))
    return list(found.values())


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
    found: dict[str, ClassTree] = {}
    for key, part in parts.items():
        tree = getattr(part, "tree", None)
        if isinstance(tree, ClassTree) and str(tree) not in map(str, found.values()):
            found[key] = tree
    return found


def _listed(values: Tensor) -> Any:
    """Plain values; a state may hold infinities, which JSON does not have."""
    flat = values.detach().cpu()
    if flat.is_floating_point() and not bool(flat.isfinite().all()):
        return [str(one) for one in flat.reshape(-1).tolist()]
    return flat.tolist()
