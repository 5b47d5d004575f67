"""Every scheduler of torch, by its own arguments, gives the learning rates of a bare loop, resumed or not."""

from __future__ import annotations

import contextlib
import inspect
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from torch.optim import lr_scheduler, swa_utils

from smoothlab.config.compose import compose_config, plain
from smoothlab.errors import UserMistake
from smoothlab.models.checkpoint import AtomicCheckpointIO, RunState
from smoothlab.tracking.console import quiet_lightning
from smoothlab.training.preparing import Prepared, prepare

EPOCHS, BATCHES = 3, 4
RATE, MOMENTUM = 0.1, 0.9
OPTIMIZER = {"_target_": "torch.optim.SGD", "_partial_": True, "lr": RATE, "momentum": MOMENTUM}
OF_TORCH = "torch.optim.lr_scheduler."

# Arguments of each; with "interval" where it steps with the optimizer.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "LambdaLR": {"lr_lambda": {"_target_": "decay_for_test.halve", "_partial_": True}},
    "MultiplicativeLR": {"lr_lambda": {"_target_": "decay_for_test.shrink", "_partial_": True}},
    "StepLR": {"step_size": 2},
    "MultiStepLR": {"milestones": [1, 2], "gamma": 0.5},
    "ConstantLR": {"factor": 0.5, "total_iters": 2},
    "LinearLR": {"start_factor": 0.25, "total_iters": 2},
    "ExponentialLR": {"gamma": 0.7},
    "SequentialLR": {
        "schedulers": [
            {"_target_": OF_TORCH + "LinearLR", "start_factor": 0.1, "total_iters": 3},
            {"_target_": OF_TORCH + "CosineAnnealingLR", "T_max": 9},
        ],
        "milestones": [3],
        "interval": "step",
    },
    "PolynomialLR": {"total_iters": 3, "power": 2.0},
    "CosineAnnealingLR": {"T_max": 3, "eta_min": 0.01},
    "ReduceLROnPlateau": {"patience": 0, "factor": 0.5, "threshold": 0.5, "monitor": "val/nll"},
    "CyclicLR": {"base_lr": 0.01, "max_lr": 0.2, "step_size_up": 3, "interval": "step"},
    "CosineAnnealingWarmRestarts": {"T_0": 5, "T_mult": 2, "interval": "step"},
    "OneCycleLR": {"max_lr": 0.3},
    "SWALR": {"swa_lr": 0.02, "anneal_epochs": 2},
}


def schedulers() -> dict[str, type]:
    """The schedulers of torch that take an optimizer first, by name."""
    rates = {}
    for module in (lr_scheduler, swa_utils):
        for name, kind in vars(module).items():
            if not (inspect.isclass(kind) and issubclass(kind, lr_scheduler.LRScheduler)) or name.startswith("_"):
                continue
            if next(iter(inspect.signature(kind).parameters)) == "optimizer" and kind is not lr_scheduler.LRScheduler:
                rates[name] = kind
    return rates


def test_each_scheduler_of_torch_has_arguments_here():
    assert set(ARGUMENTS) == set(schedulers())


@pytest.fixture(autouse=True)
def own_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "def halve(epoch):\n    return 0.5**epoch\n\n\ndef shrink(epoch):\n    return 0.9\n"
    Path("decay_for_test.py").write_text(text)


def prepared_with(scheduler: dict[str, Any] | None, *words: str) -> Prepared:
    config = plain(
        compose_config(
            "train",
            [
                *("logger=none", "callbacks=none", "code=decay_for_test.py", "data.batch_size=128"),
                *(f"trainer.max_epochs={EPOCHS}", "net=linear"),
                *words,
            ],
        )
    )
    config["data"]["batch_size"] = 100  # 364 rows: four batches
    config["optimizer"] = OPTIMIZER
    if scheduler is not None:
        config["scheduler"] = scheduler
    return prepare(config)


class Recorder(Callback):
    """Keep the learning rate and momentum of each step, and the metric of each epoch; end where asked."""

    def __init__(self, stop_before: int | None = None) -> None:
        self.steps: list[tuple[float, float]] = []
        self.nll: list[float] = []
        self.stop_before = stop_before

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == self.stop_before:
            raise RuntimeError("cut off")

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        group = trainer.optimizers[0].param_groups[0]
        self.steps.append((group["lr"], group["momentum"]))

    def on_validation_end(self, trainer, pl_module):
        self.nll.append(pl_module._validation.metrics["val/nll"])


