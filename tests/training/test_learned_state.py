"""What strategies learn is a part of the run: whole in checkpoints, untouched elsewhere, however the run is cut.

Every option under conf/ whose class is a Learner is tried, several of them in one training.
"""

from __future__ import annotations

import inspect
import itertools
import math
from contextlib import suppress
from pathlib import Path

import pytest
import torch
import yaml
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from ranks import on_ranks
from torch.testing import assert_close

from smoothlab.config.allowed import ALLOWED, resolve_target
from smoothlab.config.compose import compose_config, plain
from smoothlab.data.batch import Batch
from smoothlab.errors import UserMistake
from smoothlab.learner import Learner, sum_over_ranks
from smoothlab.models.checkpoint import AtomicCheckpointIO, RunState, load_weights, read_checkpoint
from smoothlab.tracking.console import quiet_lightning
from smoothlab.training.preparing import prepare

CONF = Path(__file__).resolve().parents[2] / "conf"
# What an option has to be told, or what makes it learn something in a short and easy training.
TOLD: dict[str, list[str]] = {
    "penalty/cals": ["penalty.cals.margin=0.2", "penalty.cals.rho_every=2"],
    "penalty/cals_hr": ["penalty.cals_hr.margin=0.1"],
}
BASE = ("logger=none", "callbacks=none", "progress=none", "data.batch_size=64", "net.hidden=[8]", "optimizer.lr=0.01")
EPOCHS = 4


def learns(node):
    """Whether a class that the node or one below it names is a Learner."""
    if not isinstance(node, dict):
        return False
    made = None
    if "_target_" in node:
        with suppress(UserMistake):  # tests of the options themselves find a target that is not there
            made = resolve_target(node["_target_"], ALLOWED)
    return (inspect.isclass(made) and issubclass(made, Learner)) or any(learns(part) for part in node.values())


OPTIONS = {
    group: [path.stem for path in sorted((CONF / group).glob("*.yaml")) if learns(yaml.safe_load(path.read_text()))]
    for group in ("loss", "penalty", "smoothing/strength", "smoothing/prior")
}
# As many trainings as the longest list has options; all penalties in each.
TOGETHER = [
    {group: names[number % len(names)] for group, names in OPTIONS.items() if group != "penalty"}
    for number in range(max(len(names) for group, names in OPTIONS.items() if group != "penalty"))
]


def test_there_are_options_that_learn():
    assert "ada_focal" in OPTIONS["loss"]
    assert {"cals", "cals_hr"} <= set(OPTIONS["penalty"])
    assert all(OPTIONS.values())


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def overrides_of(together):
    chosen = [f"penalty=[{','.join(OPTIONS['penalty'])}]", *(f"{group}={name}" for group, name in together.items())]
    names = [f"penalty/{name}" for name in OPTIONS["penalty"]] + [f"{g}/{name}" for g, name in together.items()]
    return chosen + [override for name in names for override in TOLD.get(name, [])]


@pytest.fixture(params=TOGETHER, ids=lambda chosen: " ".join(chosen.values()))
def options(request):
    """Overrides that choose some of the options."""
    return overrides_of(request.param)


def prepared(options, *overrides):
    return prepare(plain(compose_config("train", [*options, *BASE, *overrides])))


