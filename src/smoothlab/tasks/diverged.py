"""Why a training has left the finite numbers: what is seen, and the settings in reach of it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from smoothlab.errors import TrainingDiverged
from smoothlab.kinds import KINDS
from smoothlab.learner import learners_in
from smoothlab.soft_labels import SoftLabels
from smoothlab.step import Step

ROWS = 32  # of the logits of ordinary size that the parts are tried on
HUGE = 1e12  # a gradient of a row's loss, of which a float32 optimizer cannot square a sum
TINY_SETTING, HUGE_SETTING = 1e-9, 1e9  # beyond these a setting is named though nothing else speaks against it
RATES = ("lr", "initial_lr", "max_lr")  # of a group of parameters, now and where its schedule begins or peaks
DEPTH = 3  # of parts within parts
NO_PARTS = ("builtins", "torch", "numpy", "pandas")  # packages whose objects have no settings of the config


def diverged(task: Any, step: int, seen: str = "") -> TrainingDiverged:
    """The error that says what is seen and what is likely behind it.

    Args:
        task: in training.
        step: the first optimizer step that is known to be bad, counted from 0.
        seen: what was no number there; empty: what the record of the losses says.
    """
    if seen and task.trainer.world_size == 1 and (earlier := task.train_loss.read()) is not None:
        step, seen = earlier, ""  # of several ranks all have to read
    return TrainingDiverged(step, likely_cause(task, first=step == 0), seen or task.train_loss.seen)


def likely_cause(task: Any, *, first: bool = False) -> str:
    """Why loss, penalties or logits may have stopped being numbers, in one line.

    The parts are tried on logits of ordinary size, since by now those of the net say nothing: one step with a loss that
    is no number makes every weight no number.

    Args:
        task: in training.
        first: whether it happened before the optimizer's first step, where no setting of the optimizer is in reach.
    """
    parts = {"smoothing": task.smoother, "loss": task.loss, **{f"penalty.{k}": p for k, p in task.penalties.items()}}
    causes = {key: what for key, what in bad_parts(task) if parts[key] is not None}
    if causes:
        return "; ".join(_of_part(key, what, parts[key]) for key, what in causes.items())
    half, decay = str(task.trainer.precision).startswith("16"), None if first else _decay(task.trainer.optimizers)
    reach = [f"{key}={value:g}" for key, value in _extremes({**parts, "mixing": task.mixing, "net": task.net})]
    if half:
        reach.append(f"trainer.precision={task.trainer.precision}")
    if not first:
        reach += [_rate(task), *_of_optimizers(task.trainer.optimizers)]
    finite = all(bool(weights.isfinite().all()) for weights in task.net.parameters())
    seen = _seen(task.net, finite=finite, first=first)
    return f"{seen}; {_main_cause(task, reach, finite=finite, first=first, decay=decay)}"


def _seen(net: nn.Module, *, finite: bool, first: bool) -> str:
    if first:
        return "it was so before the optimizer's first step, which rules the optimizer out"
    if not finite:
        return "the weights are no longer finite"
    largest = max((float(weights.detach().abs().max()) for weights in net.parameters() if weights.numel()), default=0.0)
    return f"the weights are finite, up to {largest:.3g}"


def _main_cause(task: Any, reach: list[str], *, finite: bool, first: bool, decay: str | None) -> str:
    extreme = next((key for key in reach if not key.startswith(("optimizer.", "trainer."))), None)
    if decay is not None:
        main = decay
    elif extreme is not None:
        main = f"{extreme} is far from usual values"
    elif str(task.trainer.precision).startswith("16"):
        main = "16-bit floats overflow beyond 65504; try trainer.precision=bf16-mixed or 32-true"
    elif first:
        main = "so the net gives no numbers, or a loss, penalty or smoothing of these logits does"
        main += "; debug=anomaly finds the operation"
    elif not finite:
        main = f"the learning rate {_rate(task)} is probably too high (try a tenth of it, or "
        main += "trainer.gradient_clip_val=1)"
    else:
        main = "so the logits overflowed or the net divides by zero; debug=anomaly finds the operation"
    others = [key for key in reach if key not in main]
    return main + (f" (in reach too: {', '.join(others)})" if others else "")


def bad_parts(task: Any) -> Iterator[tuple[str, str]]:
    """The parts of a task that do not bear logits of ordinary size: the part's config key, and what comes of it.

    Nothing is drawn from the process's generators, and nothing learns. What learns is not tried, since what it has
    learned may be no number either, nor what wants to know more of a batch than its labels and logits.

    Args:
        task: its smoother, loss and penalties.
    """
    training = task.training
    task.eval()
    try:
        with contextlib.suppress(Exception), torch.enable_grad():
            yield from _tried(task)
    finally:
        task.train(training)


def _tried(task: Any) -> Iterator[tuple[str, str]]:
    generator = torch.Generator().manual_seed(0)
    classes = len(task.class_names)
    logits = torch.randn(ROWS, classes, generator=generator).to(task.device).requires_grad_()
    labels, target = KINDS[task.kind].example(logits)
    step = Step(labels, logits.detach(), task.progress)
    if not _learns(task.smoother):
        with torch.no_grad():
            target = task.smoother.target(step)
        dense = target.values if isinstance(target, SoftLabels) else target.dense(classes)
        if not bool(dense.isfinite().all()):
            yield "smoothing", "makes targets that are no numbers"
            return
    loss, penalties = task.losses(logits, target, step)
    totals = {} if _learns(task.loss) else {"loss": loss}
    totals |= {f"penalty.{name}": penalty for name, penalty in penalties.items() if not _learns(task.penalties[name])}
    for key, total in totals.items():
        if not bool(total.isfinite()):
            yield key, f"is {float(total.detach())} for logits of ordinary size"
        elif total.requires_grad:
            gradient = torch.autograd.grad(total, logits, retain_graph=True, allow_unused=True)[0]
            size = 0.0 if gradient is None else float(gradient.detach().abs().max())
            if not size < HUGE:
                yield key, f"has a gradient of {size:.3g} for logits of ordinary size"


def _learns(part: Any) -> bool:
    """Whether a part has taken something up from the training, which may be no number by now."""
    return bool(learners_in(part)) or (isinstance(part, nn.Module) and any(True for _ in part.parameters()))


def _of_part(key: str, what: str, part: Any) -> str:
    values = sorted(numbers_of(part, key), key=lambda pair: -_oddness(pair[1]))
    named = f"; its settings: {', '.join(f'{name}={value:g}' for name, value in values[:4])}" if values else ""
    return f"{key} ({type(part).__name__}) {what}{named}"


def numbers_of(part: Any, key: str, depth: int = DEPTH) -> Iterator[tuple[str, float]]:
    """The settings of a part that are numbers with a point, and those of parts within it, by their config keys.

    Args:
        part: a smoother, loss or penalty.
        key: where it stands in the config.
        depth: how many parts within parts are looked at.
    """
    inside: Mapping[str, Any] = {**getattr(part, "__dict__", {}), **(getattr(part, "_modules", None) or {})}
    for name, value in inside.items():
        if name.startswith("_") or isinstance(value, bool | Tensor):
            continue
        if isinstance(value, float):
            yield f"{key}.{name}", value
        elif depth > 1 and hasattr(value, "__dict__") and type(value).__module__.split(".")[0] not in NO_PARTS:
            yield from numbers_of(value, f"{key}.{name}", depth - 1)


def _oddness(value: float) -> float:
    return abs(math.log10(abs(value))) if value and math.isfinite(value) else 0.0


def _extremes(parts: Mapping[str, Any]) -> list[tuple[str, float]]:
    values = [pair for key, part in parts.items() for pair in numbers_of(part, key)]
    odd = [pair for pair in values if pair[1] and not TINY_SETTING < abs(pair[1]) < HUGE_SETTING]
    return [(key, value) for key, value in odd if not key.endswith("eps")]  # that of a layer norm is meant to be tiny


def _groups(optimizers: list[Optimizer]) -> Iterator[tuple[float, float]]:
    """Learning rate, the highest that is known, and weight decay of each group of parameters."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            rates = [float(group[name]) for name in RATES if group.get(name) is not None]
            yield max(rates, default=0.0), float(group.get("weight_decay") or 0.0)


