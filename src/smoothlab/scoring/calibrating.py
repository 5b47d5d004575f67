"""What comes after the net: a calibrator and a decision, fitted to validation, kept in the checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from smoothlab.calibration import Beta, Calibrator, EachAnswer, LogitNormalisation, Unsmooth, calibrator_from_state
from smoothlab.calibration.decision import Decision, decision_from_state
from smoothlab.calibration.restoring import KINDS as CALIBRATORS
from smoothlab.config.allowed import resolve_target
from smoothlab.config.build import build, call
from smoothlab.errors import InvalidArgument, UserMistake
from smoothlab.kinds import KINDS
from smoothlab.smoothing import Constant, Smoother, Uniform
from smoothlab.tasks.task import Task

GROUPS = ("calibrator", "decision")


@dataclass
class Afterwards:
    """What is put behind a net: either part may be missing.

    Args:
        calibrator: maps logits to calibrated logits.
        decision: chooses a class from calibrated probabilities.
    """

    calibrator: Calibrator | None = None
    decision: Decision | None = None

    def calibrated(self, parts: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """What ``predict_step`` returned batch by batch, its logits calibrated."""
        if self.calibrator is None:
            return parts
        with torch.inference_mode():
            return [{**part, "logits": self.calibrator(part["logits"])} for part in parts]

    def fit_calibrator(self, logits: Tensor, labels: Tensor) -> None:
        """Fit the calibrator.

        Raises:
            UserMistake: the samples are not enough for it.
        """
        if self.calibrator is not None:
            call(self.calibrator.fit, "calibrator", logits, labels)

    def fit_decision(self, logits: Tensor, labels: Tensor) -> None:
        """Fit the decision to calibrated logits.

        Raises:
            UserMistake: nothing that it asks for can be had on these samples.
        """
        if self.decision is not None:
            call(self.decision.fit, "decision", torch.softmax(logits.double(), -1), labels)

    def operating_point(self, logits: Tensor, labels: Tensor) -> dict[str, Any]:
        """What the decisions are worth on calibrated logits ``(N, K)`` and their labels."""
        assert self.decision is not None
        return self.decision.operating_point(torch.softmax(logits.double(), -1), labels)

    def settings(self) -> dict[str, dict[str, Any]]:
        """What each of them is, plain values for results.json."""
        settings: dict[str, dict[str, Any]] = {}
        if self.calibrator is not None:
            inner = self.calibrator.inner if isinstance(self.calibrator, EachAnswer) else self.calibrator
            settings["calibrator"] = {"kind": type(inner).__name__, **inner.settings(), **inner.summary()}
        if self.decision is not None:
            settings["decision"] = {"kind": self.decision.kind, **self.decision.settings()}
        return settings

    def to_state(self) -> dict[str, Any]:
        """The checkpoint's own keys for them."""
        parts = {"calibrator": self.calibrator, "decision": self.decision}
        return {name: part.to_state() for name, part in parts.items() if part is not None}


def afterwards_of(ours: Mapping[str, Any]) -> Afterwards:
    """What a checkpoint keeps of them.

    Args:
        ours: the checkpoint's own part.

    Raises:
        UserMistake: they are damaged, or another version's.
    """
    made, names = Afterwards(), list(ours["class_names"])
    try:
        if ours.get("calibrator") is not None:
            made.calibrator = calibrator_from_state(ours["calibrator"]).eval()
        if ours.get("decision") is not None:
            made.decision = decision_from_state(ours["decision"], names)
    except InvalidArgument as error:
        raise UserMistake(f"the checkpoint's {error}") from None
    return made


def check_groups(config: Mapping[str, Any]) -> None:
    """Refuse what is none of the groups' options.

    Raises:
        UserMistake: not a mapping.
    """
    for name in GROUPS:
        if not isinstance(config.get(name, {}), Mapping):
            raise UserMistake(f"{name} = {config[name]!r}: expected one of its options (see smoothlab --help)")


def make_afterwards(config: Mapping[str, Any], task: Task, allowed: tuple[str, ...]) -> Afterwards:
    """Calibrator and decision of a config, not fitted yet.

    Args:
        config: the resolved config.
        task: with its smoother bound to the data.
        allowed: prefixes that targets may begin with.

    Raises:
        UserMistake: one of them is refused, or does not fit the task.
    """
    calibrator = _calibrator(config.get("calibrator") or {}, task, allowed)
    return Afterwards(calibrator, _decision(config.get("decision") or {}, task, allowed))


