"""Checkpoints are written whole, hold no code, and say clearly why they cannot be read."""

import os
import random

import numpy as np
import pytest
import torch

from smoothlab.errors import UserMistake
from smoothlab.models.checkpoint import (
    KEY,
    AtomicCheckpointIO,
    random_state,
    read_checkpoint,
    set_random_state,
)


def content(**ours) -> dict:
    parts = {name: {} for name in ("net", "data", "task", "smoothing", "optimizer")}
    encoder = {"kind": "table", "columns": [], "mean": [], "deviation": []}
    whole = {"format": 1, "config": parts, "class_names": [], "encoder": encoder, **ours}
    return {"state_dict": {"w": torch.arange(3.0)}, "global_step": 5, KEY: whole}


def test_what_was_saved_is_read(tmp_path):
    AtomicCheckpointIO().save_checkpoint(content(class_names=["a"]), tmp_path / "deep" / "x.ckpt")
    read = read_checkpoint(tmp_path / "deep" / "x.ckpt")
    assert torch.equal(read["state_dict"]["w"], torch.arange(3.0))
    assert read[KEY]["class_names"] == ["a"]


def test_plain_values_are_read_as_they_were_given(tmp_path):
    not_json = [{"pair": (1, 2)}, {"by_number": {1: "a"}}, {"weights": torch.ones(2)}, {"odd": [float("nan")]}]
    whole = {"kind": "x", "numbers": [0.1, 1e-320, 2**70, -0.0, None, True], "words": "é \u2028", "empty": {}}
    for encoder in (whole, *({"kind": "x", **own} for own in not_json)):
        AtomicCheckpointIO().save_checkpoint(content(encoder=encoder), tmp_path / "x.ckpt")
        read = read_checkpoint(tmp_path / "x.ckpt")[KEY]["encoder"]
        assert str(read) == str(encoder)
        assert list(read) == list(encoder)


def test_checkpoints_of_the_first_format_are_read(tmp_path):
    state = random_state()
    expected = random.random()
    version, words, gauss = state["python"]
    old = content(random={**state, "python": [version, words.tolist(), gauss]})
    torch.save(old, tmp_path / "x.ckpt")
    read = read_checkpoint(tmp_path / "x.ckpt")[KEY]
    assert read["encoder"] == old[KEY]["encoder"]
    set_random_state(read["random"])
    assert random.random() == expected


def test_a_damaged_text_is_said(tmp_path):
    torch.save(content(encoder='{"kind": '), tmp_path / "x.ckpt")
    with pytest.raises(UserMistake, match="is not what smoothlab writes"):
        read_checkpoint(tmp_path / "x.ckpt")


def test_a_save_that_breaks_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x.ckpt"
    AtomicCheckpointIO().save_checkpoint(content(), path)
    before = path.read_bytes()

    def broken(value, target):
        target.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", broken)
    with pytest.raises(UserMistake, match=r"cannot be written .*the checkpoint before it is whole"):
        AtomicCheckpointIO().save_checkpoint(content(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


class Evil:
    def __reduce__(self):
        return (print, ("code ran",))


def test_a_checkpoint_that_holds_code_is_refused_and_the_code_does_not_run(tmp_path, capsys):
    path = tmp_path / "evil.ckpt"
    torch.save(content(payload=Evil()), path)
    with pytest.raises(UserMistake, match="refused, it holds Python objects"):
        read_checkpoint(path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "no such checkpoint"),
        (lambda path: path.write_bytes(b"not a checkpoint at all"), "not a readable checkpoint"),
        (lambda path: path.write_bytes(b""), "not a readable checkpoint"),
        (lambda path: torch.save({"state_dict": {}}, path), "not one of smoothlab"),
        (lambda path: torch.save([1, 2], path), "not one of smoothlab"),
        (lambda path: torch.save({"state_dict": {}, KEY: {"format": 99}}, path), "checkpoint format 99"),
    ],
)
def test_other_files_are_named_in_one_line(tmp_path, write, message):
    path = tmp_path / "x.ckpt"
    write(path)
    with pytest.raises(UserMistake, match=message) as mistake:
        read_checkpoint(path)
    assert "\n" not in str(mistake.value)


def test_a_damaged_checkpoint_is_named(tmp_path):
    path = tmp_path / "x.ckpt"
    AtomicCheckpointIO().save_checkpoint(content(), path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserMistake, match="not a readable checkpoint"):
        read_checkpoint(path)


def test_a_flipped_bit_is_found_or_changes_nothing(tmp_path):
    path = tmp_path / "x.ckpt"
    AtomicCheckpointIO().save_checkpoint(content(class_names=["a", "b"]), path)
    whole, draw = path.read_bytes(), random.Random(0)
    expected = read_checkpoint(path)
    mutated = 0
    for _ in range(300):
        flipped = bytearray(whole)
        flipped[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        path.write_bytes(flipped)
        try:
            read = read_checkpoint(path)
        except UserMistake:
            mutated += 1
        else:  # padding between the parts, or a date that nobody reads
            assert torch.equal(read.pop("state_dict")["w"], expected["state_dict"]["w"])
            assert read == {key: value for key, value in expected.items() if key != "state_dict"}
    assert mutated > 100


def test_equal_content_gives_equal_bytes(tmp_path, monkeypatch):
    for folder, process in (("a", 17), ("b", 123456)):
        monkeypatch.setattr(os, "getpid", lambda process=process: process)
        AtomicCheckpointIO().save_checkpoint(content(), tmp_path / folder / "x.ckpt")
    assert (tmp_path / "a" / "x.ckpt").read_bytes() == (tmp_path / "b" / "x.ckpt").read_bytes()


def test_random_generators_go_on_where_they_were(tmp_path):
    def draw():
        return random.random(), float(np.random.random()), float(torch.rand(1))  # noqa: NPY002

    draw()
    AtomicCheckpointIO().save_checkpoint(content(random=random_state()), tmp_path / "x.ckpt")
    expected = draw()
    draw()
    set_random_state(read_checkpoint(tmp_path / "x.ckpt")[KEY]["random"])
    assert draw() == expected
