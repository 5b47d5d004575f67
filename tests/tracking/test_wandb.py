"""What a run writes to W&B, read back from the offline file."""

import http.server
import json
import os
import socket
import threading
import time
from pathlib import Path

import pytest
import torch
import wandb
from run_directories import SHORT, only_run
from wandb_file import read_run

import smoothlab
from smoothlab.commands import main
from smoothlab.config.allowed import ALLOWED
from smoothlab.config.build import build
from smoothlab.errors import InvalidArgument, RunFailed, UserMistake
from smoothlab.tracking import wandb_media, wandb_server
from smoothlab.tracking.sink import finish
from smoothlab.tracking.wandb import RunId, group_of, make_wandb_logger, project_of
from smoothlab.tracking.wandb_server import choose_mode
from smoothlab.training.loggers import check_loggers


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """An empty folder, and a machine without W&B settings."""
    monkeypatch.chdir(tmp_path)
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "WANDB_SWEEP_ID", "WANDB_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("CONFIG", "DATA", "CACHE"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / name.lower()))
    torch.set_num_threads(1)
    wandb.teardown()  # the next start reads the environment again


def test_a_run_is_shown_with_its_config_place_and_words():
    words = ("logger.wandb.tags=[first]", "logger.wandb.notes='as an example'", "logger.wandb.entity=us")
    run = smoothlab.train(["trainer.max_epochs=1", "smoothing=standard", "logger=wandb", *words])
    seen = read_run(run.path)
    assert seen["exit_code"] == 0
    assert seen["config"]["smoothing"]["strength"]["epsilon"] == 0.1
    assert seen["config"]["identity"] == run.results["identity"]
    assert seen["config"]["code_commit"] == run.results["git"]["commit"]
    shown = seen["run"]
    assert (shown.project, shown.entity, shown.run_group, shown.job_type) == ("smoothlab", "us", "medical", "train")
    assert (list(shown.tags), shown.notes, shown.display_name) == (["first"], "as an example", run.path.name)
    assert not [artifact for artifact in seen["artifacts"] if artifact.type == "model"]  # nobody asked for them
    assert not list(run.path.glob("**/diff.patch"))
    (line,) = [line for line in (run.path / "run.log").read_text().splitlines() if "wandb sync" in line]
    (written,) = run.path.resolve().glob("wandb/offline-run-*")
    assert str(written.parent) + "/offline-run-*" in line


def test_a_failed_run_ends_with_exit_code_one():
    with pytest.raises(RunFailed):
        smoothlab.train([*SHORT[1:], "logger=wandb", "optimizer=sgd", "optimizer.lr=1e18"])
    assert read_run(only_run())["exit_code"] == 1


def test_runs_of_one_process_do_not_share_a_wandb_run():
    first_run, second_run = (
        smoothlab.train(["trainer.max_epochs=1", "logger=wandb", f"seed={seed}"]) for seed in (0, 1)
    )
    first, second = read_run(first_run.path), read_run(second_run.path)
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


