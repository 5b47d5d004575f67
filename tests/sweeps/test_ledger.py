"""The ledger: what is the same sweep, what is the same run, what a directory is called."""

from __future__ import annotations

import json

import pytest

from smoothlab.errors import UserMistake
from smoothlab.sweeps.ledger import Ledger, common, prefixes, sweep_hash
from smoothlab.sweeps.table import as_text, rows


def test_a_ledger_comes_back_as_it_was_written(tmp_path):
    ledger = Ledger(tmp_path, {"net.width": 8})
    entry = ledger.place(["seed=0"], "a" * 64, "seed=0", {})
    ledger.write()
    again = Ledger.open(tmp_path, {"net.width": 8})
    assert again.entries == [entry]
    assert again.created == ledger.created
    assert again.run(entry).path == tmp_path / "seed=0-aaaaaaaa"


def test_the_base_is_what_all_configs_have_in_common():
    configs = [{"seed": seed, "net": {"width": 8, "depth": 2}, "logger": {"csv": {}}} for seed in range(2)]
    assert common(configs) == {"net.width": 8, "net.depth": 2}


def test_a_run_that_lives_without_getting_ahead_says_so(tmp_path):
    ledger = Ledger(tmp_path, {})
    for seed, progress in enumerate(("2026-01-01T10:00:00+00:00", "2026-01-01T10:11:00+00:00")):
        run = ledger.run(ledger.place([f"seed={seed}"], str(seed) * 64, f"seed={seed}", {}))
        run.path.mkdir()
        status = {"state": "running", "heartbeat": "2026-01-01T10:12:00+00:00", "progress": progress}
        run.status.write_text(json.dumps(status))
        run.lock.touch()
    with ledger.run(ledger.entries[0]).held(), ledger.run(ledger.entries[1]).held():
        table = rows(ledger)
    assert [row.silent_s for row in table] == [720.0, 60.0]
    stuck, fine = as_text(table).splitlines()[1:3]
    assert stuck.endswith("alive, but no batch for 12 min")
    assert "alive" not in fine


def test_another_base_is_refused_and_the_difference_shown(tmp_path):
    Ledger(tmp_path, {"net.width": 8, "seed": 0}).write()
    with pytest.raises(UserMistake, match=r"net\.width: 8 -> 16"):
        Ledger.open(tmp_path, {"net.width": 16})
    assert Ledger.open(tmp_path, {"net.width": 8}).base == {"net.width": 8}  # it now has more than one seed


def test_a_run_whose_data_changed_is_refused(tmp_path):
    ledger = Ledger(tmp_path, {})
    ledger.place(["seed=0", "logger=csv"], "a" * 64, "seed=0", {})
    assert len({ledger.place(["logger=wandb", "seed=0"], "a" * 64, "x", {}) for _ in range(2)}) == 1
    with pytest.raises(UserMistake, match="changed since it ran"):
        ledger.place(["seed=0"], "b" * 64, "seed=0", {})


def test_a_sweep_is_known_by_what_makes_a_difference():
    plain = sweep_hash(["seed=0,1", "optimizer.lr=0.1"])
    same = ["optimizer.lr=0.1", "seed=0,1", "logger=csv", "hydra.launcher.n_jobs=2", "output_root=x", "threads=1"]
    assert sweep_hash(same) == plain
    assert sweep_hash(["seed=0,1,2", "optimizer.lr=0.1"]) != plain


def test_directories_are_called_by_what_differs():
    jobs = [("optimizer.lr=0.1", "net.hidden=[8,8]", f"seed={seed}") for seed in range(2)]
    assert prefixes(jobs, otherwise="medical") == ["seed=0", "seed=1"]
    assert prefixes(jobs[:1], otherwise="medical") == ["medical"]
    jobs = [("smoothing/strength=cosine", "data.path=a b/../c.csv"), ("smoothing/strength=linear", "data.path=d.csv")]
    assert prefixes(jobs, otherwise="x") == ["path=a_b_.._c.csv,strength=cosine", "path=d.csv,strength=linear"]
    long = prefixes([(f"name_of_a_key={'v' * 300}",), ("b=1",)], otherwise="x")[0]
    assert len(long) <= 80


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 1}', '{"format": 1, "jobs": [{}], "base": {}, "created": ""}'])
def test_a_damaged_ledger_is_told_in_one_line(tmp_path, text):
    (tmp_path / "sweep.json").write_text(text)
    with pytest.raises(UserMistake, match=r"sweep\.json: (not readable|expected a JSON object)"):
        Ledger.read(tmp_path)
