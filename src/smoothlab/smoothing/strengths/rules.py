"""Strength by a list of rules: the first that a sample meets decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from smoothlab.classes.info import ClassInfo, bind_part
from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_share
from smoothlab.smoothing.ranges import clamp_strength
from smoothlab.smoothing.strengths.conditions import Categories, ClassIs, Condition, conditions_of
from smoothlab.smoothing.strengths.strength import Constant, Strength
from smoothlab.step import Step


class Rules(nn.Module):
    """Epsilon of a sample by the first rule that it meets, else the default.

    A rule says ``when`` it is met, and gives an ``epsilon`` in [0, 1) or another ``strength``:

    - ``{"when": {"column": "source", "equals": 2}, "epsilon": 0.2}``, a metadata column; also ``"in": [1, 2]``,
      ``"at_least": 0.5``, ``"below": 0.8``. A row without a value (nan) meets nothing.
    - ``{"when": {"class": ["elk", "moose"]}, "epsilon": 0.1}``, the label's class, for votes that of their mode.
    - ``{"when": {"confidence": {"below": 0.6}}, "strength": Cosine(0.2, 0.0)}``, the model's largest probability.

    What stands together in one ``when``, or in a list of such, must all be met. Each strength sees all samples of a
    step, whichever rule they meet; those that learn do so from all of them.

    Args:
        rules: at least one, in their order.
        default: epsilon in [0, 1) or strength of the samples that meet no rule.
        categories: by column, the words that its numbers 0, 1, ... stand for, so that rules can compare with words.

    Raises:
        InvalidArgument: for what is no rule; on binding, for names that are no classes; in a step, for a column or
            logits that are not there, or class names that no data were bound to.
    """

    def __init__(
        self, rules: Sequence[Mapping[str, Any]], default: float | Strength, categories: Categories | None = None
    ) -> None:
        super().__init__()
        if isinstance(rules, str | Mapping) or not isinstance(rules, Sequence) or not rules:
            raise InvalidArgument("rules", rules, "a list of rules, such as {when: {class: elk}, epsilon: 0.1}")
        self.rules = [_rule(f"rules[{index}]", rule, categories or {}) for index, rule in enumerate(rules)]
        self.default = _strength("default", default)
        self.signed = any(getattr(strength, "signed", False) for strength in self.strengths)
        self.keeps_distributions = all(getattr(strength, "keeps_distributions", True) for strength in self.strengths)
        # registered, so that those with a state are moved, saved and taught
        self.modules_in_rules = nn.ModuleList(
            strength for strength in self.strengths if isinstance(strength, nn.Module)
        )

    @property
    def strengths(self) -> list[Strength]:
        """Those of the rules in their order, and the default."""
        return [*(strength for _, strength in self.rules), self.default]

    def bind(self, info: ClassInfo) -> None:
        """Find the classes that rules name, and bind the strengths."""
        for index, (conditions, strength) in enumerate(self.rules):
            for condition in conditions:
                if isinstance(condition, ClassIs):
                    condition.bind(info)
            bind_part(f"rules[{index}].strength", strength, info)
        bind_part("default", self.default, info)

    def forward(self, step: Step) -> Tensor:
        """Epsilon ``(...,)``, in float32 or wider."""
        shape = step.labels.shape[:-1] if step.labels.is_floating_point() else step.labels.shape
        epsilon = torch.zeros(shape, dtype=step.dtype, device=step.labels.device)
        epsilon = epsilon + self.default(step)
        for conditions, strength in reversed(self.rules):
            met = conditions[0](step)
            for condition in conditions[1:]:
                met = met & condition(step)
            epsilon = torch.where(met, strength(step), epsilon)
        return epsilon if self.signed else clamp_strength(epsilon)

    def extra_repr(self) -> str:
        """How many rules, and the strengths that are no modules."""
        plain = ", ".join(repr(strength) for strength in self.strengths if not isinstance(strength, nn.Module))
        return f"{len(self.rules)} rules: {plain}"


def _rule(name: str, rule: object, categories: Categories) -> tuple[list[Condition], Strength]:
    given = set(rule) if isinstance(rule, Mapping) else set()
    if not isinstance(rule, Mapping) or given not in ({"when", "epsilon"}, {"when", "strength"}):
        raise InvalidArgument(name, rule, "when, and epsilon or strength")
    conditions = conditions_of(f"{name}.when", rule["when"], categories)
    if not conditions:
        raise InvalidArgument(f"{name}.when", rule["when"], "at least one condition")
    if "epsilon" in rule:
        return conditions, Constant(check_share(f"{name}.epsilon", rule["epsilon"]))
    if not callable(rule["strength"]):
        raise InvalidArgument(f"{name}.strength", rule["strength"], "a strength")
    return conditions, rule["strength"]


def _strength(name: str, value: object) -> Strength:
    return value if callable(value) else Constant(check_share(name, value))
