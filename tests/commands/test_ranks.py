"""Runs on several ranks from the command line: one run directory, and no process left, however they end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch.testing import assert_close
from warm import warm_server

from smoothlab.commands import main as commands
from smoothlab.processes import WarmServer
from smoothlab.processes.ranks import free_port, rank_environment

ROWS = ["data=synthetic_retail", "data.rows=97", "data.val_rows=37", "data.test_rows=21", "data.eval_batch_size=8"]
RUN = [*ROWS, "smoothing=online", "trainer.precision=64-true", "trainer.max_epochs=4", "logger=csv", "progress=none"]
TWO = ["trainer=ddp_cpu", "trainer.devices=2", "data.batch_size=8"]
# A net that does to its process, or to the command's, what the file `do` says, once: when a rank is set up, in the
# sanity check, in the third epoch (training, validation, saving of a checkpoint), or in the scoring after the training.
NET = """
import os
import signal
import time
from pathlib import Path

import torch
from smoothlab.nets import MLP


class Net(MLP):
    steps = 0

    def forward(self, features):
        together = torch.distributed.is_initialized()
        if len(features) > 2 and self.training:
            self.steps += 1
            if self.steps > 15:
                self.act("fit")
        elif len(features) > 2:
            self.act("scoring" if not together else "validation" if self.steps > 15 else "sanity")
        elif "RANK" in os.environ and not together:  # the rows on which a net is tried
            self.act("set-up")
        return super().forward(features)

    def state_dict(self, *args, **kwargs):
        if self.steps > 15:
            self.act("saving")
        return super().state_dict(*args, **kwargs)

    def act(self, phase):
        do = Path("do")
        try:
            wanted, rank, what, pid = do.read_text().split()
        except FileNotFoundError:  # nothing to do, or the other rank has just done it
            return
        if phase == wanted and os.environ.get("RANK", "0") == rank:
            do.unlink()
            if what == "raise":
                raise ZeroDivisionError("rank of trouble")
            os.kill(int(pid) or os.getpid(), getattr(signal, what))
            time.sleep(0.5)
