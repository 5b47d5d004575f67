"""A comparison: its runs are paired, found again, chosen by validation alone, and answered for."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar

DATA = ("data=synthetic_medical", "data.rows=200", "data.val_rows=100", "data.test_rows=100", "net.hidden=[8]")
TINY = ("compare", *DATA, "trainer.max_epochs=3", "optimizer.lr=0.03", "seeds=3", "grid=2", "n_jobs=2")


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture
def compared(cli, root) -> Path:
    """The folder of a comparison that the first test makes and all others look at."""
    folder = root / "comparisons" / "medical"
    if not (folder / "comparison.json").is_file():
        code, out, err = cli(*TINY, "take=[none,standard,ensemble,temperature]", f"output_root={root}")
        assert code == 0, err
        (root / "out.txt").write_text(out)
    return folder


def told(folder: Path) -> dict:
    return json.loads((folder / "comparison.json").read_text())


def runs_of(folder: Path, arm: str) -> list[Path]:
    return [folder / "runs" / name for name, one in told(folder)["arms"].items() if one == arm]


def results(run: Path) -> dict:
    return json.loads((run / "results.json").read_text())


def predictions(run: Path, split: str) -> pd.DataFrame:
    return pd.read_parquet(run / "predictions" / f"{split}.parquet").sort_values("row", ignore_index=True)


def probabilities(table: pd.DataFrame) -> np.ndarray:
    return table[[name for name in table if name.startswith("prob_")]].to_numpy()


def nll(values: np.ndarray, table: pd.DataFrame) -> float:
    names = [name.removeprefix("prob_") for name in table if name.startswith("prob_")]
    return float(-np.log([row[names.index(label)] for row, label in zip(values, table["label"], strict=True)]).mean())


def written(folder: Path) -> dict[str, int]:
    return {str(file): file.stat().st_mtime_ns for file in (folder / "runs").glob("*/results.json")}


def test_it_ends_with_a_table_two_sentences_and_a_page(compared, root):
    lines = (root / "out.txt").read_text().splitlines()
    page = Path(lines[-1].removeprefix("page: "))
    assert page.is_file()
    assert page.suffix == ".html"
    assert [line.split()[0] for line in lines[2:6]] == ["none", "standard", "ensemble", "temperature"]
    assert len([line for line in lines if line.endswith(".")]) >= 2


def test_every_arm_has_the_same_seeds_on_the_same_samples(compared):
    for arm in ("none", "standard", "ensemble", "temperature"):
        assert sorted(results(run)["seed"] for run in runs_of(compared, arm)) == [0, 1, 2]
    rows = {tuple(predictions(run, "test")["row"]) for arm in ("none", "standard") for run in runs_of(compared, arm)}
    assert len(rows) == 1
    assert not any((run / "figures").exists() for run in runs_of(compared, "none"))


def test_the_strength_is_the_one_with_the_best_mean_validation_nll(compared):
    means = {}
    for run in (compared / "runs").glob("standard,*"):
        strength = float(run.name.split("epsilon=")[1].split(",")[0])
        means.setdefault(strength, []).append(results(run)["metrics"]["val"]["nll"])
    assert len(means) == 2
    assert {len(one) for one in means.values()} == {3}
    best = min(means, key=lambda strength: np.mean(means[strength]))
    assert told(compared)["chosen"]["standard"] == {"smoothing.strength.epsilon": best}
    assert {run.name.split("epsilon=")[1].split(",")[0] for run in runs_of(compared, "standard")} == {str(best)}


def test_the_ensemble_of_a_seed_is_the_mean_of_the_others(compared):
    members = {results(run)["seed"]: probabilities(predictions(run, "test")) for run in runs_of(compared, "none")}
    for run in runs_of(compared, "ensemble"):
        others = np.mean([members[seed] for seed in members if seed != results(run)["seed"]], axis=0)
        np.testing.assert_allclose(probabilities(predictions(run, "test")), others, rtol=1e-9)
        expected = nll(others, predictions(run, "test"))
        assert results(run)["metrics"]["test"]["nll"] == pytest.approx(expected, abs=1e-9)


def test_the_temperature_is_the_best_on_validation(compared):
    source = {results(run)["seed"]: run for run in runs_of(compared, "none")}
    for run in runs_of(compared, "temperature"):
        table = predictions(source[results(run)["seed"]], "val")

        def scaled(log_temperature: float, table: pd.DataFrame = table) -> float:
            powers = probabilities(table) ** np.exp(-log_temperature)
            return nll(powers / powers.sum(1, keepdims=True), table)

        best = minimize_scalar(scaled, bounds=(-3, 3), method="bounded", options={"xatol": 1e-9})
        assert results(run)["temperature"] == pytest.approx(float(np.exp(best.x)), rel=1e-4)
        assert results(run)["metrics"]["val"]["nll"] == pytest.approx(best.fun, abs=1e-9)


def test_the_same_command_trains_nothing_and_says_the_same(cli, compared, root, monkeypatch):
    def no_server(*_):
        raise AssertionError("nothing is left to run")

    before = written(compared)
    monkeypatch.setattr("smoothlab.processes.WarmServer", no_server)
    monkeypatch.setattr("smoothlab.comparing.answering._compare", no_server)
    code, out, err = cli(*TINY, "take=[none,standard,ensemble,temperature]", f"output_root={root}")
    assert (code, out) == (0, (root / "out.txt").read_text())
    assert "all of them done before" in err
    assert written(compared) == before


def test_an_arm_of_ones_own_is_trained_beside_what_is_there(cli, compared, root):
    before = written(compared)
    own = "arms.mine=[smoothing=standard,smoothing.strength.epsilon=0.3,net.hidden=[4,4]]"
    code, _, err = cli(*TINY, "take=[none,standard,mine]", own, f"output_root={root}")
    assert code == 0, err
    assert "12 runs, 9 of them done before" in err
    after = written(compared)
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 3
    (compared / "comparison.json").unlink()  # the other tests look at their own


def test_a_run_that_fails_is_named_and_the_others_are_compared(cli):
    bad = "arms.bad=[optimizer.lr=1e30]"
    code, out, err = cli(*TINY, "seeds=2", "take=[none,standard,bad]", "grid=1", bad)
    assert code == 1
    assert err.count("failed: outputs/comparisons/medical/runs/bad,") == 2
    assert "bad" not in [line.split()[0] for line in out.splitlines() if line.strip()]
    assert "standard" in out
    told_of = told(Path("outputs/comparisons/medical"))
    assert [one["arm"] for one in told_of["failed"]] == ["bad", "bad"]


def test_a_comparison_that_is_interrupted_goes_on_where_it_was(cli, monkeypatch):
    from smoothlab.sweeps.board import Board

    # one by one; those that train as one end together (tests/training/stacked/test_stacked_runs.py interrupts such)
    words = ("compare", *DATA, "trainer.max_epochs=1", "seeds=2", "grid=1", "take=[none,standard]", "n_jobs=1")
    words += ("engine=single",)
    advance = Board.advance

    def stop_after_two(board, *what, **how):
        advance(board, *what, **how)
        if board.done == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Board, "advance", stop_after_two)
        code, out, err = cli(*words)
    assert (code, out) == (130, "")
    assert "interrupted with 2 of 4 runs done" in err
    before = written(Path("outputs/comparisons/medical"))
    code, out, err = cli(*words)
    assert code == 0, err
    assert "4 runs, 2 of them done before" in err
    assert before.items() < written(Path("outputs/comparisons/medical")).items()


def own_file(rows: int = 90) -> tuple[str, ...]:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(rows, 3))
    label = np.where(x[:, 0] + generator.normal(size=rows) > 0, "yes", "no")
    pd.DataFrame(x, columns=["a", "b", "c"]).assign(label=label).to_csv("mine.csv", index=False)
    return "data=table", "data.path=mine.csv", "data.target=label", "name=mine"


def test_ones_own_file_is_compared_over_folds(cli):
    own = own_file()
    code, _, err = cli("compare", *own, "net.hidden=[4]", "folds=3", "grid=1", "debug=quick", "n_jobs=2")
    assert code == 0, err
    assert "3 arms, 3 folds: 9 runs" in err
    runs = runs_of(Path("outputs/comparisons/mine-debug"), "none")
    rows = [row for run in runs for row in predictions(run, "test")["row"]]
    assert sorted(rows) == list(range(90))  # each sample is a test sample once


def test_a_look_at_whether_it_runs_answers_nothing_and_lies_elsewhere(cli):
    own = own_file()
    words = ("net.hidden=[4]", "take=[none,standard]", "grid=1", "debug=quick", "n_jobs=2")
    code, out, err = cli("compare", *own, *words)
    assert code == 0, err
    assert "This is a look at whether everything runs" in out
    assert "helps" not in out
    assert "smoothlab train" not in out
    page = Path("outputs/comparisons/mine-debug/report/report.html").read_text()
    assert "<title>mine: does it run? (debug, no answer)" in page
    assert "Use " not in page.split("The arms side by side")[0]
    content = json.loads(Path("outputs/comparisons/mine-debug/comparison.json").read_text())
    assert (content["verdict"]["kind"], content["verdict"]["arm"]) == ("cannot_tell", None)
    assert not Path("outputs/comparisons/mine").exists()


SHORT = ("net.hidden=[4]", "take=[none,standard,ensemble,temperature]", "grid=1", "trainer.max_epochs=1", "n_jobs=2")


def test_few_rows_are_compared_over_folds_by_default_at_the_cost_of_as_many_seeds(cli):
    own = own_file()
    code, _, err = cli("compare", *own, *SHORT, "seeds=5")
    assert code == 0, err
    assert "2 arms, 5 folds: 10 runs" in err
    assert "left out: ensemble: needs 3 finished seeds of the baseline on each fold; there are 1" in err
    folder = Path("outputs/comparisons/mine")
    for arm in ("none", "standard", "temperature"):
        assert sorted(row for run in runs_of(folder, arm) for row in predictions(run, "test")["row"]) == list(range(90))
    assert "Every row is a test row once" in (folder / "report" / "report.html").read_text()
    answer = told(folder)
    assert answer["roles"] == {
        "none": "baseline",
        "standard": "smoothing",
        "temperature": "post_hoc",
    }
    code, _, err = cli("compare", *own, *SHORT, "seeds=5", "folds=none")
    assert code == 0, err
    assert "2 arms, 5 seeds: 10 runs" in err
    code, _, err = cli("compare", *own, *SHORT, "seeds=15", "folds=5")
    assert code == 0, err
    assert "2 arms, 3 seeds on 5 folds: 30 runs, 10 of them done before" in err
    ensembles = runs_of(folder, "ensemble")
    assert len(ensembles) == 15  # of the other seeds of the same fold


def test_the_answer_is_data_too_and_the_commands_can_be_typed(cli):
    own = own_file()
    code, out, err = cli("compare", *own, *SHORT, "seeds=5", "level=0.9")
    assert code == 0, err
    verdict = told(Path("outputs/comparisons/mine"))["verdict"]
    assert verdict["hero"] == "standard"
    assert verdict["difference"]["level"] == 0.9
    assert verdict["findings"][0] in out
    for step in verdict["steps"]:
        assert step["says"] in out
        assert step["command"] in out
    more = [step["command"] for step in verdict["steps"] if step["command"].startswith("smoothlab compare")]
    if verdict["kind"] == "cannot_tell":
        (again,) = more
        assert again.endswith("seeds=20 folds=5")
    train = [step["command"] for step in verdict["steps"] if step["command"].startswith("smoothlab train")]
    for command in train:
        code, _, err = cli(*shlex.split(command)[1:], "trainer.max_epochs=1")
        assert code == 0, err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("budget=cheap", "budget = cheap: no such option; "),
        ("take=[none,standart]", "take = standart: no such arm; nearest: standard; "),
        ("take=[none]", "take = ['none']: nothing to compare none with"),
        ("take=[none,hierarchical]", "arm hierarchical: the classes have no tree"),
        ("baseline=ensemble", "baseline = ensemble: is made from predictions"),
        ("seeds=1", "seeds = 1: expected an integer of at least 2"),
        ("level=2.0", "level = 2.0: expected a number between 0.5 and 1"),
        ("margin=-1", "margin = -1: expected a share of the baseline's NLL in [0, 1)"),
        ("folds=1", "folds = 1: expected auto, none or an integer of at least 2"),
        ("n_jobs=0", "n_jobs = 0: expected"),
        ("arms.mine=[smoothing]", "arms.mine: 'smoothing' is no override"),
        ("arms.mine=[smoothing=standart]", "arm mine: smoothing = standart: no such option; nearest: standard"),
        ("arms.mine=[net.droput=0.1]", "arm mine: net.droput: no such key; nearest: net.dropout"),
        ("arms.mine={grid: 3}", "arms.mine.grid = 3: expected a list of values by key"),
        ("data.rows=-1", "data"),
        ("folds=3", "folds = 3: these data have no folds; give seeds"),
        ("resume=auto", "resume: is of single runs"),
        ("-m seed=0,1", "-m: smoothlab compare runs once"),
        ("optimiser.lr=1", "optimiser.lr: no such key; nearest: optimizer.lr"),
    ],
)
def test_a_mistake_is_one_line_and_makes_nothing(cli, words, message):
    splitted = [words] if words.startswith("arms") else words.split()
    code, out, err = cli("compare", *DATA, "budget=quick", *splitted)
    assert (code, out) == (2, ""), err
    assert len(err.strip().splitlines()) == 1, err
    assert message in err
    assert not list(Path().rglob("*"))
