"""`smoothlab sweep`: a sweep's table, and what pruning takes and leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from smoothlab.rundir.directory import RunDirectory
from smoothlab.sweeps.ledger import Ledger

OBJECTIVES = {"seed=0": 0.5, "seed=1": 0.3, "seed=2": 0.4, "seed=3": None, "seed=4": None}


@pytest.fixture
def sweep(empty_folder) -> Path:
    """A sweep of three runs that are done, one that failed and one that never started, as files alone."""
    folder = empty_folder / "sweep"
    folder.mkdir()
    ledger = Ledger(folder, {"net.width": 8})
    for number, (override, objective) in enumerate(OBJECTIVES.items()):
        entry = ledger.place(["logger=csv", override], f"{number}" * 64, override, {})
        run = ledger.run(entry)
        if override == "seed=4":
            continue
        for folder_of in (run.checkpoints, run.predictions):
            folder_of.mkdir(parents=True)
        for file in (run.best_checkpoint, run.last_checkpoint, run.predictions / "test.parquet"):
            file.write_bytes(bytes(1000))
        if objective is None:
            run.status.write_text(json.dumps({"state": "failed", "error": "the reason", "epoch": 2}))
            continue
        run.status.write_text(json.dumps({"state": "done"}))
        results = {"objective": {"value": objective, "mode": "min"}, "seconds": {"total": 1.5}, "epochs": 3}
        run.results.write_text(json.dumps(results))
    ledger.write()
    return folder


def run_of(sweep: Path, seed: int) -> RunDirectory:
    return RunDirectory(sweep / f"seed={seed}-{str(seed) * 8}")


def left(sweep: Path, seed: int) -> list[str]:
    run = run_of(sweep, seed)
    files = {
        "best": run.best_checkpoint,
        "last": run.last_checkpoint,
        "predictions": run.predictions / "test.parquet",
        "results": run.results,
    }
    return [name for name, file in files.items() if file.exists()]


def test_status_shows_states_objectives_and_errors(cli, sweep):
    code, out, _ = cli("sweep", "status", str(sweep))
    assert code == 1  # not every run is done
    lines = out.splitlines()
    assert lines[2].split() == ["1", "done", "0.3000", "*", "1.5", "seed=1"]
    assert lines[4].split() == ["3", "failed", "-", "-", "seed=3", "the", "reason"]
    assert lines[5].split() == ["4", "not", "started", "-", "-", "seed=4"]
    assert lines[6] == "5 runs: 3 done, 1 failed, 1 not started"


def test_status_for_other_programs(cli, sweep):
    code, out, _ = cli("sweep", "status", str(sweep), "--json")
    assert code == 1
    table = json.loads(out)
    assert [row["objective"] for row in table] == list(OBJECTIVES.values())
    assert table[3]["error"] == "the reason"
    assert table[3]["epoch"] == 2


def test_a_damaged_run_is_shown_and_does_not_hide_the_others(cli, sweep):
    run_of(sweep, 0).status.write_text("{")
    code, out, _ = cli("sweep", "status", str(sweep))
    assert code == 1
    assert "1 unreadable" in out
    assert "0.3000 *" in out


def test_pruning_only_says_what_it_would_do_unless_it_is_told_to(cli, sweep):
    code, out, _ = cli("sweep", "prune", str(sweep))
    assert code == 0
    *files, summary, advice = out.splitlines()
    assert len(files) == 4
    assert all(Path(file).is_file() for file in files)  # each is named
    assert summary == "would remove 4 files (checkpoints) of 2 runs, 4 kB; whole: seed=1-11111111"
    assert "dry_run=false" in advice
    assert all(len(left(sweep, seed)) == 4 for seed in range(3))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), {0: ["predictions", "results"], 1: ["best", "last", "predictions", "results"]}),
        (("keep=2",), {0: ["predictions", "results"], 2: ["best", "last", "predictions", "results"]}),
        (("keep=best_checkpoints",), {key: ["best", "predictions", "results"] for key in range(3)}),
        (("keep=none", "free=checkpoints,predictions"), {key: ["results"] for key in range(3)}),
        (("free=predictions",), {0: ["best", "last", "results"]}),
    ],
)
def test_pruning_keeps_what_the_policy_says(cli, sweep, words, expected):
    code, out, _ = cli("sweep", "prune", str(sweep), "dry_run=false", *words)
    assert code == 0
    assert out.splitlines()[-1].startswith("removed ")
    assert {seed: left(sweep, seed) for seed in expected} == expected
    assert left(sweep, 3) == ["best", "last", "predictions"]  # it is not done and can be continued
    assert "3 done" in cli("sweep", "status", str(sweep))[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("status",), "expected one directory"),
        (("status", "."), "not a sweep's directory"),
        (("status", "sweep", "--yaml"), "--yaml: no such option"),
        (("prune", "sweep", "keep=all"), "keep = all: expected best, a number of runs, best_checkpoints or none"),
        (("prune", "sweep", "free=results"), "free = results: expected checkpoints or predictions"),
        (("prune", "sweep", "dry_run=no"), "dry_run = no: expected true or false"),
        (("remove", "sweep"), "sweep remove: no such action"),
    ],
)
def test_mistakes(cli, sweep, words, message):
    code, _, err = cli("sweep", *words)
    assert code == 2
    assert message in err


@pytest.mark.parametrize("name", ["../../elsewhere", "/tmp/elsewhere", "..", ".", "", "a/b", 3, None])
@pytest.mark.parametrize("words", [("status",), ("prune", "dry_run=false")], ids=" ".join)
def test_a_ledger_does_not_lead_out_of_its_sweep(cli, sweep, name, words):
    precious = Path("elsewhere/checkpoints/best.ckpt")
    precious.parent.mkdir(parents=True)
    precious.write_text("precious")
    content = json.loads((sweep / "sweep.json").read_text())
    content["jobs"][0]["directory"] = name
    (sweep / "sweep.json").write_text(json.dumps(content))
    code, _, err = cli("sweep", words[0], str(sweep), *words[1:])
    assert code == 2
    assert "expected the name of a folder in the sweep's" in err
    assert precious.read_text() == "precious"


@pytest.mark.parametrize("where", ["run", "checkpoints"])
def test_pruning_follows_no_link(cli, sweep, where):
    place = run_of(sweep, 0).path if where == "run" else run_of(sweep, 0).checkpoints
    place.rename("elsewhere")
    place.symlink_to(Path("elsewhere").resolve())
    before = sorted(Path("elsewhere").rglob("*"))
    code, _, err = cli("sweep", "prune", str(sweep), "dry_run=false")
    assert code == 2
    assert "is a link" in err
    assert sorted(Path("elsewhere").rglob("*")) == before


def test_what_killed_processes_left_is_pruned_also_of_the_best_run(cli, sweep):
    leftover = run_of(sweep, 1).checkpoints / ".best.4711.ckpt"
    leftover.write_bytes(b"x" * 10)
    assert cli("sweep", "prune", str(sweep), "dry_run=false")[0] == 0
    assert not leftover.exists()
    assert run_of(sweep, 1).best_checkpoint.exists()


def test_a_sweep_that_runs_is_not_pruned(cli, sweep):
    with RunDirectory(sweep).held():
        code, _, err = cli("sweep", "prune", str(sweep), "dry_run=false")
    assert code == 2
    assert "in use by process" in err
    assert len(left(sweep, 0)) == 4


def test_a_ledger_of_another_format_is_refused(cli, sweep):
    file = sweep / "sweep.json"
    file.write_text(file.read_text().replace('"format": 1', '"format": 9'))
    code, _, err = cli("sweep", "status", str(sweep))
    assert code == 2
    assert "format 9" in err


def test_help(cli):
    code, out, _ = cli("sweep", "--help")
    assert code == 0
    assert "keep=best_checkpoints" in out


def test_a_password_in_the_storage_of_a_study_is_refused_by_the_key_that_was_typed(cli):
    code, _, err = cli("sweep", "status", "medical/1a2b", "storage=postgresql://me:secret@host/trials")
    assert code == 2
    assert "storage: holds a password" in err
    assert "'storage=${oc.env:SEARCH_STORAGE}'" in err
    assert "hydra" not in err
    assert "secret" not in err