"""
OWN_NET = ["code=net_for_test.py", "net._target_=net_for_test.Net"]


@pytest.fixture
def server() -> WarmServer:
    """The one that the commands of this process use."""
    return warm_server()


@pytest.fixture(autouse=True)
def own_net(empty_folder: Path) -> None:
    (empty_folder / "net_for_test.py").write_text(NET)


def the_run() -> Path:
    (run,) = (path.parent for path in Path("outputs").glob("*/*/status.json"))
    return run


def status_of(run: Path) -> dict:
    return json.loads((run / "status.json").read_text())


def nobody_holds(run: Path) -> bool:
    """Whether no living process works in the directory or below it."""
    inside = str(run.resolve())
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            files = [os.readlink(descriptor) for descriptor in (process / "fd").iterdir()]
            if int(process.name) != os.getpid() and any(file.startswith(inside) for file in files):
                return False
    return True


def test_two_ranks_leave_the_run_directory_of_one_process(cli):
    assert cli("train", *RUN, *TWO)[0] == 0
    two = the_run()
    listed = {path.relative_to(two).as_posix() for path in two.rglob("*")}
    assert cli("train", *RUN, "output_root=alone", "data.batch_size=16")[0] == 0
    (alone,) = (path.parent for path in Path("alone").glob("*/*/status.json"))
    assert listed == {path.relative_to(alone).as_posix() for path in alone.rglob("*")}
    mine, theirs = (pd.read_csv(run / "metrics.csv") for run in (alone, two))
    pd.testing.assert_frame_equal(mine, theirs, rtol=1e-9, atol=1e-10)
    for split, count in (("val", 37), ("test", 21)):
        mine, theirs = (pd.read_parquet(run / f"predictions/{split}.parquet") for run in (alone, two))
        assert mine["row"].tolist() == theirs["row"].tolist()
        assert len(theirs) == count
    of_alone, of_two = (json.loads((run / "results.json").read_text()) for run in (alone, two))
    for split, metrics in of_alone["metrics"].items():
        assert of_two["metrics"][split] == pytest.approx(metrics, rel=1e-9, abs=1e-10)
    assert of_two["best_epoch"] == of_alone["best_epoch"]
    assert of_two["objective"]["value"] == pytest.approx(of_alone["objective"]["value"], rel=1e-6)
    assert status_of(two)["state"] == "done"
    code, out, _ = cli("evaluate", f"run={two}")
    assert code == 0
    assert f"{of_two['metrics']['test']['nll']:.4f}" in out


def test_a_scheduling_by_epoch_is_what_a_constant_says_alone_and_on_ranks(cli):
    scheduler = "{_target_:pytorch_lightning.callbacks.GradientAccumulationScheduler,scheduling:{0:2}}"
    words = {
        "constant": ["trainer.accumulate_grad_batches=2"],
        "scheduled": [f"+callbacks.gradual={scheduler}"],
        "ranks": [f"+callbacks.gradual={scheduler}", *TWO],
    }
    rows = {}
    for name, more in words.items():
        assert cli("train", *RUN, "data.batch_size=16", f"output_root={name}", *more)[0] == 0
        (run,) = (path.parent for path in Path(name).glob("*/*/status.json"))
        rows[name] = pd.read_csv(run / "metrics.csv")
        if name != "constant":
            assert cli("evaluate", f"run={run}")[0] == 0
    pd.testing.assert_frame_equal(rows["constant"], rows["scheduled"])
    pd.testing.assert_frame_equal(rows["constant"], rows["ranks"], rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(("what", "reason"), [("SIGKILL", "rank 1: killed by SIGKILL"), ("raise", "rank of trouble")])
def test_a_rank_that_ends_badly_ends_the_run(cli, what, reason):
    Path("do").write_text(f"fit 1 {what} 0")
    words = [*RUN, *TWO, *OWN_NET, "trainer.max_epochs=100000"]
    assert cli("train", *words)[0] == 1
    run = the_run()
    assert status_of(run)["state"] == "failed"
    assert reason in status_of(run)["error"]
    assert reason in (run / "run.log").read_text()
    if what == "raise":
        assert "ZeroDivisionError" in (run / "run.log").read_text()
        assert "net_for_test.py" in (run / "run.log").read_text()  # the trace
    assert nobody_holds(run)


@pytest.mark.parametrize(("what", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_stopped_run_says_so_and_goes_on_where_it_was(cli, what, code):
    words = [*RUN, *TWO, *OWN_NET]
    Path("do").write_text(f"fit 0 {what} {os.getpid()}")
    assert cli("train", *words)[0] == code
    run = the_run()
    assert status_of(run)["state"] == "interrupted"
    assert nobody_holds(run)
    assert torch.load(run / "checkpoints/last.ckpt", weights_only=True)["global_step"] % 7, "not within an epoch"
    assert cli("train", *words, "resume=auto")[0] == 0
    assert the_run() == run
    assert cli("train", *words, "output_root=undisturbed")[0] == 0
    (other,) = (path.parent for path in Path("undisturbed").glob("*/*/status.json"))
    assert (run / "metrics.csv").read_text() == (other / "metrics.csv").read_text()
    mine, theirs = (torch.load(folder / "checkpoints/last.ckpt", weights_only=True) for folder in (run, other))
    assert_close(mine["state_dict"], theirs["state_dict"], rtol=0, atol=0)
    assert len(mine["smoothlab"]["random_of_ranks"]) == 1


@pytest.mark.parametrize(
    ("phase", "rank", "what", "code"),
    [
        ("set-up", 1, "SIGTERM", 143),
        ("fit", 1, "SIGTERM", 143),
        ("validation", 1, "SIGINT", 130),
        ("saving", 0, "SIGTERM", 143),
        ("scoring", 0, "SIGTERM", 143),
    ],
)
def test_a_rank_that_is_stopped_itself_interrupts_the_run(cli, phase, rank, what, code):
    Path("do").write_text(f"{phase} {rank} {what} 0")
    assert cli("train", *RUN, *TWO, *OWN_NET)[0] == code
    assert status_of(the_run())["state"] == "interrupted"
    assert "error" not in status_of(the_run())
    assert not [path.name for path in the_run().rglob(".*") if path.name not in (".hydra", ".lock")]
    assert nobody_holds(the_run())


def test_sigterm_stops_a_run_on_one_device_too(cli):
    words = [*RUN, "data.batch_size=16", *OWN_NET]
    Path("do").write_text(f"fit 0 SIGTERM {os.getpid()}")
    before = signal.getsignal(signal.SIGTERM)
    assert cli("train", *words)[0] == 143
    assert status_of(the_run())["state"] == "interrupted"
    assert signal.getsignal(signal.SIGTERM) is before


def one_of_torchrun(words: list[str]) -> None:
    raise SystemExit(commands(words))


def test_ranks_that_torchrun_has_started_are_found_and_only_the_first_writes(server, monkeypatch):
    environment = rank_environment(2) | {"MASTER_PORT": str(free_port())}
    words = ["train", *RUN, *TWO]
    children = [
        server.launch(one_of_torchrun, (words,), env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(2)
    ]
    endings = [child.wait(300) for child in children]
    assert [ending and ending.code for ending in endings] == [0, 0]
    run = the_run()
    assert status_of(run)["state"] == "done"
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["net_for_test.py", "outputs"]
    assert len(pd.read_csv(run / "metrics.csv")) == 4
    assert len(list(run.parent.iterdir())) == 1


@pytest.mark.parametrize(
    ("phase", "rank", "what", "codes"),
    [
        ("sanity", 1, "SIGTERM", [143, 143]),
        ("fit", 1, "SIGTERM", [143, 143]),
        ("fit", 0, "SIGINT", [130, 130]),
        ("validation", 0, "SIGTERM", [143, 143]),
        ("saving", 1, "SIGINT", [130, 130]),
        ("scoring", 0, "SIGTERM", [143, 0]),
        ("fit", 1, "raise", [1, 1]),
        ("fit", 1, "SIGKILL", [1, None]),
    ],
)
def test_ranks_without_a_parent_that_tells_them_end_alike(server, monkeypatch, phase, rank, what, codes):
    monkeypatch.setattr("sys.path", [folder for folder in sys.path if not (Path(folder) / "net_for_test.py").exists()])
    Path("do").write_text(f"{phase} {rank} {what} 0")
    environment = rank_environment(2) | {"MASTER_PORT": str(free_port())}
    words = ["train", *RUN, *TWO, *OWN_NET, "trainer.num_sanity_val_steps=2"]
    children = [
        server.launch(one_of_torchrun, (words,), env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(2)
    ]
    endings = [child.wait(300) for child in children]
    assert [ending and ending.code for ending in endings] == codes
    status, text = status_of(the_run()), (the_run() / "run.log").read_text()
    assert status["state"] == ("failed" if 1 in codes else "interrupted")
    assert ("error" in status) == (1 in codes)
    if what == "raise":
        assert status["error"] == "rank 1: ZeroDivisionError: rank of trouble"
        assert "net_for_test.py" in text  # the trace of the other rank


def test_a_killed_server_is_started_again_and_its_run_goes_on(cli, server, monkeypatch):
    words = [*RUN, *TWO, *OWN_NET]
    assert cli("train", *words, "output_root=undisturbed")[0] == 0
    with WarmServer() as first:
        servers = iter([first, server])
        monkeypatch.setattr("smoothlab.processes.WarmServer", lambda *preload: contextlib.nullcontext(next(servers)))
        Path("do").write_text(f"fit 0 SIGKILL {first.pid}")
        code, _, error = cli("train", *words)
    assert code == 0, error
    assert "the warm server was killed" in error
    run = the_run()
    assert status_of(run)["state"] == "done"
    (other,) = (path.parent for path in Path("undisturbed").glob("*/*/status.json"))
    assert (run / "metrics.csv").read_text() == (other / "metrics.csv").read_text()
    assert nobody_holds(run)


def test_sigterm_to_every_process_at_once_interrupts_the_run(cli, server):
    """As a cluster sends it: to the server of the processes too, which must not take the ranks along."""
    os.kill(server.pid, signal.SIGTERM)
    Path("do").write_text(f"fit 1 SIGTERM {os.getpid()}")
    assert cli("train", *RUN, *TWO, *OWN_NET)[0] == 143
    assert status_of(the_run())["state"] == "interrupted"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trainer.strategy=ddp_spawn"], "trainer.strategy = 'ddp_spawn': its ranks share the memory of metrics"),
        (["trainer.num_nodes=2"], "trainer.num_nodes = 2: start the command on each node by torchrun or srun"),
        (["trainer=fsdp"], "trainer.accelerator = 'gpu': no GPU is found here; take trainer=cpu, or ddp_cpu"),
        (["trainer=ddp"], "trainer.accelerator = 'gpu': no GPU is found here"),
        (["smoothing=standard", "smoothing.strength.epsilon=2"], "smoothing.strength.epsilon = 2"),
        (["data.rows=0"], "data.rows = 0"),
    ],
)
def test_mistakes_are_one_line_before_a_directory_is_made(cli, words, message):
    if torch.cuda.is_available() and words[0] in ("trainer=fsdp", "trainer=ddp"):
        pytest.skip("a GPU is there")
    devices = [] if words[0].startswith("trainer=") else TWO[:2]
    code, _, error = cli("train", *ROWS, *devices, "logger=none", "progress=none", *words)
    assert code == 2
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert not Path("outputs").exists()


def test_the_number_of_ranks_that_torchrun_has_started_must_be_the_config_s(cli, monkeypatch):
    for name, value in {**rank_environment(4), "RANK": "0", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, str(value))
    code, _, error = cli("train", *ROWS, *TWO, "logger=none")
    assert code == 2
    assert "2 ranks, but torchrun has started 4" in error
    code, _, error = cli("train", "-m", "seed=0,1")
    assert code == 2
    assert "torchrun" in error
