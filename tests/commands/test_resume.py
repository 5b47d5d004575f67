"""Nothing is lost: a run that was killed goes on and ends as if it had not been."""

import json
import signal
import time
from pathlib import Path

import pytest
import torch
from run_directories import only_run
from warm import Command

import smoothlab
from smoothlab.errors import UserMistake

# Dropout draws random numbers and the schedule counts steps: both must go on where they were.
RUN = ("logger=csv", "trainer.max_epochs=40", "net.dropout=0.3", "scheduler=cosine", "progress=none")


def wait_for_rows(process, root: str, rows: int) -> None:
    """Until metrics.csv below ``root`` has so many rows, which says that an epoch is over and the next one is on."""
    while process.poll() is None:
        for path in Path(root).glob("*/*/metrics.csv"):
            if path.read_text().count("\n") > rows:
                return
        time.sleep(0.002)
    raise AssertionError(f"the run ended before it could be cut off: {process.communicate()}")


@pytest.mark.parametrize("epochs", [1, 3, 12])
def test_killed_in_an_epoch_and_resumed_it_ends_with_the_same_weights_and_rows(epochs):
    whole = smoothlab.train([*RUN, "output_root=whole"])
    process = Command("train", *RUN, "output_root=cut")
    wait_for_rows(process, "cut", epochs)
    process.kill()
    process.communicate()
    cut = only_run("cut")
    assert json.loads((cut / "status.json").read_text())["state"] == "running"  # nobody could say otherwise

    resumed = smoothlab.train([*RUN, "output_root=cut", "resume=auto"])
    assert resumed.path == cut.resolve()
    if epochs > 1:  # else the first checkpoint may not have been written yet
        assert "resumed at step" in (cut / "run.log").read_text()
    assert (cut / "metrics.csv").read_bytes() == (whole.path / "metrics.csv").read_bytes()
    assert resumed.results["metrics"] == whole.results["metrics"]
    for name in ("best", "last"):
        first, second = (
            torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True) for run in (whole.path, resumed.path)
        )
        assert first["global_step"] == second["global_step"]
        for key, weight in first["state_dict"].items():
            torch.testing.assert_close(weight, second["state_dict"][key], rtol=0, atol=0, equal_nan=True, msg=key)


def test_ctrl_c_says_interrupted_and_exits_with_130():
    process = Command("train", *RUN)
    wait_for_rows(process, "outputs", 1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert json.loads((only_run() / "status.json").read_text())["state"] == "interrupted"
    assert "continue it with resume=auto" in err
    assert "Traceback" not in err


def test_resume_by_path_continues_that_run_and_refuses_another_config():
    process = Command("train", *RUN)
    wait_for_rows(process, "outputs", 1)
    process.kill()
    process.communicate()
    cut = only_run()
    with pytest.raises(UserMistake, match=r"its config is another one \(optimizer.lr: 0.001 -> 0.01\)"):
        smoothlab.train([*RUN, f"resume={cut}", "optimizer.lr=0.01"])
    assert smoothlab.train([*RUN, f"resume={cut}"]).path.resolve() == cut.resolve()
    with pytest.raises(UserMistake, match="this run is finished"):
        smoothlab.train([*RUN, f"resume={cut}"])


def test_a_damaged_last_checkpoint_is_a_mistake_that_leaves_the_run_as_it_is(cli):
    process = Command("train", *RUN)
    wait_for_rows(process, "outputs", 2)
    process.kill()
    process.communicate()
    run = only_run()
    (run / "checkpoints" / "last.ckpt").write_bytes(b"damaged")
    before = (run / "status.json").read_bytes()
    code, _, err = cli("train", *RUN, "resume=auto")
    assert code == 2
    assert "last.ckpt: not a readable checkpoint" in err
    assert (run / "status.json").read_bytes() == before


def test_resume_auto_with_nothing_to_resume_says_so_and_starts_anew(cli):
    options = ("train", "logger=csv", "trainer.max_epochs=1", "resume=auto")
    code, _, err = cli(*options)
    assert code == 0
    assert "no unfinished run of this config; starting anew" in err
    assert cli(*options)[0] == 0  # the first one is done: it is not touched
    assert len(list(Path("outputs").glob("*/*/status.json"))) == 2


def test_a_run_that_is_going_on_is_not_resumed():
    process = Command("train", *RUN, "trainer.max_epochs=100000", "callbacks=none")
    try:
        wait_for_rows(process, "outputs", 1)
        with pytest.raises(UserMistake, match=f"in use by process {process.pid}"):
            smoothlab.train([*RUN, "trainer.max_epochs=100000", "callbacks=none", f"resume={only_run()}"])
    finally:
        process.kill()
        process.communicate()


def interrupted_after_the_last_epoch(run: smoothlab.Run) -> None:
    """As if the process had ended between training and scoring."""
    status = json.loads((run.path / "status.json").read_text())
    (run.path / "status.json").write_text(json.dumps(status | {"state": "interrupted"}))
    (run.path / "results.json").unlink()


def test_a_run_that_had_stopped_early_is_not_trained_further():
    options = ["logger=csv", "callbacks.early_stopping.patience=2", "optimizer.lr=0.01"]
    run = smoothlab.train(options)
    before, rows = run.results, (run.path / "metrics.csv").read_bytes()
    assert before["epochs"] < 100
    interrupted_after_the_last_epoch(run)
    again = smoothlab.train([*options, "resume=auto"])
    assert again.path == run.path
    assert (run.path / "metrics.csv").read_bytes() == rows
    for name in ("metrics", "objective", "epochs", "steps", "best_epoch"):
        assert again.results[name] == before[name], name


def test_a_run_that_was_moved_keeps_its_best_checkpoint():
    # at this learning rate the best epoch is not the last
    options = ["logger=csv", "trainer.max_epochs=15", "optimizer.lr=0.03", "callbacks=none"]
    run = smoothlab.train([*options, "output_root=here"])
    before = run.results
    assert before["best_epoch"] < 14
    interrupted_after_the_last_epoch(run)
    Path("here").rename("there")
    moved = smoothlab.train([*options, "output_root=there", "resume=auto"])
    assert moved.results["best_epoch"] == before["best_epoch"]
    assert moved.results["objective"] == before["objective"]
