"""An export as others meet it: its model card, MLflow's folder, an HTTP server."""

from __future__ import annotations

import importlib.util
import json
import runpy
import socket
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import smoothlab

pytest.importorskip("onnxscript", reason="the extra export is not installed")
pytest.importorskip("onnxruntime", reason="the extra export is not installed")
EXAMPLE = Path(__file__).parents[2] / "examples" / "serve_fastapi.py"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A run, its export, and a few raw rows."""
    folder = tmp_path_factory.mktemp("served")
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"size": random.normal(size=90), "colour": random.choice(["red", "blue"], 90)})
    frame["kind"] = np.where(frame["size"] + (frame["colour"] == "red") > 0.3, "a|b", "c")
    frame.to_csv(folder / "rows.csv", index=False)
    words = ["data=table", f"data.path={folder / 'rows.csv'}", "data.target=kind", f"output_root={folder / 'runs'}"]
    run = smoothlab.train([*words, "logger=none", "progress=none", "trainer.max_epochs=2", "net.hidden=[4]"])
    assert smoothlab.commands.main(["export", f"run={run.path}", f"output={folder / 'model'}"]) == 0
    return run, folder / "model", frame.drop(columns="kind").head(7)


def test_a_card_says_data_strategy_metrics_and_limits(exported):
    run, folder, _ = exported
    card = (folder / "model_card.md").read_text()
    metrics, uncertainty = run.results["metrics"]["test"], run.results["uncertainty"]["test"]["intervals"]
    low, high = uncertainty["nll"]
    assert f"| nll | {metrics['nll']:.4f} | {low:.4f} to {high:.4f} |" in card
    assert "a\\|b" in card
    assert "`size`, `colour`" in card
    assert "Fewer than 50 training rows" in card
    assert run.results["smoothing"]["says"] in card
    assert (folder / "model_reliability.png").read_bytes() == (
        run.path / "figures" / "reliability_test.png"
    ).read_bytes()


@pytest.mark.filterwarnings("ignore")
def test_mlflow_answers_as_predict_does(exported, tmp_path, cli):
    mlflow = pytest.importorskip("mlflow.pyfunc", reason="mlflow is not installed")
    run, _, rows = exported
    code, _, err = cli("export", f"run={run.path}", f"output={tmp_path / 'served'}", "format=mlflow")
    assert code == 0, err
    answer = mlflow.load_model(str(tmp_path / "served")).predict(rows)
    expected = smoothlab.load(run.path).predict(rows)
    assert np.allclose(answer["prob_c"], expected["prob_c"], atol=1e-5)
    assert list(answer["prediction"]) == list(expected["prediction"])
    assert not list(tmp_path.rglob("*.pkl"))
    code, _, err = cli("export", f"run={run.path}", f"output={tmp_path / 'served'}", "format=mlflow")
    assert code == 2
    assert "is there already" in err


def test_without_mlflow_the_extra_is_named(exported, tmp_path, cli, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mlflow.pyfunc", None)
    code, _, err = cli("export", f"run={exported[0].path}", f"output={tmp_path / 'served'}", "format=mlflow")
    assert code == 2
    assert "smoothlab[mlflow,export]" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore")
def test_the_example_answers_many_at_once(exported, monkeypatch):
    for package in ("fastapi", "uvicorn"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    import uvicorn

    run, folder, rows = exported
    monkeypatch.setenv("MODEL", str(folder))
    app = runpy.run_path(str(EXAMPLE))["app"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    address = f"http://127.0.0.1:{port}"

    def ask(content):
        body = json.dumps(content).encode()
        request = urllib.request.Request(f"{address}/predict", body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)["rows"]

    try:
        expected = smoothlab.load(run.path).predict(rows)["prob_c"].to_list()
        records = rows.to_dict("records")
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda row: ask({"rows": [row]}), records * 10))
        assert [answer[0]["prob_c"] for answer in answers] == pytest.approx(expected * 10, abs=1e-5)
        with pytest.raises(urllib.error.HTTPError, match="422"):
            ask({"rows": [{"size": 1.0}]})
        assert len(EXAMPLE.read_text().splitlines()) <= 45
    finally:
        server.should_exit = True
        thread.join(10)
