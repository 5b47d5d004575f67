"""Every logger gets the same numbers, figures and tables through the one sink; rows of persons only where asked for."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from run_directories import SHORT
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from wandb_file import read_run

import smoothlab
from smoothlab.commands import main
from smoothlab.tracking import TensorBoardLogger
from smoothlab.tracking.sink import finish, save_figure, save_table


def events(folder) -> EventAccumulator:
    everything = dict.fromkeys(("scalars", "images", "tensors"), 0)
    return EventAccumulator(str(folder / "tensorboard"), size_guidance=everything).Reload()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run with all loggers, what W&B has of it, and what TensorBoard has."""
    folder = tmp_path_factory.mktemp("many")
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL"):
            patch.delenv(name, raising=False)
        patch.setenv("NETRC", str(folder / "netrc"))
        for name in ("CONFIG", "DATA", "CACHE"):
            patch.setenv(f"WANDB_{name}_DIR", str(folder / name.lower()))
        patch.chdir(folder)
        words = (*SHORT[1:], "logger=many", "smoothing=gradual", "logger.wandb.checkpoints=[best,last]")
        run = smoothlab.train([*words, f"output_root={folder}/outputs"])
        return run, read_run(run.path), events(run.path)


def test_every_epoch_is_in_every_logger_once_with_the_same_numbers(trained):
    run, wandb_run, tensorboard = trained
    epochs = [row for row in wandb_run["history"] if "epoch" in row]
    names = [name for name in run.metrics if name not in ("epoch", "step")]
    assert {"val/nll", "val/ece", "train/kl", "smoothing/epsilon"} <= set(names)
    for name in names:
        column = run.metrics[name]
        there = column.notna()
        assert [row[name] for row in epochs if name in row] == column[there].tolist()
        points = tensorboard.Scalars(name)
        assert [point.step for point in points] == run.metrics["step"][there].tolist()
        np.testing.assert_allclose([point.value for point in points], column[there], rtol=1e-6)  # stored as float32


def test_every_figure_and_table_is_a_file_and_in_every_logger(trained):
    run, wandb_run, tensorboard = trained
    figures = {f"figures/{path.stem}" for path in (run.path / "figures").glob("*.png")}
    assert {"reliability_test", "confusion_test", "soft_targets", "epsilon", "confidence_test"} <= {
        name.removeprefix("figures/") for name in figures
    }
    assert set(tensorboard.Tags()["images"]) == figures
    sent = {"/".join(path.split("/")[2:]).rsplit("_", 2)[0] for path in wandb_run["files"] if path.endswith(".png")}
    assert sent == figures
    tables = {key.split(".")[0] for row in wandb_run["history"] for key in row if key.startswith("tables/")}
    assert tables == {"tables/classes_test"}
    table = pd.read_csv(run.path / "tables" / "classes_test.csv")
    assert list(table["class"]) == ["benign", "malignant"]
    (text,) = tensorboard.Tensors("tables/classes_test/text_summary")
    shown = text.tensor_proto.string_val[0].decode().splitlines()
    assert shown[0].split(" | ")[0] == "| class"
    assert len(shown) == 2 + len(table)


def test_final_and_best_numbers_are_in_every_logger(trained):
    run, wandb_run, tensorboard = trained
    expected = {
        "final/test/nll": run.results["metrics"]["test"]["nll"],
        "best/val/nll": run.metrics["val/nll"].min(),
        "best/val/accuracy": run.metrics["val/accuracy"].max(),
        "best/epoch": run.results["best_epoch"],
    }
    for name, value in expected.items():
        assert wandb_run["summary"][name] == value
        (point,) = tensorboard.Scalars(name)
        assert point.value == pytest.approx(value, rel=1e-6)


def test_checkpoints_that_were_asked_for_are_versions_of_one_artifact(trained):
    run, wandb_run, _ = trained
    models = [artifact for artifact in wandb_run["artifacts"] if artifact.type == "model"]
    assert {model.name for model in models} == {f"medical-{run.results['identity'][:8]}"}
    assert [{*model.aliases} - {"latest"} for model in models] == [{"best"}, {"last"}]
    assert [[file.path for file in model.manifest.contents] for model in models] == [["best.ckpt"], ["last.ckpt"]]
    about = json.loads(models[0].metadata)
    assert about["epoch"] == run.results["best_epoch"]
    assert about["metrics"]["val"]["nll"] == run.results["metrics"]["val"]["nll"]


class Recorder:
    """A logger that takes everything it is given."""

    def __init__(self, **options: bool) -> None:
        self.got: list[str] = []
        vars(self).update(options)

    def log_image(self, key, images):
        self.got.append(key)

    def log_table(self, key, columns, data):
        self.got.append(key)


def test_what_shows_single_samples_goes_to_a_file_and_only_to_loggers_that_ask_for_it(tmp_path):
    plain, asking = Recorder(), Recorder(takes_samples=True)
    loggers = [plain, asking, object()]
    table = pd.DataFrame({"name": ["a person"], "confidence": [0.5]})
    save_table(table, "samples_test", tmp_path, loggers, samples=True)
    save_figure(Figure(), "samples", tmp_path, loggers, samples=True)
    save_table(table, "classes_test", tmp_path, loggers)
    assert plain.got == ["tables/classes_test"]
    assert asking.got == ["tables/samples_test", "figures/samples", "tables/classes_test"]
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "samples_test.csv"), table)


def test_a_resumed_run_hides_the_events_after_its_checkpoint_and_writes_them_again(tmp_path):
    first = TensorBoardLogger(tmp_path)
    for step in (1, 2, 3):
        first.log_metrics({"val/nll": float(step)}, step)
    finish([first], failed=True)
    second = TensorBoardLogger(tmp_path, resume_step=2)
    second.log_metrics({"val/nll": 30.0}, 3)
    finish([second], failed=False)
    assert [(event.step, event.value) for event in events(tmp_path).Scalars("val/nll")] == [
        (1, 1.0),
        (2, 2.0),
        (3, 30.0),
    ]


def test_a_cell_of_a_table_cannot_break_the_table(tmp_path):
    logger = TensorBoardLogger(tmp_path)
    save_table(pd.DataFrame({"a": ["x|y\nz", None], "b": [1.0, float("nan")]}), "odd", tmp_path, [logger])
    finish([logger], failed=False)
    (text,) = events(tmp_path).Tensors("tables/odd/text_summary")
    assert text.tensor_proto.string_val[0].decode().splitlines()[2:] == ["| x\\|y z | 1 |", "|  |  |"]


def test_without_tensorboard_the_extra_is_named_before_any_directory(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("smoothlab.tracking.tensorboard.importlib.util.find_spec", lambda name: None)
    assert main(["train", "logger=tensorboard"]) == 2
    assert capsys.readouterr().err == (
        "smoothlab: logger: tensorboard is not installed; pip install 'smoothlab[tensorboard]'\n"
    )
    assert not (tmp_path / "outputs").exists()
