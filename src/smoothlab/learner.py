"""State that a strategy learns while a model trains: kept in checkpoints, summed over ranks, untouched elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from smoothlab.errors import InvalidArgument
from smoothlab.step import Step


class Learner(nn.Module):
    """A strength, prior, loss or penalty that learns from training steps, from validation, or from both.

    Three dictionaries of tensors are all its state, and all that a checkpoint has of it:

    - ``kept``: what it has learned; the same on every rank; changes only in ``learn_from_training`` and
      ``learn_from_validation``, so that no step depends on how an epoch is cut into batches.
    - ``seen``: sums (numerators and counts) over this rank's training steps since the epoch began.
    - ``validated``: sums over this rank's validation batches.

    They are no buffers, since DDP overwrites the buffers of every rank with those of rank 0 in each forward pass.
    A subclass fills ``kept`` and names the sums in ``__init__`` or ``bind`` (zeros of their final shape, so that a rank
    without samples can take part in the sum), and overrides what it needs of the methods below.

    In a loop of your own: the smoother calls ``observe`` in each forward pass while it is in training mode. Call
    ``end_epoch`` at each epoch's end, and, for those that learn from validation, ``validate`` for each validation batch
    and then ``end_validation``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, Tensor] = {}
        self.seen: dict[str, Tensor] = {}
        self.validated: dict[str, Tensor] = {}

    # What a subclass overrides ----------------------------------------------------------------------------------------

    def observe(self, step: Step) -> None:
        """Add a training step to ``seen``; called before its target is made, without gradients."""

    def validate(self, logits: Tensor, labels: Tensor) -> None:
        """Add a validation batch to ``validated``: logits ``(N, K)``, labels ``(N,)`` or vote distributions."""

    def learn_from_training(self) -> None:
        """Change ``kept`` by ``seen``, which is summed over all ranks; called at an epoch's end."""

    def learn_from_validation(self) -> None:
        """Change ``kept`` by ``validated``, which is summed over all ranks; called at a validation's end."""

    def keep_in(self, folder: Path) -> None:
        """Put what is too large for a checkpoint below this folder, which is deleted when the run is finished."""

    def record(self) -> dict[str, float]:
        """Numbers to log with each epoch, by a name without a slash; looked at once an epoch."""
        return {}

    # What a training loop calls ---------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Sum ``seen`` and ``validated`` over all ranks; each rank must call it."""
        sum_over_ranks([*_in_order(self.seen), *_in_order(self.validated)])

    def end_epoch(self) -> None:
        """Learn from the epoch's training steps, and forget them."""
        with torch.inference_mode(False), torch.no_grad():
            self._leave_inference()
            sum_over_ranks(_in_order(self.seen))
            self.learn_from_training()
            _forget(self.seen)

    def end_validation(self) -> None:
        """Learn from the validation, and forget it."""
        with torch.inference_mode(False), torch.no_grad():
            self._leave_inference()
            sum_over_ranks(_in_order(self.validated))
            self.learn_from_validation()
            _forget(self.validated)

    def _leave_inference(self) -> None:
        """Make usable in training what was made in a validation without gradients: autograd refuses such tensors."""
        for state in (self.kept, self.seen, self.validated):
            for key, value in state.items():
                if value.is_inference():
                    state[key] = value.clone()

    # State ------------------------------------------------------------------------------------------------------------

    def get_extra_state(self) -> dict[str, dict[str, Tensor]]:
        """What ``state_dict`` takes from here: tensors only, so that checkpoints load with ``weights_only=True``."""
        return {name: dict(getattr(self, name)) for name in ("kept", "seen", "validated")}

    def set_extra_state(self, state: Any) -> None:
        """Take the state of a checkpoint, to where the present one is.

        Raises:
            InvalidArgument: it is that of another strategy, or of another number of classes.
        """
        for name in ("kept", "seen", "validated"):
            mine, theirs = getattr(self, name), state[name]
            for key in mine.keys() & theirs.keys():
                if mine[key].shape != theirs[key].shape:
                    expected = f"shape {tuple(mine[key].shape)}"
                    raise InvalidArgument(f"state {name}.{key}", tuple(theirs[key].shape), expected)
            if mine and mine.keys() != theirs.keys():
                raise InvalidArgument(f"state {name}", sorted(theirs), f"{sorted(mine)}")
            device = next((tensor.device for tensor in mine.values()), torch.device("cpu"))
            setattr(self, name, {key: _moved(value, device).clone() for key, value in theirs.items()})

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Learner:
        """Follow the module to its device, but stay in the precision of the sums."""
        super()._apply(fn, recurse)
        for state in (self.kept, self.seen, self.validated):
            for key, value in state.items():
                state[key] = _moved(value, fn(torch.empty(0, device=value.device)).device)
        return self


def learners_in(*modules: Any) -> list[Learner]:
    """The learners among these objects and in them, each once."""
    learners: dict[int, Learner] = {}
    for module in modules:
        for part in module.modules() if isinstance(module, nn.Module) else ():
            if isinstance(part, Learner):
                learners[id(part)] = part
    return list(learners.values())


def widest(device: torch.device) -> torch.dtype:
    """What sums of many samples are kept in: float64, or float32 on Apple's GPUs, which have no wider type."""
    return torch.float32 if device.type == "mps" else torch.float64


def _moved(value: Tensor, device: torch.device) -> Tensor:
    return value.to(device, widest(device) if value.dtype is torch.float64 else value.dtype)


def sum_over_ranks(tensors: Iterable[Tensor]) -> None:
    """Sum each tensor over all processes of the training, in place; nothing to do for one process."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return
    if torch.distributed.get_world_size() > 1:
        for tensor in tensors:
            torch.distributed.all_reduce(tensor)


def _in_order(state: dict[str, Tensor]) -> list[Tensor]:
    return [state[key] for key in sorted(state)]


def _forget(state: dict[str, Tensor]) -> None:
    for tensor in state.values():
        tensor.zero_()