def fit(run, *callbacks, epochs=EPOCHS, folder=None, resume=None, **others):
    """Train, with checkpoints in ``folder`` after each epoch, as a run does."""
    checkpoints = [RunState(run.config, run.identity)]
    if folder:
        last = ModelCheckpoint(folder, filename="last", save_on_train_epoch_end=True, enable_version_counter=False)
        checkpoints.append(last)
    settings = {"num_sanity_val_steps": 0, "accelerator": "cpu", "precision": run.config["trainer"]["precision"]}
    with quiet_lightning():
        trainer = Trainer(
            **settings | others,
            max_epochs=epochs,
            callbacks=[*callbacks, *checkpoints],
            plugins=[AtomicCheckpointIO()],
            logger=False,
            enable_checkpointing=bool(folder),
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(run.task, datamodule=run.data, ckpt_path=resume)
    return trainer


def learners(task):
    return [learner for learners_of_part in task.learners.values() for learner in learners_of_part]


def state(task, *parts):
    """A copy of what the learners have: ``kept``, ``seen``, ``validated``, or those of them that are asked for."""
    return [
        {
            f"{part}.{key}": value.clone()
            for part in parts or ("kept", "seen", "validated")
            for key, value in of(learner, part)
        }
        for learner in learners(task)
    ]


def of(learner, part):
    return getattr(learner, part).items()


def assert_same(first, second, **tolerance):
    assert len(first) == len(second) > 0
    for mine, theirs in zip(first, second, strict=True):
        assert_close(mine, theirs, equal_nan=True, **tolerance or {"rtol": 0, "atol": 0})


class Cut(Callback):
    """As if the process were killed in the middle of an epoch."""

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.current_epoch == EPOCHS - 2 and batch_idx == 2:
            raise SystemExit


def test_cut_off_in_an_epoch_and_resumed_it_learns_what_it_would_have_learned(options):
    whole, cut, resumed = (prepared(options) for _ in range(3))
    before = state(whole.task, "kept")
    fit(whole, folder="whole")
    with pytest.raises(SystemExit):
        fit(cut, Cut(), folder="cut")
    checkpoint = read_checkpoint(Path("cut/last.ckpt"))  # with weights_only=True
    assert checkpoint["epoch"] == EPOCHS - 3
    fit(resumed, folder="cut", resume="cut/last.ckpt")
    assert_same(state(resumed.task), state(whole.task))
    for name, weight in whole.task.net.state_dict().items():
        assert torch.equal(weight, resumed.task.net.state_dict()[name]), name
    for learner, start, end in zip(learners(whole.task), before, state(whole.task, "kept"), strict=True):
        assert any(not torch.equal(start[key], value) for key, value in end.items()), type(learner)  # it did learn


def test_a_checkpoint_gives_a_fresh_task_its_state_without_error(options):
    run, fresh = prepared(options), prepared(options)
    fit(run, epochs=2, folder="run")
    content = torch.load("run/last.ckpt", weights_only=True)
    load_weights(fresh.task, content["state_dict"])  # as evaluate does
    assert_same(state(fresh.task), state(run.task))


class Watch(Callback):
    """Find out who touches the state while a training goes on."""

    def on_train_epoch_start(self, trainer, pl_module):
        self.kept = state(pl_module, "kept")

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        # no step depends on how the epoch is cut into batches
        assert_same(state(pl_module, "kept"), self.kept)

    def on_validation_start(self, trainer, pl_module):
        self.seen = state(pl_module, "seen", "kept")

    def on_validation_end(self, trainer, pl_module):
        for learner, before in zip(learners(pl_module), self.seen, strict=True):
            untouched = ["seen"] + ["kept"] * (type(learner).learn_from_validation is Learner.learn_from_validation)
            for part in untouched:
                for key, value in of(learner, part):
                    assert_close(value, before[f"{part}.{key}"], rtol=0, atol=0)
            assert not any(value.any() for value in learner.validated.values())  # learned, and forgotten


def test_steps_change_no_state_and_validation_only_what_learns_from_it(options):
    run = prepared(options)
    fit(run, Watch(), epochs=2)
    for learner in learners(run.task):  # the epoch is over
        assert not any(value.any() for value in learner.seen.values())


def test_sanity_check_validate_test_and_predict_leave_no_trace(options):
    plain_run, checked = prepared(options), prepared(options)
    fit(plain_run, epochs=2)
    trainer = fit(checked, epochs=2, num_sanity_val_steps=2)
    assert_same(state(checked.task), state(plain_run.task))
    before = state(checked.task)
    with quiet_lightning():
        trainer.validate(checked.task, datamodule=checked.data, verbose=False)
        trainer.test(checked.task, datamodule=checked.data, verbose=False)
        trainer.predict(checked.task, dataloaders=checked.data.loader("test"))
    assert_same(state(checked.task), before)


def test_two_batches_of_32_teach_what_one_of_64_teaches(options):
    double = "trainer.precision=64-true"
    whole, halves = prepared(options, double), prepared(options, double, "data.batch_size=32")
    fit(whole)
    fit(halves, accumulate_grad_batches=2)
    assert_same(state(halves.task), state(whole.task), rtol=1e-6, atol=1e-9)
    for name, weight in whole.task.net.state_dict().items():
        assert_close(halves.task.net.state_dict()[name], weight, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("precision", ["64-true", "bf16-mixed"])
def test_it_learns_in_other_precisions_and_its_sums_stay_wide(options, precision):
    run = prepared(options, f"trainer.precision={precision}")
    fit(run, epochs=2, folder="run")
    for learner in learners(run.task):
        for part in ("kept", "seen", "validated"):
            for key, value in of(learner, part):
                assert value.dtype not in (torch.float16, torch.bfloat16), (part, key)
                assert not value.is_inference(), (part, key)
                assert value.isfinite().all(), (part, key)
    resumed = prepared(options, f"trainer.precision={precision}")
    fit(resumed, resume="run/last.ckpt", epochs=3, folder="run")
    assert all(math.isfinite(value) for learner in learners(resumed.task) for value in learner.record().values())


def whole(loader):
    """With all samples on each rank: the shares here are uneven, and none of the loader's."""
    assert loader.order.ranks > loader.order.rank >= 0
    loader.order.rank, loader.order.ranks = 0, 1
    return loader


def learned_on(rank, options, shares):
    """What a rank has learned that sees its share of each training and validation batch; plain numbers."""
    run = prepared(options, "trainer.precision=64-true")
    task = run.task.double().train()
    optimizer = torch.optim.SGD(task.net.parameters(), lr=0.05)

    def part(batch):
        low, high = (round(end * len(batch)) for end in shares[rank])
        return Batch(batch.features.double(), batch.labels, batch.rows).take(slice(low, high))

    for epoch in range(2):
        loader = whole(run.data.train_dataloader())
        loader.set_epoch(epoch)
        for batch in loader:
            _, loss, penalties = task.terms(part(batch))
            optimizer.zero_grad()
            (sum(penalties.values(), loss) / len(batch)).backward()
            sum_over_ranks([weight.grad for weight in task.net.parameters()])
            optimizer.step()
        with torch.no_grad():
            for batch in whole(run.data.val_dataloader()):
                for learner in learners(task):
                    learner.validate(task.net(part(batch).features), part(batch).labels)
        for learner in learners(task):
            learner.end_validation()
            learner.end_epoch()
    return [{key: value.tolist() for key, value in state_of_part.items()} for state_of_part in state(task)]


def all_learned_on(rank, shares):
    return [learned_on(rank, overrides_of(together), shares) for together in TOGETHER]


def test_two_ranks_with_a_share_of_each_batch_learn_what_one_process_learns():
    alone = all_learned_on(0, [(0, 1)])
    for everything in on_ranks(all_learned_on, [(0, 0.3), (0.3, 1)]):
        pairs = zip(itertools.chain(*everything), itertools.chain(*alone), strict=True)
        for mine, theirs in pairs:
            assert mine.keys() == theirs.keys()
            for key, value in theirs.items():
                assert_close(torch.tensor(mine[key]), torch.tensor(value), rtol=1e-6, atol=1e-8, equal_nan=True)
