"""A finished run is trained on, in a directory of its own, to what a longer run would have been."""

from __future__ import annotations

import pytest
import torch

import smoothlab
from smoothlab.errors import UserMistake
from smoothlab.models.checkpoint import read_checkpoint

RUN = ["logger=csv", "figures=false", "progress=none", "net.dropout=0.2", "callbacks=none"]


def tensors(run) -> dict[str, torch.Tensor]:
    content = read_checkpoint(run.directory.last_checkpoint)["state_dict"]
    return {name: value for name, value in content.items() if isinstance(value, torch.Tensor)}


@pytest.fixture(scope="module")
def short(tmp_path_factory) -> smoothlab.Run:
    root = tmp_path_factory.mktemp("short")
    return smoothlab.train([*RUN, "trainer.max_epochs=2", f"output_root={root}"])


def test_two_epochs_and_two_more_are_four(short, tmp_path):
    longer = [*RUN, "trainer.max_epochs=4", f"output_root={tmp_path}"]
    whole = smoothlab.train([*longer, "name=whole"])
    before = {path: path.read_bytes() for path in short.path.rglob("*.*") if path.is_file()}
    grown = smoothlab.train([*longer, f"resume={short.path}"])
    assert grown.path != short.path
    assert {path: path.read_bytes() for path in before} == before
    expected = tensors(whole)
    assert expected.keys() == tensors(grown).keys()
    assert all(torch.equal(value, expected[name]) for name, value in tensors(grown).items())
    assert grown.directory.metrics.read_bytes() == whole.directory.metrics.read_bytes()
    assert grown.results["metrics"] == whole.results["metrics"]
    assert grown.results["identity"] == whole.results["identity"]
    assert grown.results["epochs"] == 4


def test_what_is_no_longer_run_is_refused_before_a_directory_is_made(short, tmp_path):
    root = f"output_root={tmp_path / 'none'}"
    for words, says in (
        (["trainer.max_epochs=2"], "is finished"),
        (["trainer.max_epochs=1"], "is finished"),
        (["trainer.max_epochs=4", "optimizer.lr=0.5"], "is finished"),
    ):
        with pytest.raises(UserMistake, match=says):
            smoothlab.train([*RUN, *words, root, f"resume={short.path}"])
    assert not (tmp_path / "none").exists()


def test_a_scheduler_that_had_ended_is_refused(tmp_path):
    words = [*RUN, "scheduler=cosine", f"output_root={tmp_path}"]
    run = smoothlab.train([*words, "trainer.max_epochs=1"])
    with pytest.raises(UserMistake, match="scheduler"):
        smoothlab.train([*words, "trainer.max_epochs=2", f"resume={run.path}"])


def test_the_moving_average_is_what_is_validated_kept_and_tested(tmp_path):
    words = [*RUN[:-1], "trainer.max_epochs=2", f"output_root={tmp_path}"]
    plain = smoothlab.train(words)
    averaged = smoothlab.train([*words, "callbacks=ema", "callbacks.ema.decay=0.9"])
    assert averaged.results["metrics"]["val"]["nll"] != plain.results["metrics"]["val"]["nll"]
    epoch = averaged.metrics.dropna(subset=["val/nll"])["val/nll"].min()
    assert averaged.results["metrics"]["val"]["nll"] == pytest.approx(epoch, abs=1e-5)
    assert smoothlab.evaluate(averaged)["test"] == pytest.approx(averaged.results["metrics"]["test"], abs=1e-6)


def snapshots(folder):
    """A callback that keeps the weights at the end of each epoch's last step."""
    (folder / "my_snapshots.py").write_text(
        "import torch\n"
        "from pytorch_lightning import Callback\n\n\n"
        "class Snapshots(Callback):\n"
        "    def __init__(self, folder: str) -> None:\n"
        "        self.folder = folder\n\n"
        "    def on_train_batch_end(self, trainer, pl_module, *rest):\n"
        "        if trainer.is_last_batch:\n"
        "            torch.save(pl_module.net.state_dict(), f'{self.folder}/{trainer.current_epoch}.pt')\n"
    )
    node = f"+callbacks.mine={{_target_: my_snapshots.Snapshots, folder: '{folder}'}}"
    return [node, f"code={folder / 'my_snapshots.py'}"]


def test_the_mean_of_the_later_epochs_weights_is_what_is_validated_kept_and_tested(tmp_path):
    words = [*RUN[:-1], "callbacks=swa", "trainer.max_epochs=4", f"output_root={tmp_path}", *snapshots(tmp_path)]
    run = smoothlab.train(words)
    states = [torch.load(tmp_path / f"{epoch}.pt", weights_only=True) for epoch in range(1, 4)]
    last = read_checkpoint(run.directory.last_checkpoint)
    for name, value in states[0].items():
        mean = torch.stack([weights[name] for weights in states]).mean(0)
        torch.testing.assert_close(last["state_dict"][f"net.{name}"], mean)
        assert torch.equal(last["current_model_state"][f"net.{name}"], states[-1][name])
        assert value.shape == mean.shape
    epoch = run.metrics.dropna(subset=["val/nll"])["val/nll"].min()
    assert run.results["metrics"]["val"]["nll"] == pytest.approx(epoch, abs=1e-5)
    assert smoothlab.evaluate(run)["test"] == pytest.approx(run.results["metrics"]["test"], abs=1e-6)


@pytest.mark.parametrize("average", ["swa", "ema"])
def test_a_checkpoint_of_averaged_weights_has_what_the_strategy_has_learned(average, tmp_path):
    words = [*RUN[:-1], f"callbacks={average}", "smoothing=auto", "trainer.max_epochs=3", f"output_root={tmp_path}"]
    content = read_checkpoint(smoothlab.train(words).directory.last_checkpoint)
    learned = {name: value for name, value in content["state_dict"].items() if isinstance(value, dict)}
    assert learned
    assert learned == {name: content["current_model_state"][name] for name in learned}


@pytest.mark.parametrize("start", [0.0, 0.9])
def test_a_training_that_goes_on_keeps_its_mean(start, tmp_path):
    words = [*RUN[:-1], "callbacks=swa", f"callbacks.swa.start={start}", f"output_root={tmp_path}"]
    short = smoothlab.train([*words, "trainer.max_epochs=2"])
    longer = smoothlab.train([*words, "trainer.max_epochs=3", f"resume={short.path}"])
    if start == 0:
        whole = smoothlab.train([*words, "trainer.max_epochs=3"])
        expected = tensors(whole)
        assert all(torch.equal(value, expected[name]) for name, value in tensors(longer).items())
    assert int(read_checkpoint(longer.directory.last_checkpoint)["averaging_state"]["n_averaged"]) == (
        3 if start == 0 else 2
    )
