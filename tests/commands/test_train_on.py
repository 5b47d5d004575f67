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
