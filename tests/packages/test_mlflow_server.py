"""A real MLflow server: what a run sends to it, and its model, served from there."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import smoothlab
from smoothlab.commands import main

mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
pytest.importorskip("onnxruntime", reason="the extra export is not installed")
PATIENCE = 120.0  # seconds


@contextmanager
def running(words: list[str], ready: str, log: Path, environment: dict[str, str]):
    """A program that answers at an address while the block runs."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with log.open("wb") as output:
        program = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *words],
            env=os.environ | {"PATH": path} | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        end = time.monotonic() + PATIENCE
        while not answers(ready):
            assert program.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.2)
        yield
    finally:
        os.killpg(program.pid, signal.SIGKILL)  # its own end waits half a minute for connections that are open
        program.wait()


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def rows() -> pd.DataFrame:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"size": random.normal(size=150), "colour": random.choice(["red", "blue"], 150)})
    frame.loc[7, "size"] = None
    frame["kind"] = np.where(frame["size"] + (frame["colour"] == "red") > 0.3, "large", "small")
    return frame


@pytest.mark.filterwarnings("ignore")
def test_a_run_stands_on_the_server_and_its_model_answers_from_there(rows, tmp_path, drawn_figures):
    rows.to_csv(tmp_path / "rows.csv", index=False)
    uri = f"http://127.0.0.1:{(port := free_port())}"
    places = ["--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}"]
    places += ["--artifacts-destination", str(tmp_path / "files")]
    server = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", *places]
    with running(server, f"{uri}/health", tmp_path / "server.log", {}):
        words = ["data=table", f"data.path={tmp_path / 'rows.csv'}", "data.target=kind", "trainer.max_epochs=3"]
        words += ["logger=mlflow", f"logger.mlflow.tracking_uri={uri}", "logger.mlflow.checkpoints=[best]"]
        run = smoothlab.train([*words, "calibrator=temperature", "progress=none", f"output_root={tmp_path / 'runs'}"])
        client = mlflow.MlflowClient(uri)
        run_id = (run.path / "mlflow-run-id.txt").read_text().strip()
        check_run(client, run_id, run)
        exported = tmp_path / "model"
        assert main(["export", f"run={run.path}", f"output={exported}", "format=mlflow"]) == 0
        client.log_artifacts(run_id, str(exported), "model")
        port = free_port()
        serve = ["models", "serve", "-m", f"runs:/{run_id}/model", "--env-manager", "local", "--port", str(port)]
        address = f"http://127.0.0.1:{port}"
        with running(serve, f"{address}/ping", tmp_path / "model.log", {"MLFLOW_TRACKING_URI": uri}):
            check_answers(address, run, rows.drop(columns="kind").head(20))


def check_run(client, run_id: str, run) -> None:
    """What the server has of a run is what its directory has."""
    seen = client.get_run(run_id)
    assert seen.info.status == "FINISHED"
    assert seen.info.run_name == run.path.name
    assert seen.data.params["optimizer/lr"] == str(run.config["optimizer"]["lr"])
    assert seen.data.tags["smoothlab.identity"] == json.loads((run.path / "status.json").read_text())["identity"]
    for split, scores in run.results["metrics"].items():
        for name, value in scores.items():
            assert seen.data.metrics[f"final/{split}/{name}"] == pytest.approx(value, rel=1e-12)
    epochs = client.get_metric_history(run_id, "val/nll")
    assert [point.value for point in epochs] == pytest.approx(list(run.metrics["val/nll"].dropna()))
    for folder in ("figures", "checkpoints"):
        for file in client.list_artifacts(run_id, folder):
            here = client.download_artifacts(run_id, file.path)
            assert Path(here).read_bytes() == (run.path / file.path).read_bytes()
    assert {Path(file.path).name for file in client.list_artifacts(run_id, "figures")} >= {"reliability_test.png"}
    assert [file.path for file in client.list_artifacts(run_id, "checkpoints")] == ["checkpoints/best.ckpt"]


def check_answers(address: str, run, rows: pd.DataFrame) -> None:
    """The served model has the probabilities of ``predict``."""
    body = json.dumps({"dataframe_split": json.loads(rows.to_json(orient="split"))}).encode()
    request = urllib.request.Request(f"{address}/invocations", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        made = pd.DataFrame(json.load(answer)["predictions"])
    expected = run.model().predict(rows)
    assert list(made["prediction"]) == list(expected["prediction"])
    for column in ("prob_large", "prob_small"):
        np.testing.assert_allclose(made[column], expected[column], rtol=0, atol=1e-6)