def train(prepared: Prepared, stop_before: int | None = None, resume: str | None = None) -> Recorder:
    recorder = Recorder(stop_before)
    last = ModelCheckpoint("checkpoints", filename="last", save_on_train_epoch_end=True, enable_version_counter=False)
    trainer = Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        plugins=[AtomicCheckpointIO()],
        callbacks=[RunState(prepared.config, prepared.identity), recorder, last],
    )
    ending = contextlib.nullcontext() if stop_before is None else pytest.raises(RuntimeError, match="cut off")
    with quiet_lightning(), ending:
        trainer.fit(prepared.task, datamodule=prepared.data, ckpt_path=resume)
    return recorder


def made(node: dict[str, Any], optimizer: torch.optim.Optimizer) -> Any:
    """The scheduler as Python makes it."""
    functions = {"halve": lambda epoch: 0.5**epoch, "shrink": lambda epoch: 0.9}

    def value_of(value: Any) -> Any:
        if isinstance(value, list):
            return [value_of(item) for item in value]
        if isinstance(value, dict):
            name = value["_target_"].rpartition(".")[2]
            return functions[name] if name in functions else made(value, optimizer)
        return value

    name = node["_target_"].rpartition(".")[2]
    arguments = {key: value_of(value) for key, value in node.items() if key not in ("_target_", "interval", "monitor")}
    return (schedulers() | {"ChainedScheduler": lr_scheduler.ChainedScheduler})[name](optimizer=optimizer, **arguments)


def bare_loop(node: dict[str, Any], by_step: bool, metrics: list[float]) -> list[tuple[float, float]]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE, momentum=MOMENTUM)
    scheduler = made(node, optimizer)
    seen = []
    for epoch in range(EPOCHS):
        for _ in range(BATCHES):
            seen.append((optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]))
            optimizer.step()
            if by_step:
                scheduler.step()
        if "monitor" in node:
            scheduler.step(metrics[epoch])
        elif not by_step:
            scheduler.step()
    return seen


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_the_learning_rates_are_those_of_a_bare_loop_and_stay_so_after_a_resume(name):
    module = "torch.optim.swa_utils." if name == "SWALR" else OF_TORCH
    node = {"_target_": module + name, **ARGUMENTS[name]}
    by_step = node.get("interval") == "step" or name == "OneCycleLR"
    whole = train(prepared_with(node))
    assert len(whole.steps) == EPOCHS * BATCHES
    arguments = node | ({"total_steps": EPOCHS * BATCHES} if name == "OneCycleLR" else {})
    expected = bare_loop(arguments, by_step, whole.nll)
    assert whole.steps == expected
    assert len(set(expected)) > 1  # it changes the learning rate at all
    begun = train(prepared_with(node), stop_before=2)
    resumed = train(prepared_with(node), resume="checkpoints/last.ckpt")
    assert begun.steps + resumed.steps == expected


def test_chained_schedulers_and_one_cycle_by_epochs():
    chained = {
        "_target_": OF_TORCH + "ChainedScheduler",
        "schedulers": [
            {"_target_": OF_TORCH + "ConstantLR", "factor": 0.1, "total_iters": 2},
            {"_target_": OF_TORCH + "ExponentialLR", "gamma": 0.9},
        ],
    }
    assert train(prepared_with(chained)).steps == bare_loop(chained, False, [])
    one_cycle = {"_target_": OF_TORCH + "OneCycleLR", "max_lr": 0.3, "interval": "epoch"}
    options = {**one_cycle, "total_steps": EPOCHS}
    assert train(prepared_with(one_cycle)).steps == bare_loop(options, False, [])


@pytest.mark.parametrize("option", ["step", "cosine_restarts", "one_cycle", "plateau", "cosine", "inverse_sqrt"])
def test_each_option_of_the_group_trains(option):
    recorder = train(prepared_with(None, f"scheduler={option}"))
    assert len(recorder.steps) == EPOCHS * BATCHES


