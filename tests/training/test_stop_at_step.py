"""A training that a signal stops within an epoch goes on as if it had not been stopped."""

import os
import re
import signal

import pytest
import torch
from drawn_images import LEAVES, write_folders
from run_directories import only_run

import smoothlab
from smoothlab.errors import UserMistake
from smoothlab.tasks.task import Task

RUN = ("logger=csv", "trainer.max_epochs=3", "net.dropout=0.3", "scheduler=cosine", "progress=none", "figures=false")
STREAM = ("data=synthetic_medical", "data.rows=1500", "data.val_rows=300", "data.test_rows=300", "data.stream=true")
KINDS = {
    "standard": (),
    "learns from training": ("smoothing=online",),
    "learns from rows": ("smoothing=online", "smoothing/prior=self_distilled"),
    "learns from validation": ("smoothing=auto",),
    "mixed": ("mixing=mixup",),
    "gathered gradients": ("trainer.accumulate_grad_batches=3",),
    "validated within the epoch": ("trainer.val_check_interval=0.25",),
    "a part of the batches": ("trainer.limit_train_batches=9",),
    "double precision": ("trainer.precision=64-true",),
    "stream": STREAM,
    "stream of workers": (*STREAM, "data.workers=2"),
    "penalty": ("penalty=confidence",),
    "image files": (
        "data=images",
        "data.path=leaves",
        "data.keep=files",
        "data.workers=0",
        "net=convnet",
        "net.widths=[8,8]",
        "data.batch_size=4",
    ),
    "pairs": ("experiment=translation", "data.rows=300"),
}


@pytest.fixture
def send(monkeypatch, tmp_path):
    """Call it with the number of a training batch of the process, and signals that this process gets in it."""
    monkeypatch.chdir(tmp_path)
    step = Task.training_step

    def send_at(at, *signals):
        batches = []

        def training_step(task, batch, batch_idx):
            batches.append(batch_idx)
            if len(batches) == at:
                for number in signals:
                    os.kill(os.getpid(), number)
            return step(task, batch, batch_idx)

        monkeypatch.setattr(Task, "training_step", training_step)

    return send_at


def last(run):
    """Content of a run's last.ckpt."""
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)


def values(content, place="last.ckpt"):
    """Tensors and plain values in a checkpoint by their place; of paths the file's name, since directories differ."""
    if isinstance(content, dict):
        content = {re.sub(r".*/", "", key) if isinstance(key, str) else key: value for key, value in content.items()}
        return {k: v for key, value in content.items() for k, v in values(value, f"{place}.{key}").items()}
    if isinstance(content, list | tuple):
        return {k: v for key, value in enumerate(content) for k, v in values(value, f"{place}[{key}]").items()}
    if isinstance(content, torch.Tensor):
        return {place: (content.dtype, content.tolist())}
    return {place: re.sub(r".*/(?=.)", "", content) if isinstance(content, str) and "\n" not in content else content}


def differing(run, other):
    """Where the last checkpoints of two runs differ, but for the place of the runs."""
    first, second = values(last(run)), values(last(other))
    places = [place for place in sorted({*first, *second}) if repr(first.get(place)) != repr(second.get(place))]
    return [place for place in places if not place.endswith((".dirpath", ".output_root", ".resume"))]


@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_training_goes_on_within_the_epoch_to_the_same_weights_and_rows(kind, send, tmp_path):
    if kind == "image files":
        write_folders(tmp_path / "leaves", LEAVES, 15)
    words = [*RUN, *KINDS[kind]]
    batches = []
    send(0)
    whole = smoothlab.train([*words, "output_root=whole"])
    gathered = 3 if kind == "gathered gradients" else 1
    epoch = whole.results["steps"] * gathered // 3
    for at in (1, epoch + 4):
        root = f"output_root=cut{at}"
        send(at, signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            smoothlab.train([*words, root])
        cut = only_run(f"cut{at}")
        batches.append(last(cut)["global_step"])
        send(0)
        smoothlab.train([*words, root, "resume=auto"])
        assert differing(whole.path, cut) == []
        assert (cut / "metrics.csv").read_bytes() == (whole.path / "metrics.csv").read_bytes()
    assert batches == [1, -(-(epoch + 4) // gathered)]


def test_a_stop_after_the_last_batch_of_an_epoch_waits_for_the_checkpoint_of_the_epoch(send):
    send(0)
    whole = smoothlab.train([*RUN, "output_root=whole"])
    epoch = whole.results["steps"] // 3
    send(epoch, signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        smoothlab.train([*RUN, "output_root=cut"])
    cut = only_run("cut")
    assert last(cut)["global_step"] == epoch
    assert "epoch_so_far" not in last(cut)["smoothlab"]
    send(0)
    smoothlab.train([*RUN, "output_root=cut", "resume=auto"])
    assert differing(whole.path, cut) == []


def test_a_stop_in_the_last_epochs_last_batch_is_obeyed_when_the_training_is_over(send):
    send(0)
    steps = smoothlab.train([*RUN, "output_root=whole"]).results["steps"]
    send(steps, signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        smoothlab.train([*RUN, "output_root=cut"])
    assert last(only_run("cut"))["global_step"] == steps


def test_a_second_ctrl_c_ends_at_once_and_a_second_sigterm_does_not(send):
    send(3, signal.SIGINT, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        smoothlab.train([*RUN, "output_root=twice"])
    assert not (only_run("twice") / "checkpoints" / "last.ckpt").exists()
    send(3, signal.SIGTERM, signal.SIGTERM, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        smoothlab.train([*RUN, "output_root=once"])
    assert last(only_run("once"))["global_step"] == 3


def test_sigterm_epoch_ends_at_once(send):
    send(3, signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        smoothlab.train([*RUN, "output_root=cut", "trainer.sigterm=epoch"])
    assert not (only_run("cut") / "checkpoints" / "last.ckpt").exists()


def test_where_a_stop_is_obeyed_is_no_part_of_a_runs_identity(send):
    send(30, signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        smoothlab.train([*RUN, "output_root=cut"])
    send(0)
    cut = only_run("cut")
    assert smoothlab.train([*RUN, f"resume={cut}", "trainer.sigterm=epoch"]).path == cut.resolve()


def test_another_word_for_it_is_a_mistake():
    with pytest.raises(UserMistake, match=r"trainer.sigterm = 'batch': expected one of step, epoch"):
        smoothlab.train([*RUN, "trainer.sigterm=batch"])
