"""A sweep that the disk surely does not hold is refused before it starts."""

from __future__ import annotations

import shutil

import pytest

from smoothlab.errors import UserMistake
from smoothlab.sweeps.space import check_space, estimate, shown, size_of


def test_the_largest_finished_run_is_the_measure(tmp_path):
    for name, size in (("a", 10), ("b", 30)):
        (tmp_path / name / "checkpoints").mkdir(parents=True)
        (tmp_path / name / "checkpoints" / "best.ckpt").write_bytes(bytes(size))
    assert size_of(tmp_path) == 40
    assert estimate([tmp_path / "a", tmp_path / "b"], 10**9) == 30
    assert estimate([], None) is None
    assert estimate([], 10**9) > 6 * 10**9


def test_need_and_free_are_told_and_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(100, 0, 5_000_000))
    line = check_space(tmp_path / "not" / "there", 4, 1_000_000)
    assert line == "disk: about 4 MB for 4 runs of 1 MB; 5 MB are free"
    with pytest.raises(UserMistake, match=r"about 6 MB for 6 runs.*sweep prune"):
        check_space(tmp_path, 6, 1_000_000)


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2.5e12, "2.5 TB")])
def test_bytes_are_shown_with_a_unit(count, text):
    assert shown(count) == text
