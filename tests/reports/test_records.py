"""Run directories are read as they are; a broken one is named, and nothing in it is executed."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import yaml
from simulated_runs import simulated_arms, simulated_run

from smoothlab.errors import UserMistake
from smoothlab.metrics import classification_metrics
from smoothlab.reports.records import read_records


def test_a_run_is_read_with_its_predictions(tmp_path):
    simulated_run(tmp_path / "run", seed=3, data={"fold": 2})
    records = read_records([tmp_path])
    (run,) = records.records
    assert not records.problems
    assert (run.state, run.seed, run.fold, run.name, run.kind) == ("done", 3, 2, "simulated", "classification")
    predictions = run.predictions("test")
    assert predictions.class_names == ("a", "b", "c")
    assert predictions.probabilities.dtype == np.float64
    metrics = classification_metrics(predictions.probabilities, predictions.labels, from_logits=False)
    assert metrics["nll"] == pytest.approx(run.metrics("test")["nll"])
    assert run.epochs(("epoch",)) == {}
    assert run.flat["smoothing.strength.epsilon"] == 0.0


def test_runs_are_found_at_and_below_a_path_each_once(tmp_path):
    simulated_run(tmp_path / "sweep" / "one", seed=0)
    simulated_run(tmp_path / "sweep" / "two", seed=1)
    simulated_run(tmp_path / "sweep" / "one" / "inside", seed=2)  # what is inside of a run is none
    records = read_records([tmp_path, tmp_path / "sweep" / "one", str(tmp_path / "sweep")])
    assert [run.path.name for run in records.records] == ["one", "two"]


def test_broken_directories_are_named_and_the_others_are_read(tmp_path):
    simulated_run(tmp_path / "good")
    for name in ("results", "no_results", "status", "config", "no_metrics"):
        simulated_run(tmp_path / name)
    (tmp_path / "results" / "results.json").write_text('{"metrics": ')
    (tmp_path / "no_results" / "results.json").unlink()
    (tmp_path / "status" / "status.json").write_text("[1, 2]")
    (tmp_path / "config" / "config.yaml").write_text("seed: [1")
    (tmp_path / "no_metrics" / "results.json").write_text("{}")
    records = read_records([tmp_path, tmp_path / "not there"])
    assert [run.path.name for run in records.records] == ["good"]
    problems = {problem.path.name: problem.says for problem in records.problems}
    assert set(problems) == {"results", "no_results", "status", "config", "no_metrics", "not there"}
    assert problems["not there"] == "no such directory"
    assert "no such file" in problems["no_results"]
    assert all("\n" not in message for message in problems.values())


def test_a_config_that_asks_for_code_is_not_obeyed(tmp_path):
    path = simulated_run(tmp_path / "run")
    (path / "config.yaml").write_text(f"seed: !!python/object/apply:os.mkdir [{tmp_path / 'made'}]\n")
    records = read_records([tmp_path])
    assert not records.records
    assert "not readable" in records.problems[0].says
    assert not (tmp_path / "made").exists()


def test_unfinished_runs_keep_their_state_and_error(tmp_path):
    for name, status in (
        ("failed", {"state": "failed", "error": "ValueError: too hot"}),
        ("cut_off", {"state": "running"}),  # nobody holds the directory
    ):
        path = simulated_run(tmp_path / name)
        (path / "status.json").write_text(json.dumps(status))
    early = tmp_path / "early"
    early.mkdir()
    (early / "status.json").write_text(json.dumps({"state": "failed", "error": "no config yet"}))
    cut_off, early_run, failed = read_records([tmp_path]).records
    assert (failed.state, failed.error, failed.done) == ("failed", "ValueError: too hot", False)
    assert cut_off.state == "interrupted"
    assert early_run.error == "no config yet"


def test_arms_are_those_that_a_comparison_wrote(tmp_path):
    simulated_arms(tmp_path, {"none": {}, "mine": {}}, seeds=2)
    assert [run.arm for run in read_records([tmp_path]).records] == ["none", "none", "mine", "mine"]


@pytest.mark.parametrize("content", ["[1]", '{"arms": 3}', "nothing"])
def test_a_mapping_of_arms_that_is_none_is_passed_over(tmp_path, content):
    simulated_run(tmp_path / "one", epsilon=0.1)
    (tmp_path / "comparison.json").write_text(content)
    (run,) = read_records([tmp_path]).records
    assert run.arm == "this setting"


def test_without_one_arms_are_named_by_what_differs_but_for_seed_and_fold(tmp_path):
    for seed in range(2):
        for option, epsilon in (("none", 0.0), ("standard", 0.1), ("standard", 0.2)):
            simulated_run(
                tmp_path / f"{option}_{epsilon}_{seed}",
                epsilon=epsilon,
                seed=seed,
                data={"split_seed": seed, "fold": seed},
                choices={"smoothing": option, "data": "table"},
            )
    arms = [run.arm for run in read_records([tmp_path]).records]
    assert sorted(set(arms)) == ["smoothing=none", "smoothing=standard, epsilon 0.1", "smoothing=standard, epsilon 0.2"]
    assert all(arms.count(arm) == 2 for arm in arms)


def test_without_options_settings_tell_arms_apart(tmp_path):
    for number, (epsilon, hidden) in enumerate(((0.0, 8), (0.1, 8), (0.1, 16))):
        path = simulated_run(tmp_path / str(number), epsilon=epsilon)
        config = yaml.safe_load((path / "config.yaml").read_text()) | {"net": {"hidden": hidden}}
        (path / "config.yaml").write_text(yaml.safe_dump(config))
    assert [run.arm for run in read_records([tmp_path]).records] == [
        "hidden 8, epsilon 0.0",
        "hidden 8, epsilon 0.1",
        "hidden 16, epsilon 0.1",
    ]


def test_predictions_that_are_none_are_refused_in_one_line_and_missing_ones_are_none(tmp_path):
    (run,) = read_records([simulated_run(tmp_path / "run")]).records
    (run.path / "predictions" / "val.parquet").unlink()
    assert run.predictions("val") is None
    (run.path / "predictions" / "test.parquet").write_bytes(b"PAR1 no table PAR1")
    with pytest.raises(UserMistake, match="not readable as predictions") as raised:
        run.predictions("test")
    assert "\n" not in str(raised.value)
    assert replace(run).kind == "unknown"


def test_a_label_that_is_no_class_is_refused(tmp_path):
    import pandas as pd

    (run,) = read_records([simulated_run(tmp_path / "run")]).records
    file = run.path / "predictions" / "test.parquet"
    table = pd.read_parquet(file)
    table.loc[3, "label"] = "z"
    table.to_parquet(file, index=False)
    with pytest.raises(UserMistake, match="labels out of place"):
        run.predictions("test")


def test_a_config_whose_keys_are_no_texts_is_read(tmp_path):
    simulated_run(tmp_path / "run")
    with (tmp_path / "run" / "config.yaml").open("a") as file:
        file.write("3: x\n")
    assert len(read_records([tmp_path]).records) == 1
