"""What a run writes to W&B, read back from the offline file."""

import http.server
import json
import os
import subprocess
import sys
import threading

import pytest
import torch
import wandb
from run_directories import SHORT, only_run, start
from wandb_file import read_run

import smoothlab
from smoothlab.errors import InvalidArgument, RunFailed, UserMistake
from smoothlab.runs.build import build
from smoothlab.tracking.sink import finish
from smoothlab.tracking.wandb import make_wandb_logger
from smoothlab.tracking.wandb_server import choose_mode


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
    """Answers every request with 401, as a W&B server that does not know the key."""

    def do_GET(self) -> None:
        self.send_error(401)

    do_POST = do_GET

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def refusing(monkeypatch):
    """The address of a server that refuses every key; W&B's settings name it."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("WANDB_BASE_URL", url)
        monkeypatch.setattr("smoothlab.tracking.wandb_server.base_url", lambda: url)  # W&B reads the environment once
        yield server
        server.shutdown()


KEY = "0123456789" * 4


def command(*words: str) -> tuple[int, str]:
    """Exit code and all output of a training of one epoch, in a process of its own, which reads the environment."""
    process = start("train", "trainer.max_epochs=1", *words)
    out, err = process.communicate(timeout=100)
    return process.returncode, out + err


def test_with_a_key_a_run_is_online_where_the_server_answers(refusing, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    with monkeypatch.context() as patched:
        patched.setattr("smoothlab.tracking.wandb_server.has_key", lambda verify=False: True)
        assert choose_mode("auto") == "online"  # any answer shows that a server is there
    assert choose_mode("auto") == "offline"  # it refuses the key
    refusing.shutdown()
    refusing.server_close()
    assert choose_mode("auto") == "offline"


def test_the_server_is_the_one_that_the_environment_names():
    code = "from smoothlab.tracking.wandb_server import base_url; print(base_url())"
    environment = dict(os.environ) | {"WANDB_BASE_URL": "http://127.0.0.1:9"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "http://127.0.0.1:9\n"


def offline_warnings(output: str) -> list[str]:
    """The lines that say why a run is offline."""
    return [line for line in output.splitlines() if "the run is written offline" in line]


def test_an_invalid_key_makes_the_run_offline(monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "abcxyz")
    code, output = command()
    assert code == 0, output
    assert offline_warnings(output) == [
        "W&B: WANDB_API_KEY invalid: API key must have 40+ characters, has 6; the run is written offline"
    ]
    assert "abcxyz" not in output
    assert json.loads((only_run() / "status.json").read_text())["state"] == "done"
    assert read_run(only_run())["exit_code"] == 0


def test_a_key_that_the_server_refuses_makes_the_run_offline(refusing, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    code, output = command()
    assert code == 0, output
    assert len(offline_warnings(output)) == 1
    assert KEY not in output
    assert read_run(only_run())["exit_code"] == 0
    assert not [path for path in only_run().glob("**/*") if path.is_file() and KEY.encode() in path.read_bytes()]


@pytest.mark.parametrize("chosen", ["logger.wandb.mode=online", "WANDB_MODE=online"])
@pytest.mark.parametrize("key", ["abcxyz", KEY])
def test_online_by_choice_fails_in_one_line(refusing, monkeypatch, chosen, key):
    monkeypatch.setenv("WANDB_API_KEY", key)
    if chosen.startswith("WANDB_MODE"):
        monkeypatch.setenv(*chosen.split("="))
    code, output = command(*([chosen] if chosen.startswith("logger") else []))
    assert code != 0
    assert "mode = 'online': expected a key and a server that take the run" in output
    assert "Traceback" not in output
    assert key not in output


def test_a_run_that_wandb_does_not_start_goes_offline_under_another_id(tmp_path, refusing, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setattr("smoothlab.tracking.wandb_server.has_key", lambda verify=False: True)
    wandb.teardown()  # the next start reads the environment again
    warnings = []
    monkeypatch.setattr("smoothlab.tracking.wandb.log.warning", lambda text, *values: warnings.append(text % values))
    logger = make_wandb_logger(tmp_path / "run", project="one", config={}, identity="1", name="one")
    assert logger is not None
    finish([logger], failed=False)
    seen = read_run(tmp_path / "run")  # one .wandb file: nothing is left of the first attempt
    assert seen["run"].run_id == (tmp_path / "run" / "wandb" / "run-id.txt").read_text().strip()
    (warning,) = warnings
    assert warning.endswith("the run is written offline")
    assert "\n" not in warning


@pytest.mark.parametrize("project", ["a/b", "", "x" * 129])
def test_a_project_name_that_wandb_does_not_take_is_named(tmp_path, project):
    node = {"_target_": "smoothlab.tracking.make_wandb_logger", "project": project, "mode": "offline"}
    with pytest.raises(UserMistake, match=r"^logger.wandb.project = .*: expected a name of 1 to 128") as raised:
        build(node, "logger.wandb", run_dir=tmp_path, config={}, identity="1", name="one")
    assert "\n" not in str(raised.value)
