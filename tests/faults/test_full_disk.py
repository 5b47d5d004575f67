"""A disk that refuses: one line, exit 1, what was whole stays; with room again the same command goes on."""

import os
import re
import shutil
from pathlib import Path

import pytest
from faulty_disk import FULL, FULL_ONCE, case, run_command, undisturbed_disk
from undisturbed import differences

from smoothlab.commands import main
from smoothlab.errors import UserMistake, disk_refusal
from smoothlab.rundir.writable import check_folder, check_output
from smoothlab.training.first_end import RankEnd

SUPPORT = Path(__file__).parent.parent / "support"
TINY = ["trainer.max_epochs=2", "logger=csv", "progress=none", "figures=false", "threads=1", "net.dropout=0.3"]
TRAIN = ["train", *TINY, "resume=auto"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing disturbed, and how many changes of the disk it made."""
    return undisturbed_disk(TRAIN, tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("share", [0.05, 0.35, 0.7])
@pytest.mark.parametrize("fault", [FULL, FULL_ONCE])
def test_a_full_disk_is_one_line_and_with_room_again_the_run_goes_on(whole, tmp_path, share, fault):
    with case(tmp_path / "case") as disk:
        disk.at, disk.fault = round(share * whole.changes), fault
        log = tmp_path / "log"
        code = run_command(TRAIN, disk.root, log, disk)
        output = log.read_text()
        assert disk.failed
        assert "Traceback" not in output
        assert "Logging error" not in output
        if code:
            assert code in (1, 2)
            lines = [line for line in output.splitlines() if re.search(r"cannot (be written|be made|write)", line)]
            assert len(lines) == 1, output
        assert run_command(TRAIN, disk.root, log) == 0, log.read_text()
        assert differences(whole.root, disk.root) == []


def test_what_the_disk_refuses_is_told_from_what_a_program_does_wrong(tmp_path):
    assert disk_refusal(OSError(28, "No space left on device", "a.csv")).endswith(
        "a.csv: cannot be written (No space left on device)"
    )
    assert "its folder is gone" in disk_refusal(FileNotFoundError(2, "No such file", str(tmp_path / "gone" / "file")))
    assert disk_refusal(FileNotFoundError(2, "No such file", str(tmp_path / "file"))) == ""
    assert disk_refusal(PermissionError(13, "Permission denied", "a")) == ""
    assert disk_refusal(ValueError("no")) == ""
    assert RankEnd.of(OSError(28, "No space left on device", "a.csv"), 0).trace == ""
    assert RankEnd.of(FileNotFoundError(2, "No such file", str(tmp_path / "file")), 0).trace


@pytest.mark.parametrize("length", [241, 300, 5000])
def test_a_name_that_no_file_system_takes_is_a_mistake(tmp_path, length):
    with pytest.raises(UserMistake, match="a name of more than 240 bytes"):
        check_output(tmp_path / f"{'a' * (length - 4)}.csv", (".csv",))
    with pytest.raises(UserMistake):
        check_output(tmp_path / ("b" * length) / "a.csv", (".csv",))


def test_links_to_nowhere_are_mistakes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    os.symlink("nowhere/at.csv", "out.csv")
    os.symlink("nowhere", "outputs")
    with pytest.raises(UserMistake, match=r"a link to 'nowhere/at\.csv', which is not there"):
        check_output(Path("out.csv"), (".csv",))
    with pytest.raises(UserMistake, match="'outputs' is a link to 'nowhere', which is not there; expected a folder"):
        check_folder(Path("outputs/medical/run"), key="output_root")
    assert main(["train", *TINY]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    os.unlink("outputs")
    Path("outputs").write_text("a file")
    assert main(["train", "-m", "seed=0,1", *TINY]) == 2
    assert "'outputs' is a file; expected a folder" in capsys.readouterr().err


@pytest.mark.parametrize(("hostile", "says"), [("remove", "its folder is gone"), ("limit", "cannot be written")])
def test_outputs_that_are_removed_or_limited_in_size_end_the_run_by_one_line(tmp_path, monkeypatch, hostile, says):
    shutil.copy(SUPPORT / "hostile_to_disks.py", tmp_path / "net_on_disk.py")
    monkeypatch.setenv("HOSTILE", hostile)
    words = [
        *TRAIN[:-1],
        "net._target_=net_on_disk.Net",
        "~net.hidden",
        "~net.dropout",
        "code=net_on_disk.py",
    ]
    words.remove("net.dropout=0.3")
    assert run_command(words, tmp_path, tmp_path / "log") == 1
    output = (tmp_path / "log").read_text()
    assert "Traceback" not in output, output
    assert len([line for line in output.splitlines() if says in line]) == 1, output


def test_a_ledger_that_cannot_be_written_ends_a_sweep_by_one_line_and_stands_as_it_was(tmp_path):
    words = ["train", "-m", "seed=0", "hydra.launcher.name=two", *TINY, "trainer.max_epochs=1"]
    with case(tmp_path / "case") as disk:
        assert run_command(words, disk.root, tmp_path / "log") == 0, (tmp_path / "log").read_text()
        (ledger,) = disk.root.rglob("sweep.json")
        before = ledger.read_bytes()
        disk.settle()
        disk.at, disk.fault = 1, FULL
        words[2] = "seed=0,1"
        assert run_command(words, disk.root, tmp_path / "log", disk) in (1, 2)
        output = (tmp_path / "log").read_text()
        assert "Traceback" not in output
        assert "No space left on device" in output.splitlines()[-1]
        assert ledger.read_bytes() == before
        assert run_command(words, disk.root, tmp_path / "log") == 0, (tmp_path / "log").read_text()
