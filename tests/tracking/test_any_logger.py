"""MLflow in a folder, a logger of Lightning that smoothlab does not know, and W&B's variables."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

import smoothlab
from smoothlab.errors import UserMistake
from smoothlab.tracking.wandb import WandbOptions, by_environment

RUN = ["trainer.max_epochs=1", "progress=none"]

OWN = """
import json
from pathlib import Path

from pytorch_lightning.loggers.logger import Logger, rank_zero_experiment


class Recorder(Logger):
    def __init__(self, file: str) -> None:
        super().__init__()
        self.file = Path(file)

    name = "recorder"
    version = 0

    def say(self, *words):
        with self.file.open("a") as file:
            file.write(json.dumps(words, default=str) + "\\n")

    def log_hyperparams(self, params, *rest, **more):
        self.say("config", params["optimizer"]["lr"])

    def log_metrics(self, metrics, step=None):
        self.say("metrics", sorted(metrics))

    def finalize(self, status):
        self.say("end", status)
"""


def test_a_logger_of_lightning_gets_config_final_numbers_and_the_end(tmp_path):
    (tmp_path / "my_recorder.py").write_text(OWN)
    node = f"+logger.mine={{_target_: my_recorder.Recorder, file: '{tmp_path / 'said.txt'}'}}"
    words = [*RUN, "logger=csv", "figures=false", node, f"code={tmp_path / 'my_recorder.py'}"]
    smoothlab.train([*words, f"output_root={tmp_path}"])
    text = (tmp_path / "said.txt").read_text()
    assert '["config", 0.001]' in text or '["config"' in text
    assert "final/test/nll" in text
    assert "best/val/nll" in text
    assert text.strip().endswith('["end", "success"]')


def test_mlflow_gets_config_numbers_figures_and_the_end(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = f"file:{tmp_path / 'store'}"
    words = [*RUN, "logger=mlflow", f"logger.mlflow.tracking_uri={uri}", "logger.mlflow.checkpoints=[best]"]
    run = smoothlab.train([*words, f"output_root={tmp_path}"])
    client = mlflow.MlflowClient(uri)
    run_id = (run.path / "mlflow-run-id.txt").read_text().strip()
    seen = client.get_run(run_id)
    assert seen.info.status == "FINISHED"
    assert seen.info.run_name == run.path.name
    assert seen.data.metrics["final/test/nll"] == pytest.approx(run.results["metrics"]["test"]["nll"])
    assert "optimizer/lr" in seen.data.params
    assert {file.path for file in client.list_artifacts(run_id)} >= {"figures", "tables", "checkpoints"}


@pytest.mark.skipif(importlib.util.find_spec("mlflow") is not None, reason="mlflow is installed")
def test_mlflow_that_is_not_installed_is_one_line(tmp_path):
    with pytest.raises(UserMistake, match="needs the package 'mlflow"):
        smoothlab.train([*RUN, "logger=mlflow", f"output_root={tmp_path / 'none'}"])
    assert not Path(tmp_path / "none").exists()


def test_what_the_config_leaves_to_w_and_b_comes_from_its_variables(monkeypatch):
    monkeypatch.setenv("WANDB_PROJECT", "theirs")
    monkeypatch.setenv("WANDB_RUN_GROUP", "together")
    monkeypatch.setenv("WANDB_JOB_TYPE", "nightly")
    monkeypatch.setenv("WANDB_TAGS", "a, b")
    made = by_environment(WandbOptions())
    assert (made.project, made.group, made.job_type, made.tags) == ("theirs", "together", "nightly", ["a", "b"])
    ours = by_environment(WandbOptions(project="mine", group="own", job_type="train", tags=["c"]))
    assert (ours.project, ours.group, ours.tags) == ("mine", "own", ["c"])
