"""Each argument of Lightning's Trainer works, is refused before anything is made, or is smoothlab's to set."""

import inspect
import shutil
from pathlib import Path

import pytest
from pytorch_lightning import Trainer

import smoothlab
from smoothlab.config.trainer_arguments import CANNOT_WORK, SET_BY_SMOOTHLAB, WORKS
from smoothlab.errors import UserMistake

RUN = ("logger=csv", "progress=none", "figures=false", "trainer.max_epochs=2", "data.batch_size=128", "net=linear")
LIGHTNING = "+callbacks.more._target_=pytorch_lightning.callbacks."
# What a user may write of each, and it works.
WORKING = {
    "accelerator": "trainer.accelerator=cpu",
    "strategy": "+trainer.strategy=auto",
    "devices": "trainer.devices=1",
    "num_nodes": "+trainer.num_nodes=1",
    "precision": "trainer.precision=bf16-mixed",
    "sync_batchnorm": "+trainer.sync_batchnorm=false",
    "max_epochs": "trainer.max_epochs=1",
    "min_epochs": "+trainer.min_epochs=2",
    "max_steps": "+trainer.max_steps=4",
    "min_steps": "+trainer.min_steps=2",
    "max_time": "+trainer.max_time=00:01:00:00",
    "limit_train_batches": "trainer.limit_train_batches=2",
    "limit_val_batches": "trainer.limit_val_batches=1",
    "reload_dataloaders_every_n_epochs": "+trainer.reload_dataloaders_every_n_epochs=1",
    "val_check_interval": "trainer.val_check_interval=0.5",
    "check_val_every_n_epoch": "trainer.check_val_every_n_epoch=2",
    "num_sanity_val_steps": "trainer.num_sanity_val_steps=2",
    "log_every_n_steps": f"+trainer.log_every_n_steps=1 {LIGHTNING}LearningRateMonitor",
    "enable_progress_bar": "trainer.enable_progress_bar=true",
    "enable_model_summary": "trainer.enable_model_summary=true",
    "profiler": "+trainer.profiler=simple",
    "detect_anomaly": "trainer.detect_anomaly=true",
    "accumulate_grad_batches": "trainer.accumulate_grad_batches=2",
    "gradient_clip_val": "trainer.gradient_clip_val=0.5",
    "gradient_clip_algorithm": "trainer.gradient_clip_val=0.5 +trainer.gradient_clip_algorithm=value",
    "deterministic": "trainer.deterministic=true",
    "benchmark": "+trainer.benchmark=true",
    "inference_mode": "+trainer.inference_mode=false",
}
REFUSED = {
    "trainer.val_check_interval=1000": "`val_check_interval` (1000) must be less than or equal to",
    "trainer.val_check_interval=1.5": "val_check_interval",
    "trainer.val_check_interval=00:00:00:01": "expected a share of an epoch (0.25) or a number of batches",
    "+trainer.enable_checkpointing=false": "trainer.enable_checkpointing: smoothlab sets it",
    "+trainer.barebones=true": "trainer.barebones: it leaves no checkpoint",
    f"{LIGHTNING}RichProgressBar": "`enable_progress_bar=False` but found `RichProgressBar`",
    f"{LIGHTNING}TQDMProgressBar": "`enable_progress_bar=False` but found `TQDMProgressBar`",
    f"{LIGHTNING}LearningRateFinder": "callbacks.more = LearningRateFinder: it changes the learning rate",
    f"{LIGHTNING}BatchSizeFinder": "callbacks.more = BatchSizeFinder: it changes the batch size",
    f"{LIGHTNING}StochasticWeightAveraging +callbacks.more.swa_lrs=0.1": "callbacks.more = StochasticWeightAveraging",
    f"{LIGHTNING}LearningRateMonitor logger=none": "Cannot use `LearningRateMonitor` callback with",
    f"{LIGHTNING}DeviceStatsMonitor logger=none": "Cannot use `DeviceStatsMonitor` callback with `Trainer",
    "+trainer.max_steps=1": "trainer.max_steps = 1: training ends before its first validation, after 3 steps",
    "+trainer.max_steps=0": "trainer.max_steps = 0: expected at least 1",
    "+trainer.max_steps=-7": "max_steps",
    "trainer.check_val_every_n_epoch=null trainer.val_check_interval=50": "training ends before its first validation",
    "trainer.check_val_every_n_epoch=null": "val_check_interval",
    "trainer.gradient_clip_val=-1": "trainer.gradient_clip_val = -1: expected a number above 0",
    "trainer.gradient_clip_val=nan": "trainer.gradient_clip_val = nan: expected a number above 0",
    "+trainer.gradient_clip_algorithm=norm": "without trainer.gradient_clip_val it clips nothing",
    "trainer.gradient_clip_val=1 +trainer.gradient_clip_algorithm=foo": "foo is invalid",
    "trainer.precision=16-mixed": "trainer.precision = '16-mixed': a CPU does not mix in 16-bit floats",
    "trainer.precision=16": "trainer.precision = 16: a CPU does not mix in 16-bit floats",
    "+trainer.sync_batchnorm=true": "trainer.sync_batchnorm = true: batch statistics are summed over GPUs alone",
    "+trainer.profiler=foo": "trainer.profiler = 'foo': expected one of simple, advanced, pytorch",
    "+trainer.profiler=xla": "trainer.profiler = 'xla': expected one of simple, advanced, pytorch",
    "+trainer.overfit_batches=2": "trainer.overfit_batches: its validation would be of training rows",
    "+trainer.limit_test_batches=1": "trainer.limit_test_batches: test is scored whole",
    "+trainer.limit_predict_batches=0.5": "trainer.limit_predict_batches: it would score parts",
    "trainer.accumulate_grad_batches=0": "trainer.accumulate_grad_batches = 0: expected an integer of at least 1",
    "trainer.accumulate_grad_batches=2 "
    f"{LIGHTNING}GradientAccumulationScheduler +callbacks.more.scheduling={{0:2}}": "accumulate_grad_batches",
    "hydra.sweep.subdir=abc": "hydra.sweep.subdir: a run's folder is named by what it changes",
    "hydra.launcher.n_jobs=2": "hydra.launcher.n_jobs: is for a sweep; add -m",
}


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def refusal(*words: str) -> str:
    with pytest.raises(UserMistake) as caught:
        smoothlab.train([*RUN, *words])
    assert not list(Path().iterdir())  # nothing was made
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_every_argument_of_the_trainer_is_in_one_table():
    arguments = set(inspect.signature(Trainer).parameters)
    tables = (set(WORKS), set(CANNOT_WORK), set(SET_BY_SMOOTHLAB))
    assert set.union(*tables) == arguments
    assert sum(map(len, tables)) == len(arguments)
    assert set(WORKING) == set(WORKS)