def _rates(optimizers: list[Optimizer]) -> list[float]:
    return [rate for rate, _ in _groups(optimizers)]


def _decay(optimizers: list[Optimizer]) -> str | None:
    """Whether the weight decay alone makes the weights grow: a step multiplies them by 1 - lr * weight_decay."""
    rate, decay = max(_groups(optimizers), key=lambda group: group[0] * group[1], default=(0.0, 0.0))
    if rate * decay <= 2 or decay <= 1:
        return None
    return (
        f"the weight decay optimizer.weight_decay={decay:g} is too high: with optimizer.lr={rate:g} it multiplies the "
        f"weights by {1 - rate * decay:.3g} at each step"
    )


def _of_optimizers(optimizers: list[Optimizer]) -> list[str]:
    _, decay = max(_groups(optimizers), default=(0.0, 0.0))
    return [f"optimizer.weight_decay={decay:g}"] if decay else []


def _rate(task: Any) -> str:
    """The highest learning rate, by the setting that it comes from: the optimizer's, or the scheduler's arguments."""
    rate = max(_rates(task.trainer.optimizers), default=math.nan)
    groups = [group for optimizer in task.trainer.optimizers for group in optimizer.param_groups]
    begun = max((group.get("initial_lr", rate) for group in groups), default=rate)
    schedule = getattr(task, "schedule", None)
    if schedule is None or not rate > begun:
        return f"optimizer.lr={rate:g}"
    numbers = {name: value for name, value in schedule.arguments.items() if isinstance(value, int | float)}
    settings = ", ".join(f"scheduler.{name}={value:g}" for name, value in numbers.items())
    return f"{rate:g} of {getattr(schedule.function, '__name__', 'the scheduler')} ({settings})"
