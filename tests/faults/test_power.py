"""Killed, or without power, at a change of the disk: the same command again ends with the same bytes."""

import json
import os
import random
import re
from pathlib import Path

import pytest
from faulty_disk import CUT, KILL, case, run_command, undisturbed_disk
from undisturbed import differences, finished

from smoothlab.rundir.atomic import make_folders, names_wait_together, write_json

TRAIN = ["train", "trainer.max_epochs=2", "logger=csv", "progress=none", "figures=false", "threads=1"]
TRAIN += ["net.dropout=0.3", "scheduler=cosine", "resume=auto"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing disturbed, on a disk that counted its changes."""
    return undisturbed_disk(TRAIN, tmp_path_factory.mktemp("whole"))


def nothing_kept() -> random.Random:
    """Draws of a power cut that takes all that was not synced."""
    draw = random.Random(0)
    draw.choice = lambda values: values[0]
    return draw


@pytest.mark.parametrize("share", [0.15, 0.4, 0.6, 0.9])
@pytest.mark.parametrize("fault", [KILL, CUT])
def test_the_same_command_again_ends_with_the_same_bytes(whole, tmp_path, share, fault):
    with case(tmp_path / "case") as disk:
        disk.at, disk.fault = round(share * whole.changes), fault
        assert run_command(TRAIN, disk.root, tmp_path / "log", disk) == -9
        if fault == CUT:
            disk.cut(random.Random(int(100 * share)))
        assert run_command(TRAIN, disk.root, tmp_path / "log") == 0, (tmp_path / "log").read_text()
        assert differences(whole.root, disk.root) == []


def test_what_a_finished_command_left_survives_a_power_cut(whole, tmp_path):
    with case(tmp_path / "case") as disk:
        assert run_command(TRAIN, disk.root, tmp_path / "log", disk) == 0
        lost = disk.cut(nothing_kept())
        assert not [line for line in lost if not re.search(r"\.(log|lock|hydra)\b", line)]
        assert differences(whole.root, disk.root) == []


@pytest.mark.parametrize("lost", ["metrics.csv", "status.json", "config.yaml"])
def test_what_is_lost_beside_the_last_checkpoint_is_made_again_from_it(whole, tmp_path, lost):
    with case(tmp_path / "case") as disk:
        disk.at, disk.fault = round(0.75 * whole.changes), KILL
        run_command(TRAIN, disk.root, tmp_path / "log", disk)
        (checkpoint,) = disk.root.rglob("last.ckpt")
        (checkpoint.parent.parent / lost).unlink()
        assert run_command(TRAIN, disk.root, tmp_path / "log") == 0, (tmp_path / "log").read_text()
        assert "resumed at step" in (tmp_path / "log").read_text()
        assert [*finished(disk.root).values()] == [checkpoint.parent.parent]
        assert differences(whole.root, disk.root) == []


def test_the_disk_of_these_tests_loses_what_was_not_synced(tmp_path):
    """In a fork, since the disk stays in the place of the system's calls."""
    with case(tmp_path / "case") as disk:
        if (process := os.fork()) == 0:
            from faulty_disk import install

            install(disk)
            make_folders(disk.root / "a" / "b")
            write_json(disk.root / "a" / "b" / "synced.json", {"value": 1})
            (disk.root / "lost.txt").write_text("lost")
            (disk.root / "unsynced").mkdir()
            os._exit(0)
        os.waitpid(process, 0)
        assert disk.changes > 5
        assert disk.cut(nothing_kept()) == ["the name of after/lost.txt", "the name of after/unsynced"]
        assert json.loads((disk.root / "a" / "b" / "synced.json").read_text()) == {"value": 1}
        assert {path.name for path in Path(disk.root).iterdir()} == {"a"}


@pytest.mark.parametrize("ended", [False, True])
def test_names_that_wait_together_are_on_the_disk_when_the_block_ends(tmp_path, ended):
    with case(tmp_path / "case") as disk:
        if (process := os.fork()) == 0:
            from faulty_disk import install

            install(disk)
            with names_wait_together():
                for name in ("a", "b"):
                    make_folders(disk.root / name)
                    write_json(disk.root / name / "one.json", {})
                    write_json(disk.root / name / "two.json", {})
                if not ended:
                    os._exit(0)
            os._exit(0)
        os.waitpid(process, 0)
        lost = disk.cut(nothing_kept())
        assert len([path for path in disk.root.rglob("*.json") if json.loads(path.read_text()) == {}]) == (
            4 if ended else 0
        )
        assert bool(lost) != ended
