"""Images from the command line: a folder or an .npz becomes a run, is resumed, evaluated, and used on new images."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from drawn_images import LEAVES, LESIONS, arrays, write_folders
from run_directories import only_run

from smoothlab.models.checkpoint import read_checkpoint

SMALL = ("data=images", "net=convnet", "net.widths=[8,8]", "logger=csv", "data.batch_size=8", "trainer.max_epochs=3")
AUGMENTED = ("data/augment=any_side_up", "scheduler=cosine", "optimizer.lr=0.01")


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    monkeypatch.setattr("smoothlab.scoring.outcome.save_figure", lambda *_: None)


@pytest.fixture
def leaves(tmp_path) -> Path:
    return write_folders(tmp_path / "leaves", LEAVES, 15)


def test_train_evaluate_and_predict_agree(cli, leaves):
    code, _, err = cli("train", *SMALL, "data.path=leaves", *AUGMENTED)
    assert code == 0, err
    run = only_run()
    assert cli("evaluate", f"run={run}", "output=again.json")[0] == 0
    metrics = json.loads((run / "results.json").read_text())["metrics"]
    assert json.loads(Path("again.json").read_text())["metrics"] == metrics
    code, _, err = cli("predict", f"run={run}", "input=leaves", "output=out.csv", "batch_size=7")
    assert code == 0, err
    assert "45 rows written" in err
    out = pd.read_csv("out.csv").set_index("file")
    files = sorted(str(path.relative_to(leaves)) for path in leaves.rglob("*.png"))
    assert out.index.tolist() == files
    test = pd.read_parquet(run / "predictions" / "test.parquet")
    named = out.loc[[files[row] for row in test["row"]]]
    assert named["prediction"].tolist() == test["prediction"].tolist()
    assert named["prob_yellow"].to_numpy() == pytest.approx(test["prob_yellow"].to_numpy(), abs=1e-5)


@pytest.mark.parametrize("keep", ["memory", "files"])
def test_an_augmented_training_that_is_resumed_ends_with_the_same_weights(cli, leaves, keep):
    words = (*SMALL, "data.path=leaves", *AUGMENTED, f"data.keep={keep}", "data.workers=0", "trainer.max_epochs=2")
    assert cli("train", *words, "output_root=whole")[0] == 0
    stopped = _killed_after_first_epoch(cli, words)
    code, _, err = cli("train", *words, f"resume={stopped}", "output_root=killed")
    assert code == 0, err
    whole, resumed = (
        read_checkpoint(run / "checkpoints" / "last.ckpt")["state_dict"] for run in (only_run("whole"), stopped)
    )
    names = [name for name in whole if name.startswith("net.")]
    assert names
    assert all(torch.equal(whole[name], resumed[name]) for name in names)


def _killed_after_first_epoch(cli, words) -> Path:
    from smoothlab.tracking.console import EpochProgress

    ended = EpochProgress.on_train_epoch_end

    def stop(self, trainer, pl_module):
        ended(self, trainer, pl_module)
        if trainer.current_epoch == 1:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EpochProgress, "on_train_epoch_end", stop)
        assert cli("train", *words, "output_root=killed")[0] == 130
    return only_run("killed")


def test_validation_sees_images_as_they_are(cli, leaves, monkeypatch):
    from smoothlab.data.images import Augmentation

    seen = []
    monkeypatch.setattr(Augmentation, "__call__", lambda self, images: seen.append(len(images)) or images)
    assert cli("train", *SMALL, "data.path=leaves", *AUGMENTED, "trainer.max_epochs=2")[0] == 0
    assert sum(seen) == 2 * 28  # the training images of two epochs, nothing else


def test_double_precision_and_folders_in_folders_with_a_tree_prior(cli, tmp_path):
    drawings = {"apple/healthy": LEAVES["healthy"], "apple/scab": LEAVES["spotted"], "pear/rust": LEAVES["yellow"]}
    write_folders(tmp_path / "nested", drawings, 10)
    options = ("data.path=nested", "smoothing/prior=tree", "trainer.precision=64-true", "trainer.max_epochs=1")
    code, _, err = cli("train", *SMALL, *options)
    assert code == 0, err
    run = only_run()
    assert "hierarchical_distance" in json.loads((run / "results.json").read_text())["metrics"]["test"]
    weights = read_checkpoint(run / "checkpoints" / "last.ckpt")["state_dict"]
    assert weights["net.head.weight"].dtype is torch.float64
    assert cli("predict", f"run={run}", "input=nested", "output=out.parquet")[0] == 0
    assert pd.read_parquet("out.parquet")["file"].iloc[0] == "apple/healthy/000.png"


@pytest.mark.parametrize(
    ("name", "drawings"), [("medical/images", LESIONS), ("agriculture/leaves", LEAVES), ("medical/images", LEAVES)]
)
def test_presets_train_on_npz_and_folders(cli, tmp_path, name, drawings):
    images, labels = arrays(drawings, 12)
    np.savez(tmp_path / "set.npz", images=images, labels=labels)
    code, _, err = cli("train", f"experiment={name}", "data.path=set.npz", "data.size=16", "debug=quick")
    assert code == 0, err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data.path=nowhere"], "data.path = 'nowhere': no such file or folder"),
        ([], "data.path: nothing is given"),
        (
            ["data.path=leaves", "data.size=4", "net.widths=[8,8,8]"],
            "net.widths = [8, 8, 8]: expected at most 2 blocks",
        ),
        (["data.path=leaves", "data.size=big"], "data.size = 'big': expected"),
        (
            ["data.path=leaves", "data/augment=mirrored", "data.augment.horizontal_flip=2"],
            "data.augment.horizontal_flip = 2",
        ),
        (["data.path=leaves", "data.fold=9"], "data.fold = 9: expected an integer in [0, 4]"),
        (["data.path=leaves", "net=mlp"], "net: fails on features of shape (2, 3, 16, 16)"),
        (["data.path=leaves", "data.channels=cmyk"], "data.channels = 'cmyk': expected auto or grey or rgb"),
    ],
)
def test_mistakes_end_in_one_line_and_no_directory(cli, leaves, words, message):
    given = [
        word
        for word in SMALL
        if not (word.startswith("net") and any(given_word.startswith("net=") for given_word in words))
    ]
    code, out, err = cli("train", *given, *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"smoothlab: {message}"), err
    assert err.count("\n") == 1
    assert not Path("outputs").exists()


def test_a_damaged_image_ends_in_one_line_with_its_path(cli, leaves):
    (leaves / "yellow" / "003.png").write_bytes((leaves / "yellow" / "003.png").read_bytes()[:90])
    code, _, err = cli("train", *SMALL, "data.path=leaves")
    assert code == 2
    assert err.startswith("smoothlab: leaves/yellow/003.png: cannot be read as an image")
    assert err.count("\n") == 1


def test_predict_on_what_holds_no_images_ends_in_one_line(cli, leaves, tmp_path):
    assert cli("train", *SMALL, "data.path=leaves", "trainer.max_epochs=1")[0] == 0
    (tmp_path / "empty").mkdir()
    for source, message in (("empty", "empty: no image in it"), ("gone", "input = 'gone': no such file or folder")):
        code, _, err = cli("predict", f"run={only_run()}", f"input={source}", "output=out.csv")
        assert code == 2
        assert err.startswith(f"smoothlab: {message}")
        assert err.count("\n") == 1
