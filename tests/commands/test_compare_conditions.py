"""Conditions of a comparison: levels compared one by one, students after their teachers, latency, slices."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

DATA = ("data=synthetic_medical", "data.rows=200", "data.val_rows=100", "data.test_rows=100", "net.hidden=[8]")
TINY = ("compare", *DATA, "trainer.max_epochs=2", "seeds=2", "grid=1", "n_jobs=2")
FEW_LEVELS = "vary.levels=[{at:0.25,overrides:['data.train_share=0.25']},{at:1,overrides:[]}]"


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> str:
    return f"output_root={tmp_path_factory.mktemp('outputs')}"


def folder(root: str) -> Path:
    return Path(root.split("=")[1]) / "comparisons" / "synthetic_medical"


def test_each_level_is_a_comparison_of_its_own(cli, root, drawn_figures):
    words = (*TINY, "condition=small_data", "take=[none,standard]", FEW_LEVELS, root)
    code, out, err = cli(*words)
    assert code == 0, err
    assert "2 arms, 2 seeds, 2 levels of small_data: 8 runs" in err
    table = pd.read_csv(folder(root) / "small_data" / "levels.csv").query("metric == 'nll'")
    comparison = json.loads((folder(root) / "small_data" / "comparison.json").read_text())
    for level in comparison["levels"]:
        for arm in ("none", "standard"):
            runs = [folder(root) / "runs" / name for name, run_arm in level["arms"].items() if run_arm == arm]
            results = [json.loads((run / "results.json").read_text()) for run in runs]
            configs = [yaml.safe_load((run / "config.yaml").read_text()) for run in runs]
            assert {config["data"]["train_share"] for config in configs} == {float(level["level"])}
            row = table[(table["arm"] == arm) & (table["at"] == float(level["level"]))]
            mean = sum(result["metrics"]["test"]["nll"] for result in results) / 2
            assert row["mean"].item() == pytest.approx(mean, abs=1e-6)
    assert out.count("page: ") == 2
    Path(comparison["page"]).unlink()
    assert cli(*words)[0] == 0  # the answer is written anew, in this process, which draws
    assert (folder(root) / "small_data" / "levels.png").stat().st_size > 10_000


def test_the_models_are_timed_on_runs_that_are_there(cli, root):
    code, out, err = cli(*TINY, "condition=real_time", "take=[none,standard]", root)
    assert code == 0, err
    assert "4 runs, 4 of them done before" in err  # those of the level with all rows
    table = pd.read_csv(folder(root) / "real_time" / "latency.csv")
    assert table["arm"].tolist() == ["none", "standard"]
    assert (table["batch_256_per_second"] > table["batch_1_per_second"]).all()
    assert (table["batch_1_p95_ms"] >= table["batch_1_median_ms"]).all()
    assert "latency" in out


def test_a_student_learns_from_the_run_of_its_own_seed(cli, root):
    taken = "take=[none,student_of_smoothed,max_suppression,smoothed_teacher]"  # the fourth is not cut off by debug
    words = (*TINY, "condition=distillation", taken, "debug=quick", root)
    code, _, err = cli(*words)
    assert code == 0, err
    place = folder(root).with_name(f"{folder(root).name}-debug")
    arms = json.loads((place / "distillation" / "comparison.json").read_text())["arms"]
    seeds = {name: json.loads((place / "runs" / name / "results.json").read_text())["seed"] for name in arms}
    teachers = {seeds[name]: name for name, arm in arms.items() if arm == "smoothed_teacher"}
    students = [name for name, arm in arms.items() if arm == "student_of_smoothed"]
    assert len(students) == len(teachers) == 2
    for name in students:
        config = yaml.safe_load((place / "runs" / name / "config.yaml").read_text())
        assert Path(config["smoothing"]["prior"]["net"]["path"]).name == teachers[seeds[name]]
    for plan in (place / "plans").iterdir():
        plan.unlink()
    code, _, err = cli(*words)  # planned anew, with the teachers there
    assert (code, "8 runs, 8 of them done before" in err) == (0, True), err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("condition=drift", "these data have no slices; split them by time"),
        ("condition=imbalance", "data.imbalance: no such key"),
        ("condition=noisy_label", "condition = noisy_label: no such option; nearest: noisy_labels"),
        ("condition=small_data vary.levels=[{at:1},{at:1.0}]", "vary.levels: two of them stand at the same place"),
        ("condition=real_time vary.measure=speed", "vary.measure = 'speed': expected one of slices, latency, cost"),
    ],
)
def test_a_condition_that_does_not_fit_is_one_line(cli, words, message):
    code, out, err = cli("compare", *DATA, *words.split())
    assert (code, out) == (2, ""), err
    assert len(err.strip().splitlines()) == 1, err
    assert message in err
    assert not list(Path().rglob("*"))
