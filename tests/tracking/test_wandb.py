"""What a run writes to W&B, read back from the offline file."""

import http.server
import threading

import pytest
import torch
from run_directories import SHORT, only_run
from wandb_file import read_run

import smoothlab
from smoothlab.errors import InvalidArgument, RunFailed
from smoothlab.tracking.wandb import choose_mode


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """An empty folder, and a machine without W&B settings."""
    monkeypatch.chdir(tmp_path)
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    torch.set_num_threads(1)


def test_a_run_has_config_epochs_summary_and_figures():
    run = smoothlab.train([*SHORT[1:], "logger=wandb", "logger.wandb.tags=[first]"])
    seen = read_run(run.path)
    assert seen["exit_code"] == 0
    assert seen["config"]["smoothing"]["strength"]["epsilon"] == 0.1
    assert seen["config"]["identity"] == run.results["identity"]
    epochs = [row for row in seen["history"] if "val/nll" in row]
    assert [row["epoch"] for row in epochs] == [0, 1, 2, 3]
    assert [row["val/nll"] for row in epochs] == run.metrics["val/nll"].tolist()
    assert seen["summary"]["final/test/nll"] == run.results["metrics"]["test"]["nll"]
    figures = [path for path in seen["files"] if path.endswith(".png")]
    assert any("reliability_test" in path for path in figures)
    assert (seen["run"].run_group, seen["run"].job_type) == ("medical", "train")
    assert list(seen["run"].tags) == ["first"]


def test_a_failed_run_ends_with_exit_code_one():
    with pytest.raises(RunFailed):
        smoothlab.train([*SHORT[1:], "logger=wandb", "optimizer=sgd", "optimizer.lr=1e18"])
    assert read_run(only_run())["exit_code"] == 1


def test_runs_of_one_process_do_not_share_a_wandb_run():
    one, two = (smoothlab.train(["trainer.max_epochs=1", "logger=wandb", f"seed={seed}"]) for seed in (0, 1))
    first, second = read_run(one.path), read_run(two.path)
    assert first["run"].run_id != second["run"].run_id
    assert (first["config"]["seed"], second["config"]["seed"]) == (0, 1)


def test_without_a_key_a_run_is_offline():
    assert choose_mode("auto") == "offline"


def test_the_environment_wins_over_auto_and_not_over_a_choice(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert choose_mode("auto") == "disabled"
    assert choose_mode("online") == "online"
    with pytest.raises(InvalidArgument, match="mode = 'on'"):
        choose_mode("on")  # type: ignore[arg-type]


class Refusing(http.server.BaseHTTPRequestHandler):
    """Answers every request with 404, as a W&B server may at its root."""

    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *args: object) -> None:
        pass


def test_with_a_key_a_run_is_online_where_the_server_answers(monkeypatch):
    monkeypatch.setattr("smoothlab.tracking.wandb._has_key", lambda: True)
    with http.server.HTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr("smoothlab.tracking.wandb._base_url", lambda: url)
        assert choose_mode("auto") == "online"
        server.shutdown()
    assert choose_mode("auto") == "offline"  # the server is gone