def test_a_plateau_waits_for_an_epoch_with_a_validation():
    node = {"_target_": OF_TORCH + "ReduceLROnPlateau", **ARGUMENTS["ReduceLROnPlateau"]}
    prepared = prepared_with(node, "trainer.check_val_every_n_epoch=2")
    trainer = Trainer(
        max_epochs=EPOCHS,
        check_val_every_n_epoch=2,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    trainer.fit(prepared.task, datamodule=prepared.data)
    assert prepared.task.lr_schedulers().last_epoch == 1  # one look, at the end of the second epoch


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"_target_": "StepLR"}, "scheduler._target_ = 'StepLR'"),
        ({"gamma": 0.1}, "scheduler._target_: missing"),
        ({"_target_": OF_TORCH + "LRScheduler"}, "scheduler: LRScheduler"),
        ({"_target_": "torch.optim.SGD"}, "expected a learning-rate scheduler"),
        ({"_target_": OF_TORCH + "StepLR"}, "step_size"),
        ({"_target_": OF_TORCH + "StepLR", "step_size": "a"}, "scheduler.step_size = 'a': expected an integer"),
        ({"_target_": OF_TORCH + "StepLR", "step_size": 2, "intervall": "step"}, "no argument 'intervall'"),
        ({"_target_": OF_TORCH + "StepLR", "step_size": 2, "interval": "batch"}, "scheduler.interval = 'batch'"),
        ({"_target_": OF_TORCH + "StepLR", "step_size": 2, "frequency": 0}, "scheduler.frequency = 0"),
        ({"_target_": OF_TORCH + "StepLR", "step_size": 2, "monitor": "val/nll"}, "StepLR watches no metric"),
        ({"_target_": OF_TORCH + "ReduceLROnPlateau"}, "scheduler.monitor = None: expected the metric that"),
        ({"_target_": OF_TORCH + "ReduceLROnPlateau", "monitor": "val/nlll"}, "nearest: val/nll"),
        ({"_target_": OF_TORCH + "ReduceLROnPlateau", "monitor": "val/accuracy"}, "the best is the max"),
        ({"_target_": OF_TORCH + "ReduceLROnPlateau", "monitor": "val/nll", "interval": "step"}, "epoch"),
        ({"_target_": OF_TORCH + "OneCycleLR", "max_lr": 0.1, "total_steps": 5}, "scheduler.total_steps = 5"),
        ({"_target_": OF_TORCH + "CosineAnnealingWarmRestarts", "T_0": 0}, "scheduler: CosineAnnealingWarmRestarts"),
        ({"_target_": OF_TORCH + "StepLR", "step_size": 2, "last_epoch": 5}, "initial_lr"),
        ({"_target_": OF_TORCH + "StepLR", "step_size": 0}, "scheduler: StepLR: "),
        ({"_target_": OF_TORCH + "StepLR", "step_size": -1}, "scheduler.step_size = -1: expected no negative number"),
        ({"_target_": OF_TORCH + "StepLR", "step_size": 1, "gamma": math.inf}, "the learning rate is inf after step"),
        ({"_target_": OF_TORCH + "CosineAnnealingLR", "T_max": 0}, "scheduler: CosineAnnealingLR: "),
        ({"_target_": OF_TORCH + "MultiStepLR", "milestones": ["a", "b"]}, "expected a list of numbers"),
        (
            {"_target_": OF_TORCH + "MultiStepLR", "milestones": [-1]},
            "scheduler.milestones = [-1]: expected no",
        ),
        (
            {
                "_target_": OF_TORCH + "SequentialLR",
                "schedulers": [
                    {"_target_": OF_TORCH + "ConstantLR"},
                    {"_target_": OF_TORCH + "StepLR", "step_size": 0},
                ],
                "milestones": [50],
            },
            "scheduler: StepLR: ",
        ),
    ],
)
def test_a_mistake_is_one_line_before_training(node, message):
    with pytest.raises(UserMistake) as caught:
        prepared_with(node)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("interval", "frequency"), [("step", 2), ("step", 3), ("step", 5), ("epoch", 2)])
def test_a_frequency_counts_through_the_whole_run(interval, frequency):
    node = {"_target_": OF_TORCH + "ExponentialLR", "gamma": 0.5, "interval": interval, "frequency": frequency}
    size = 1 if interval == "step" else BATCHES
    rates = [rate for rate, _ in train(prepared_with(node)).steps]
    assert rates == [RATE * 0.5 ** (step // (size * frequency)) for step in range(EPOCHS * BATCHES)]


def test_a_cycle_after_a_warm_up_has_the_steps_that_are_left():
    cycle = {"_target_": OF_TORCH + "OneCycleLR", "max_lr": 0.4}
    warm_up = {"_target_": OF_TORCH + "LinearLR", "total_iters": 3}
    node = {"_target_": OF_TORCH + "SequentialLR", "milestones": [3], "interval": "step"}
    options = node | {"schedulers": [warm_up, cycle | {"total_steps": EPOCHS * BATCHES - 3}]}
    assert train(prepared_with(node | {"schedulers": [warm_up, cycle]})).steps == bare_loop(options, True, [])


def test_only_a_scheduler_of_the_whole_run_needs_its_end():
    node = {"_target_": OF_TORCH + "StepLR", "step_size": 2}
    prepared_with(node, "trainer.max_epochs=-1", "callbacks=default")
    nested = {"_target_": OF_TORCH + "SequentialLR", "schedulers": [node, {"_target_": "smoothlab.tasks.cosine"}]}
    with pytest.raises(UserMistake, match="a schedule needs an end"):
        prepared_with(nested | {"milestones": [2]}, "trainer.max_epochs=-1")