def test_with_a_key_a_run_is_online_where_the_server_answers(refusing, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    with monkeypatch.context() as patched:
        patched.setattr("smoothlab.tracking.wandb_server.has_key", lambda verify=False: True)
        assert choose_mode("auto") == "online"  # any answer shows that a server is there
    assert choose_mode("auto") == "offline"  # it refuses the key
    refusing.shutdown()
    refusing.server_close()
    assert choose_mode("auto") == "offline"


def test_the_server_is_the_one_that_the_environment_names(monkeypatch):
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    assert wandb_server.base_url() == "http://127.0.0.1:9"
    wandb.teardown()


def offline_warnings(output: str) -> list[str]:
    """The lines that say why a run is offline."""
    return [line for line in output.splitlines() if "the run is written offline" in line]


def test_an_invalid_key_makes_the_run_offline(monkeypatch, capsys):
    monkeypatch.setenv("WANDB_API_KEY", "abcxyz")
    assert main(["train", "trainer.max_epochs=1"]) == 0
    output = "".join(capsys.readouterr())
    assert offline_warnings(output) == [
        "W&B: WANDB_API_KEY invalid: API key must have 40+ characters, has 6; the run is written offline"
    ]
    assert "abcxyz" not in output
    assert json.loads((only_run() / "status.json").read_text())["state"] == "done"
    assert read_run(only_run())["exit_code"] == 0


def test_a_key_that_the_server_refuses_makes_the_run_offline(refusing, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert main(["train", "trainer.max_epochs=1"]) == 0
    output = "".join(capsys.readouterr())
    assert len(offline_warnings(output)) == 1
    assert KEY not in output
    assert read_run(only_run())["exit_code"] == 0
    assert not [path for path in only_run().glob("**/*") if path.is_file() and KEY.encode() in path.read_bytes()]


@pytest.mark.parametrize("chosen", ["logger.wandb.mode=online", "WANDB_MODE=online"])
@pytest.mark.parametrize("key", ["abcxyz", KEY, None])
def test_online_by_choice_that_cannot_be_is_a_mistake_before_any_directory(refusing, monkeypatch, capsys, chosen, key):
    if key:
        monkeypatch.setenv("WANDB_API_KEY", key)
    if chosen.startswith("WANDB_MODE"):
        monkeypatch.setenv(*chosen.split("="))
    code = main(["train", *([chosen] if chosen.startswith("logger") else [])])
    output = capsys.readouterr().err
    assert code == 2
    assert "mode = 'online': expected a key and a server that take the run" in output
    assert output.startswith("smoothlab: W&B: no key;" if key is None else "smoothlab: W&B: ")
    assert output.count("\n") == 1
    assert key is None or key not in output
    assert not Path("outputs").exists()


def test_a_sweep_asks_the_server_once_and_before_its_directory_is_made(monkeypatch, capsys):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    asked = []

    def refuse() -> None:
        asked.append(1)
        raise OSError("nobody is there")

    monkeypatch.setattr("smoothlab.tracking.wandb_server.ask_server", refuse)
    nodes = {"wandb": {"_target_": "smoothlab.tracking.make_wandb_logger", "mode": "online"}}
    for _ in range(2):
        with pytest.raises(UserMistake, match="nobody is there; mode = 'online'"):
            check_loggers({"logger": nodes}, ALLOWED)
    monkeypatch.setattr("smoothlab.tracking.wandb_server.ask_server", lambda: asked.append(2))
    for _ in range(3):
        check_loggers({"logger": nodes}, ALLOWED)
    assert asked == [1, 1, 2]
    monkeypatch.delenv("WANDB_API_KEY")
    wandb.teardown()  # W&B read the environment when it was first asked
    assert main(["train", "-m", "seed=0,1", "logger.wandb.mode=online"]) == 2
    assert capsys.readouterr().err.startswith("smoothlab: W&B: no key;")
    assert not Path("outputs").exists()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("logger.wandb.tags=one", "logger.wandb.tags = 'one': expected a list"),
        ("logger.wandb.checkpoints=[first]", "logger.wandb.checkpoints = ['first']: expected a list of best, last"),
        ("logger.wandb.samples=1", "logger.wandb.samples = 1: expected true or false"),
        ("logger.wandb.mode=on", "logger.wandb.mode = 'on': expected auto"),
        ("logger.wandb.entity=''", "logger.wandb.entity = '': expected a text"),
        (f"+logger.wandb.api_key={KEY}", "logger.wandb.api_key: "),
    ],
)
def test_options_that_are_none_are_a_mistake_before_any_directory(capsys, option, message):
    assert main(["train", option]) == 2
    line = capsys.readouterr().err
    assert message in line
    assert line.count("\n") == 1
    assert KEY not in line
    assert not Path("outputs").exists()


class Mute(http.server.BaseHTTPRequestHandler):
    """Answers who asks whether it is there, and never says whether it takes a key."""

    def do_GET(self) -> None:
        self.send_error(404)

    def do_POST(self) -> None:
        self.server.closing.wait(60)  # type: ignore[attr-defined]

    def log_message(self, *args: object) -> None:
        pass


