"""A training that has left the finite numbers says what was seen, where, and which settings are in reach of it."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from pytorch_lightning import Trainer
from torch import nn
from torch.utils.data import DataLoader

from smoothlab import InvalidArgument, Smoother
from smoothlab.data import Batch
from smoothlab.losses import LogitNorm
from smoothlab.losses.penalties import ConfidencePenalty
from smoothlab.smoothing import Constant, Half, MultilabelSmoother, Online, Uniform
from smoothlab.tasks import ClassificationTask, MultilabelTask, TrainingDiverged
from smoothlab.tasks.diverged import bad_parts, numbers_of
from smoothlab.tracking.console import quiet_lightning

SGD, ADAMW = torch.optim.SGD, torch.optim.AdamW
UNIFORM = Smoother(Constant(0.1), Uniform())


class Divided(nn.Module):
    """A net that divides its logits by a number."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.linear = nn.Linear(3, 3)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.linear(features) / self.temperature


class NoNumbers:
    """A strength whose setting makes it no numbers."""

    def __init__(self, temperature: float) -> None:
        self.temperature = temperature

    def __call__(self, step: Any) -> torch.Tensor:
        return torch.full((len(step.labels),), torch.nan)


def batches(labels: torch.Tensor | None = None, scale: float = 1.0, several: bool = False) -> DataLoader[Any]:
    features = scale * torch.randn(12, 3, generator=torch.Generator().manual_seed(0))
    if labels is None:
        labels = (features > 0).float() if several else torch.arange(12) % 3
    made = [Batch(features[part], labels[part], torch.arange(12)[part]) for part in (slice(0, 6), slice(6, 12))]
    return DataLoader(made, batch_size=None, collate_fn=lambda batch: batch)  # type: ignore[arg-type]


def message_of(
    net: nn.Module | None = None, val: DataLoader[Any] | None = None, kind: Any = ClassificationTask, **options: Any
):
    """The error of a training of a few epochs."""
    torch.manual_seed(0)
    options = {"optimizer": partial(SGD, lr=0.1), "smoother": UNIFORM, **options}
    task = kind(nn.Linear(3, 3) if net is None else net, class_names=["a", "b", "c"], **options)
    with quiet_lightning():
        trainer = Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=20,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        with pytest.raises(TrainingDiverged) as caught:
            trainer.fit(task, batches(several=kind is MultilabelTask), val)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("optimizer", [SGD, ADAMW])
@pytest.mark.parametrize("kind", [ClassificationTask, MultilabelTask])
def test_a_weight_decay_that_makes_the_weights_grow_is_named_with_its_factor(optimizer, kind):
    smoother = {"smoother": MultilabelSmoother(Constant(0.1), Half())} if kind is MultilabelTask else {}
    error = message_of(optimizer=partial(optimizer, lr=0.01, weight_decay=1e10), kind=kind, **smoother)
    assert error.step > 0
    assert "the weights are no longer finite" in error.cause
    assert "optimizer.weight_decay=1e+10 is too high: with optimizer.lr=0.01 it multiplies the weights by -1e+08" in (
        error.cause
    )
    assert "learning rate" not in error.cause


def test_a_learning_rate_that_is_too_high_is_named_with_what_else_is_in_reach():
    error = message_of(optimizer=partial(SGD, lr=1e38, weight_decay=1e-4))
    assert error.step > 0
    assert "the learning rate optimizer.lr=1e+38 is probably too high" in error.cause
    assert "in reach too: optimizer.weight_decay=0.0001" in error.cause


def test_a_rate_that_its_schedule_has_lowered_since_is_named_as_it_began():
    schedule = partial(torch.optim.lr_scheduler.LambdaLR, lr_lambda=lambda step: float(step < 20))
    error = message_of(optimizer=partial(SGD, lr=1e38), scheduler=schedule)
    assert "optimizer.lr=1e+38" in error.cause


def test_what_learns_is_not_blamed_for_what_it_was_taught():
    error = message_of(optimizer=partial(SGD, lr=1e38), smoother=Smoother(Constant(0.1), Online("uniform", "uniform")))
    assert "optimizer.lr=1e+38" in error.cause
    assert "smoothing" not in error.cause


def test_a_loss_that_bears_no_ordinary_logits_is_named_with_its_settings():
    error = message_of(loss=LogitNorm(temperature=1e-30))
    assert str(error).startswith("the loss became non-finite at step ")
    assert "loss (LogitNorm)" in error.cause
    assert "loss.temperature=1e-30" in error.cause
    assert "optimizer.lr" not in error.cause


def test_a_penalty_is_named_where_it_alone_is_no_number():
    error = message_of(penalties={"confidence": ConfidencePenalty(1e38), "mild": ConfidencePenalty(0.1)})
    assert str(error).startswith("the penalty confidence became non-finite at step 0: ")
    assert "penalty.confidence.weight=1e+38" in error.cause
    assert "mild" not in error.cause


def test_targets_that_are_no_numbers_name_the_smoothing():
    error = message_of(smoother=Smoother(NoNumbers(1e-30), Uniform()))  # type: ignore[arg-type]
    assert "smoothing (Smoother) makes targets that are no numbers" in error.cause
    assert "smoothing.strength.temperature=1e-30" in error.cause


def test_before_the_first_step_the_optimizer_is_ruled_out():
    error = message_of(net=Divided(0.0), optimizer=partial(SGD, lr=1e18, weight_decay=1e18))
    assert error.step == 0
    assert "before the optimizer's first step" in error.cause
    assert "optimizer." not in error.cause


def test_a_number_of_the_net_that_is_far_from_usual_is_named():
    error = message_of(net=Divided(1e-39))
    assert "net.temperature=1e-39 is far from usual values" in error.cause


def test_floats_of_16_bits_are_named_with_the_learning_rate(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Trainer, "precision", property(lambda self: "16-mixed"))
    error = message_of(optimizer=partial(SGD, lr=1e38))
    assert "16-bit floats overflow beyond 65504" in error.cause
    assert "in reach too: trainer.precision=16-mixed, optimizer.lr=1e+38" in error.cause


def test_logits_of_validation_are_named_where_the_training_was_well():
    error = message_of(val=batches(scale=1e39))
    assert str(error).startswith("the logits of validation became non-finite at step 2: the weights are finite, up to ")
    assert "the learning rate" not in error.cause


def test_a_wrong_label_in_validation_is_no_divergence():
    task = ClassificationTask(nn.Linear(3, 3), UNIFORM, ["a", "b", "c"], optimizer=partial(SGD, lr=0.1))
    with quiet_lightning():
        trainer = Trainer(max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False)
        with pytest.raises(InvalidArgument):
            trainer.fit(task, batches(), batches(torch.full((12,), 7)))


def test_trying_the_parts_draws_nothing_and_changes_nothing():
    task = ClassificationTask(
        nn.Linear(3, 3), UNIFORM, ["a", "b", "c"], optimizer=SGD, penalties={"confidence": ConfidencePenalty(0.1)}
    )
    random = torch.get_rng_state()
    assert not dict(bad_parts(task))
    assert torch.equal(random, torch.get_rng_state())
    assert task.training
    assert dict(numbers_of(task.penalties["confidence"], "penalty.confidence"))["penalty.confidence.weight"] == 0.1
