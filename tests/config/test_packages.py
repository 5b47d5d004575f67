"""A package that a class of Lightning needs is found missing before a run directory is made."""

from __future__ import annotations

from pathlib import Path

import pytest
from lightning_utilities.core.imports import RequirementCache
from pytorch_lightning.callbacks import RichProgressBar
from pytorch_lightning.callbacks.progress import rich_progress

from smoothlab.commands import main
from smoothlab.config.allowed import ALLOWED
from smoothlab.config.packages import check_packages
from smoothlab.errors import UserMistake

MISSING = RequirementCache("no-such-package>=1.2")


@pytest.fixture
def one_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without rich, and without psutil."""
    monkeypatch.setattr(rich_progress, "_RICH_AVAILABLE", MISSING)
    monkeypatch.setattr("pytorch_lightning.callbacks.device_stats_monitor._PSUTIL_AVAILABLE", MISSING)


def node_of(target: str) -> dict[str, dict[str, dict[str, str]]]:
    return {"logger": {"x": {"_target_": f"pytorch_lightning.{target}"}}}


def test_what_is_there_is_not_refused():
    for target in ("callbacks.RichProgressBar", "loggers.TensorBoardLogger", "callbacks.EarlyStopping", "Trainer"):
        check_packages(node_of(target), ALLOWED)


@pytest.mark.usefixtures("one_missing")
def test_what_the_constructor_would_refuse_is_one_line():
    with pytest.raises(ModuleNotFoundError):
        RichProgressBar()
    with pytest.raises(UserMistake) as caught:
        check_packages(node_of("callbacks.RichProgressBar"), ALLOWED)
    assert str(caught.value) == (
        "logger.x._target_ = 'pytorch_lightning.callbacks.RichProgressBar': needs the package 'no-such-package>=1.2', "
        "which is not installed"
    )


def test_one_of_two_packages_is_enough(monkeypatch: pytest.MonkeyPatch):
    place = "lightning_fabric.loggers.tensorboard"
    monkeypatch.setattr(f"{place}._TENSORBOARD_AVAILABLE", MISSING)
    monkeypatch.setattr(f"{place}._TENSORBOARDX_AVAILABLE", RequirementCache("torch"))
    monkeypatch.setattr("pytorch_lightning.loggers.tensorboard._TENSORBOARD_AVAILABLE", RequirementCache("torch"))
    check_packages(node_of("loggers.TensorBoardLogger"), ALLOWED)
    monkeypatch.setattr(f"{place}._TENSORBOARDX_AVAILABLE", RequirementCache("another-that-is-not-there"))
    with pytest.raises(UserMistake, match=r"'no-such-package>=1.2' or 'another-that-is-not-there'"):
        check_packages(node_of("loggers.TensorBoardLogger"), ALLOWED)


@pytest.mark.parametrize("name", ["MLFlowLogger", "CometLogger"])
def test_a_run_is_not_begun_without_the_package_of_its_logger(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    place = {"MLFlowLogger": "mlflow._MLFLOW", "CometLogger": "comet._COMET"}[name]
    monkeypatch.setattr(f"pytorch_lightning.loggers.{place}_AVAILABLE", MISSING)  # whether or not it is here
    words = ["train", "data=synthetic_retail", f"+logger.x._target_=pytorch_lightning.loggers.{name}"]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert "needs the package 'no-such-package>=1.2'" in error
    assert len(error.strip().splitlines()) == 1
    assert main(["train", "data=synthetic_retail", "+logger.x._target_=pytorch_lightning.loggers.CSVLogger"]) == 2
    assert "logger.x: missing a required argument: 'save_dir'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
