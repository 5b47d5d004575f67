"""Steps without detours: the same weights as Lightning's own, and every hook that anybody has."""

from __future__ import annotations

import pytest
import torch
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.profilers import SimpleProfiler
from pytorch_lightning.strategies import SingleDeviceStrategy

from smoothlab.config.allowed import ALLOWED
from smoothlab.config.compose import compose_config, plain
from smoothlab.tasks import ClassificationTask
from smoothlab.tracking.console import quiet_lightning
from smoothlab.training.devices import make_trainer
from smoothlab.training.direct import DirectSteps, NoProfiler
from smoothlab.training.preparing import prepare

BASE = ("logger=none", "callbacks=none", "trainer.max_epochs=2", "trainer=cpu", "data.batch_size=64")

NOTHING = {"logger": False, "enable_checkpointing": False}  # is written
SEVERAL_CALLS = {"_target_": "torch.optim.LBFGS", "_partial_": True, "max_iter": 2}  # of the closure in a step


class Listener(Callback):
    """Notes the hooks around the backward pass."""

    def __init__(self):
        self.heard = []

    def on_before_backward(self, trainer, pl_module, loss):
        self.heard.append("before backward")

    def on_after_backward(self, trainer, pl_module):
        self.heard.append("after backward")

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        assert any(parameter.grad is not None for parameter in pl_module.parameters())
        self.heard.append("before step")


def trained(words=(), *, direct, optimizer=None, task=None, callbacks=(), **more):
    """The weights after two epochs with one of the strategies."""
    config = plain(compose_config("train", [*BASE, *words]))
    if optimizer is not None:
        config["optimizer"] = optimizer
    prepared = prepare(config)
    if task is not None:
        prepared.task.__class__ = task
    with quiet_lightning():
        trainer = make_trainer(prepared.config, prepared.allowed, callbacks=list(callbacks), **NOTHING, **more)
        if not direct:
            settings = {"max_epochs": 2, "accelerator": "cpu", "devices": 1, "logger": False, "callbacks": [*callbacks]}
            settings |= {key: prepared.config["trainer"][key] for key in ("precision", "accumulate_grad_batches")}
            settings["gradient_clip_val"] = prepared.config["trainer"]["gradient_clip_val"]
            settings |= {"num_sanity_val_steps": 0, "enable_progress_bar": False, "enable_model_summary": False}
            trainer = Trainer(**settings | NOTHING)
        trainer.fit(prepared.task, datamodule=prepared.data)
    assert type(trainer.strategy) is (DirectSteps if direct else SingleDeviceStrategy)
    return dict(prepared.task.net.named_parameters())


def assert_equal(first, second):
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("trainer.gradient_clip_val=0.01", "smoothing=online"),
        ("trainer.accumulate_grad_batches=2",),
        ("trainer.precision=64-true",),
        ("trainer.precision=bf16-mixed",),
        ("optimizer=sgd", "scheduler=cosine"),
    ],
    ids=lambda words: " ".join(words) or "default",
)
def test_the_weights_are_those_of_lightnings_steps(words):
    assert_equal(trained(words, direct=True), trained(words, direct=False))


def test_an_optimizer_that_calls_its_closure_again_gets_it():
    first, second = (trained(direct=direct, optimizer=SEVERAL_CALLS) for direct in (True, False))
    assert_equal(first, second)


def test_callbacks_hear_what_happens_around_the_backward_pass():
    first, second = Listener(), Listener()
    assert_equal(trained(direct=True, callbacks=[first]), trained(direct=False, callbacks=[second]))
    assert first.heard == second.heard
    assert set(first.heard) == {"before backward", "after backward", "before step"}


class Own(ClassificationTask):
    """A task with hooks of its own."""

    def on_after_backward(self):
        for parameter in self.parameters():
            parameter.grad.mul_(0.5)

    def transfer_batch_to_device(self, batch, device, dataloader_idx):
        batch = super().transfer_batch_to_device(batch, device, dataloader_idx)
        batch.features[:, 0] = 0.0
        return batch

    def on_before_optimizer_step(self, optimizer):
        super().on_before_optimizer_step(optimizer)
        next(self.parameters()).grad.zero_()


def test_hooks_of_a_task_of_ones_own_are_called():
    own = trained(direct=True, task=Own)
    assert_equal(own, trained(direct=False, task=Own))
    plain_weights = trained(direct=True)
    assert not all(torch.equal(own[name], plain_weights[name]) for name in own)


def test_a_profiler_of_the_config_stays():
    config = plain(compose_config("train", [*BASE]))
    with quiet_lightning():
        assert isinstance(make_trainer(config, ALLOWED, logger=False).profiler, NoProfiler)
        simple = make_trainer(config, ALLOWED, logger=False, profiler=SimpleProfiler())
        assert isinstance(simple.profiler, SimpleProfiler)