def _calibrator(node: Mapping[str, Any], task: Task, allowed: tuple[str, ...]) -> Calibrator | None:
    if not node:
        return None
    kind = KINDS[task.kind]
    if not kind.calibrates:
        raise UserMistake(f"calibrator: there is none for {kind.name}; take calibrator=none (docs/calibration.md)")
    chosen = resolve_target(node.get("_target_", ""), allowed, key="calibrator._target_")
    if chosen not in CALIBRATORS.values():
        known = ", ".join(CALIBRATORS)
        raise UserMistake(f"calibrator._target_ = {node['_target_']!r}: expected one of smoothlab.calibration: {known}")
    classes, several = len(task.class_names), kind.several
    if several and chosen in (Unsmooth, LogitNormalisation):
        raise UserMistake(f"calibrator: {chosen.__name__} is for one label a sample; take calibrator=temperature")
    if chosen is Beta and classes != 2 and not several:
        raise UserMistake(f"calibrator: Beta is for two classes, the data have {classes}; take calibrator=dirichlet")
    if chosen is LogitNormalisation and classes < 3:
        raise UserMistake("calibrator: LogitNormalisation needs three classes; of two take calibrator=temperature")
    if chosen is Unsmooth and node.get("epsilon") is None:
        node = {**node, **_mixture(task.smoother, classes, node.get("prior"))}
    made: Calibrator = build(node, "calibrator", allowed=allowed)
    if isinstance(made, Unsmooth) and made.prior.numel() and len(made.prior) != classes:
        raise UserMistake(f"calibrator.prior: is of {len(made.prior)} classes, the data have {classes}")
    return EachAnswer(made) if several else made


def _mixture(smoother: Any, classes: int, prior: Any) -> dict[str, Any]:
    """Strength and prior of a smoother that makes one target a class.

    Raises:
        UserMistake: its targets differ from step to step or from sample to sample.
    """
    strength, by = getattr(smoother, "strength", None), getattr(smoother, "prior", None)
    why = f"smoothing has {type(strength).__name__} strength with {type(by).__name__} prior, not one target a class"
    expected = "expected a constant strength, or calibrator.epsilon by hand"
    if type(smoother) is not Smoother or not isinstance(strength, Constant):
        raise UserMistake(f"calibrator.epsilon = None: {why}; {expected}")
    if strength.epsilon == 0:
        return {"epsilon": 0.0, "prior": None}
    if prior is not None:
        return {"epsilon": strength.epsilon}
    if not getattr(by, "by_label", False):
        raise UserMistake(f"calibrator.epsilon = None: {why}; {expected}")
    if isinstance(by, Uniform) and not smoother.excluded.classes:
        return {"epsilon": strength.epsilon, "prior": None}
    logits = torch.zeros(classes, classes, dtype=torch.float64)
    targets = smoother(torch.arange(classes), logits=logits).dense(classes, dtype=torch.float64)
    rows = (targets - (1 - strength.epsilon) * torch.eye(classes, dtype=torch.float64)) / strength.epsilon
    rows = rows.clamp(min=0) / rows.clamp(min=0).sum(1, keepdim=True)
    same = torch.allclose(rows, rows[:1].expand_as(rows), atol=1e-9)
    return {"epsilon": strength.epsilon, "prior": (rows[0] if same else rows).tolist()}


def _decision(node: Mapping[str, Any], task: Task, allowed: tuple[str, ...]) -> Decision | None:
    if not node:
        return None
    if not KINDS[task.kind].decides:
        raise UserMistake(f"decision: is for one label a sample, the task is {task.kind}; take decision=none")
    known = getattr(task, "costs", None)
    if node.get("costs") is None and known is not None:
        node = {**node, "costs": [list(map(float, row)) for row in known]}
    made = build(node, "decision", allowed=allowed, class_names=task.class_names)
    if not isinstance(made, Decision):
        raise UserMistake(
            f"decision._target_ = {node.get('_target_')!r}: expected decision=threshold or decision=costs"
        )
    return made