def waits(monkeypatch) -> list[tuple[str, float]]:
    """Fills up with what is asked of a server, and how long an answer may take; waits for a tenth of that."""
    values: list[tuple[str, float]] = []
    within = wandb_server.within

    def noted(seconds, ask, *arguments):
        values.append((ask.__name__, seconds))
        return within(seconds / 10, ask, *arguments)

    monkeypatch.setattr("smoothlab.tracking.wandb_server.within", noted)
    return values


def warnings(monkeypatch) -> list[str]:
    """Fills up with the log's warnings."""
    messages: list[str] = []
    monkeypatch.setattr(
        "smoothlab.tracking.wandb_server.log.warning", lambda text, *values: messages.append(text % values)
    )
    return messages


def test_a_server_that_accepts_and_never_answers_costs_one_short_wait_and_one_warning(monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    asked, messages = waits(monkeypatch), warnings(monkeypatch)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the system accepts, nobody reads
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setattr("smoothlab.tracking.wandb_server.base_url", lambda: url)
        assert choose_mode("auto") == "offline"
    assert asked == [("answers", 3.0)]
    assert messages == [f"W&B: {url} did not answer within 3 s; the run is written offline"]


def test_a_server_that_is_there_and_never_takes_the_key_costs_less_than_ten_seconds(monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    asked, messages = waits(monkeypatch), warnings(monkeypatch)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mute) as server:
        server.closing = threading.Event()  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr("smoothlab.tracking.wandb_server.base_url", lambda: url)
        assert choose_mode("auto") == "offline"
        server.closing.set()  # type: ignore[attr-defined]
        server.shutdown()
    assert asked == [("answers", 3.0), ("verify_key", 5.0)]
    assert sum(seconds for _, seconds in asked) < 10
    (line,) = messages
    assert "did not say within 5 s whether it takes the key; the run is written offline" in line


def test_a_run_that_wandb_does_not_start_goes_offline_under_another_id(tmp_path, refusing, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setattr("smoothlab.tracking.wandb_server.has_key", lambda verify=False: True)
    messages = warnings(monkeypatch)
    logger = make_wandb_logger(tmp_path / "run", project="one", config={}, identity="1", name="one")
    assert logger is not None
    finish([logger], failed=False)
    seen = read_run(tmp_path / "run")  # one .wandb file: nothing is left of the first attempt
    assert seen["run"].run_id == (tmp_path / "run" / "wandb" / "run-id.txt").read_text().strip()
    (warning,) = messages
    assert warning.endswith("the run is written offline")
    assert "\n" not in warning


@pytest.mark.parametrize("project", ["a/b", "", "x" * 129])
def test_a_project_name_that_wandb_does_not_take_is_named(tmp_path, project):
    node = {"_target_": "smoothlab.tracking.make_wandb_logger", "project": project, "mode": "offline"}
    with pytest.raises(UserMistake, match=r"^logger.wandb.project = .*: expected a name of 1 to 128") as raised:
        build(node, "logger.wandb", run_dir=tmp_path, config={}, identity="1", name="one")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("config", "project", "expected"),
    [
        ({"name": "my_data", "data": {"path": "there/my data.csv.gz"}}, "smoothlab", "my_data"),
        ({"name": "my", "data": {"path": "my.csv"}}, "theirs", "theirs"),  # what is given wins
        ({"name": "my", "data": {"path": "my.csv"}}, None, None),
        ({"name": "medical", "data": {"path": "my.csv"}}, "smoothlab", "smoothlab"),
        ({"name": "train", "data": {"path": {"train": "train.csv"}}}, "smoothlab", "smoothlab"),
        ({"name": "medical", "data": {"path": None}}, "smoothlab", "smoothlab"),
        ({"name": "a" * 200, "data": {"path": "a" * 200 + ".csv"}}, "smoothlab", "a" * 128),
        ({}, "smoothlab", "smoothlab"),
    ],
)
def test_own_data_go_to_a_project_of_their_name(config, project, expected, monkeypatch):
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    assert project_of(config, project) == expected


def test_a_run_of_a_file_is_started_in_the_project_of_its_name(tmp_path, monkeypatch):
    config = {"name": "my", "data": {"path": "my.csv"}}
    monkeypatch.setenv("WANDB_PROJECT", "theirs")
    assert project_of(config, "smoothlab") == "smoothlab"  # W&B's variable has taken its place by then
    monkeypatch.delenv("WANDB_PROJECT")
    finish([make_wandb_logger(tmp_path, config=config, identity="1", name="one", mode="offline")], failed=False)
    assert read_run(tmp_path)["run"].project == "my"


def test_a_resumed_run_goes_on_as_the_same_wandb_run(tmp_path):
    options = {"project": "one", "config": {}, "identity": "1", "name": "one", "mode": "offline"}
    for step in (0, 10):
        logger = make_wandb_logger(tmp_path / "run", resume_step=step, **options)
        finish([logger], failed=False)
        time.sleep(1.1)  # W&B names the parts by the second
    first, second = (path.name.split("-")[-1] for path in (tmp_path / "run").glob("wandb/offline-run-*"))
    assert first == second == RunId(tmp_path / "run" / "wandb").choose(resumed=True)
    assert RunId(tmp_path / "run" / "wandb").choose(resumed=False) != first


def test_no_variable_of_the_environment_is_left_behind(tmp_path):
    before = dict(os.environ)
    logger = make_wandb_logger(tmp_path, project="one", config={}, identity="1", name="one", mode="offline")
    assert dict(os.environ) == before
    finish([logger], failed=False)
    assert dict(os.environ) == before


def test_the_run_of_a_wandb_agent_keeps_the_id_that_the_agent_gave(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_RUN_ID", "given")
    assert RunId(tmp_path / "wandb").choose(resumed=False) != "given"  # left over in somebody's shell
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep")
    assert RunId(tmp_path / "wandb").choose(resumed=False) == "given"


def test_runs_of_a_sweep_are_grouped_by_it(tmp_path):
    sweep = tmp_path / "2026-01-01_10-00-00"
    sweep.mkdir()
    assert group_of(sweep / "seed=0-12345678", "medical") == "medical"
    (sweep / "sweep.json").write_text("{}")
    assert group_of(sweep / "seed=0-12345678", "medical") == "medical-2026-01-01_10-00-00"


def test_an_error_that_repeats_a_key_is_shown_without_it(monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "short-key")
    error = RuntimeError(f"short-key and {KEY} are refused\nsecond line")
    assert wandb_server.reason_of(error) == "*** and *** are refused"


def test_processes_that_are_forked_after_wandb_was_imported_do_not_share_its_folder_for_tables(tmp_path):
    from wandb.sdk.data_types._private import MEDIA_TMP

    folder = Path(MEDIA_TMP.name)
    notice = tmp_path / "told"
    child = os.fork()
    if child == 0:  # it ends as Python does, but for this test's own fixtures
        MEDIA_TMP.cleanup()  # of a process that starts no run of W&B
        wandb_media.own_folder()
        notice.write_text(f"{MEDIA_TMP.name} {Path(MEDIA_TMP.name).is_dir()}")
        MEDIA_TMP.cleanup()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    own, was_there = notice.read_text().split()
    assert own != str(folder)
    assert was_there == "True"
    assert folder.is_dir()
    assert not Path(own).exists()


def test_the_diff_is_sent_where_it_was_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr("smoothlab.tracking.wandb.code_diff", lambda: "+a line\n")
    options = {"project": "one", "config": {}, "identity": "1", "name": "one", "mode": "offline"}
    for diff in (True, False):
        folder = tmp_path / str(diff)
        finish([make_wandb_logger(folder, diff=diff, **options)], failed=False)
        assert ("diff.patch" in read_run(folder)["files"]) == diff
        assert [path.read_text() for path in folder.glob("**/diff.patch")] == (["+a line\n"] if diff else [])