@pytest.mark.parametrize("name", sorted(WORKING))
def test_what_works_trains(name, capfd):
    run = smoothlab.train([*RUN, *WORKING[name].split()])
    assert run.results["metrics"]["test"]["nll"] > 0
    if name == "profiler":
        assert "run_training_epoch" in (run.path / "fit-profile.txt").read_text()
    if name == "enable_model_summary":
        assert "Trainable params" in "".join(capfd.readouterr())
    shutil.rmtree("outputs")


@pytest.mark.parametrize("name", sorted({*CANNOT_WORK, *SET_BY_SMOOTHLAB}))
def test_what_cannot_work_or_is_ours_is_refused(name):
    value = {"enable_autolog_hparams": "false", "limit_test_batches": "2", "limit_predict_batches": "2"}.get(name, "1")
    assert refusal(f"+trainer.{name}={value}").startswith(f"trainer.{name}: ")


@pytest.mark.parametrize("words", sorted(REFUSED))
def test_what_lightning_refuses_is_found_before_a_directory_is_made(words):
    assert REFUSED[words] in refusal(*words.split())


@pytest.mark.parametrize("mode", ["auto", "offline"])
def test_an_unknown_mode_of_weights_and_biases_is_refused(monkeypatch, mode):
    monkeypatch.setenv("WANDB_MODE", "bogus")
    message = refusal("logger=wandb", f"logger.wandb.mode={mode}")
    assert message.startswith("WANDB_MODE = 'bogus': expected one of online, offline, disabled")


def test_rehearsing_leaves_the_run_as_it_was():
    """A run with a callback of Lightning that is rehearsed ends as one without."""
    plain = smoothlab.train([*RUN, "name=plain"])
    watched = smoothlab.train([*RUN, "name=watched", f"{LIGHTNING}Timer"])
    assert watched.results["metrics"] == plain.results["metrics"]
    assert (watched.path / "metrics.csv").read_bytes() == (plain.path / "metrics.csv").read_bytes()
