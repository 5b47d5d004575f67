"""A comparison of simulated arms: true differences are found, equal arms are left alone, nothing crashes."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from simulated_runs import simulated_arms, simulated_run

from smoothlab.errors import UserMistake
from smoothlab.metrics import aurc, bootstrap, classification_metrics, macro_f1
from smoothlab.metrics.prediction import Prediction
from smoothlab.metrics.selective import RiskCoverage
from smoothlab.reports import evidence
from smoothlab.reports import records as records_module
from smoothlab.reports.classes import class_table
from smoothlab.reports.comparison import COLUMNS, Comparison
from smoothlab.reports.critical_difference import CriticalDifference
from smoothlab.reports.evidence import judged, optimal_temperature
from smoothlab.reports.page import write_page
from smoothlab.reports.records import read_records
from smoothlab.reports.stack import Stack
from smoothlab.statistics import bootstrap_variance, cross_validated, nadeau_bengio, paired_t


def compared(folder, **options):
    return Comparison.of(read_records([folder]).records, **options)


@pytest.fixture(scope="module")
def better(tmp_path_factory):
    """An arm with much smaller errors, and one that is as the baseline."""
    folder = tmp_path_factory.mktemp("better")
    return simulated_arms(
        folder, {"none": {"noise": 1.2}, "smooth": {"noise": 0.4}, "same": {"noise": 1.2}}, seeds=4, rows=1200
    )


def test_smoothing_that_is_truly_better_helps(better):
    compared_runs = compared(better)
    assert [arm.name for arm in compared_runs.arms] == ["none", "smooth", "same"]
    assert compared_runs.arms[0].is_baseline
    assert (compared_runs.verdict.kind, compared_runs.verdict.hero, compared_runs.verdict.arm) == (
        "helps",
        "smooth",
        "smooth",
    )
    assert compared_runs.verdict.sentences[0].startswith(
        "Smoothing helps: smooth lowers the test NLL of no smoothing by "
    )
    assert "does not do as well" in compared_runs.verdict.sentences[1]
    assert compared_runs.verdict.sentences[2] == "Use smooth."
    assert all(check.passed for check in compared_runs.verdict.checks)
    row = compared_runs.row("smooth", "nll")
    assert row["difference_low"] < row["difference"] < row["difference_high"] < 0
    # the arm that stands for smoothing is tested once, for what its choice has seen of the luck of the trainings
    assert row["p"] < row["p_holm"] < 2 * row["p"]
    assert row["prob_best"] > 0.95
    assert compared_runs.row("same", "nll")["p_holm"] > 0.05


def test_the_table_has_each_arm_variant_and_metric_once(better):
    table = compared(better).table
    assert tuple(table.columns) == COLUMNS
    assert not table.duplicated(["arm", "variant", "metric"]).any()
    assert len(table) == 3 * 2 * 8
    best = table.groupby(["variant", "metric"])["prob_best"].sum()
    np.testing.assert_allclose(best, 1.0)
    assert (table["low"] <= table["mean"]).all()
    assert (table["mean"] <= table["high"]).all()
    assert table[table["arm"] == "none"]["difference"].isna().all()


def test_means_and_differences_are_those_of_the_runs(better):
    records = read_records([better]).records
    comparison = Comparison.of(records)
    for metric in ("nll", "accuracy", "ece", "aurc", "macro_f1"):
        values = {
            arm: np.array([record.metrics("test")[metric] for record in records if record.arm == arm])
            for arm in ("none", "smooth")
        }
        row = comparison.row("smooth", metric)
        assert row["mean"] == pytest.approx(values["smooth"].mean())
        assert row["difference"] == pytest.approx((values["smooth"] - values["none"]).mean())


def test_temperature_scaling_that_does_as_well_is_said_in_the_second_sentence(tmp_path):
    folder = simulated_arms(tmp_path, {"none": {"scale": 3.0}, "smooth": {"noise": 0.48}}, seeds=4)
    comparison = compared(folder)
    assert comparison.verdict.arm == "smooth"
    assert "Temperature scaling after no smoothing does as well" in comparison.verdict.sentences[1]
    assert comparison.row("none", "nll", "temperature")["mean"] < comparison.row("none", "nll")["mean"] - 0.1
    assert comparison.row("none", "accuracy", "temperature")["mean"] == comparison.row("none", "accuracy")["mean"]


def test_an_arm_that_is_the_scaled_baseline_is_said_to_be_it(tmp_path):
    folder = simulated_arms(tmp_path, {"none": {"scale": 3.0, "rows": 200}}, seeds=3)
    arms = json.loads((folder / "comparison.json").read_text())["arms"]
    for run in read_records([folder]).records:
        shutil.copytree(run.path, path := folder / f"scaled_{run.seed}")
        arms[path.name] = "temperature"
        results = run.results | {"made_of": "temperature"}
        temperature = optimal_temperature(run.predictions("val"))
        for split in ("val", "test"):
            predictions = run.predictions(split)
            shares = predictions.probabilities ** (1 / temperature)
            shares /= shares.sum(1, keepdims=True)
            results["metrics"][split] = classification_metrics(shares, predictions.labels, from_logits=False)
            table = pd.read_parquet(path / "predictions" / f"{split}.parquet")
            table[[f"prob_{name}" for name in predictions.class_names]] = shares
            table.to_parquet(path / "predictions" / f"{split}.parquet", index=False)
        (path / "results.json").write_text(json.dumps(results))
    (folder / "comparison.json").write_text(json.dumps({"arms": arms}))
    comparison = compared(folder)
    assert (comparison.verdict.hero, comparison.verdict.best, comparison.verdict.arm) == (
        None,
        "temperature",
        "temperature",
    )
    assert "no arm smooths" in comparison.verdict.smoothing
    assert "temperature (after training) has the lowest validation NLL" in comparison.verdict.overall


def test_smoothing_that_is_truly_worse_hurts(tmp_path):
    comparison = compared(simulated_arms(tmp_path, {"none": {}, "worse": {"noise": 1.4}}, seeds=3, rows=900))
    assert (comparison.verdict.kind, comparison.verdict.hero, comparison.verdict.best) == ("hurts", "worse", "none")
    assert comparison.verdict.sentences[0].startswith("Smoothing hurts: worse raises the test NLL of no smoothing by ")
    assert comparison.verdict.sentences[2].startswith("Keep no smoothing")


def test_a_gain_within_noise_cannot_be_told(tmp_path):
    comparison = compared(
        simulated_arms(tmp_path, {"none": {"noise": 0.5}, "hardly": {"noise": 0.47}}, seeds=2, rows=120)
    )
    assert (comparison.verdict.kind, comparison.verdict.arm) == ("cannot_tell", None)
    assert "cannot be told from these rows and runs" in comparison.verdict.sentences[0]
    assert comparison.verdict.detectable > abs(comparison.verdict.difference.mean)


def test_arms_that_hardly_differ_make_no_difference_that_matters(tmp_path):
    arms = {"none": {"noise": 0.5}, "alike": {"noise": 0.5, "epsilon": 0.0001}}  # the same errors: epsilon rounds to 0
    comparison = compared(simulated_arms(tmp_path, arms, seeds=3, rows=600))
    assert comparison.verdict.kind == "no_difference"
    assert comparison.verdict.margin == pytest.approx(0.02 * comparison.row("none", "nll")["mean"])
    assert (
        -comparison.verdict.margin
        < comparison.verdict.equivalence.low
        <= comparison.verdict.equivalence.high
        < comparison.verdict.margin
    )
    assert compared(tmp_path, margin=0.0).verdict.kind == "cannot_tell"


def test_a_gain_in_nll_that_costs_accuracy_says_so_and_is_not_recommended(tmp_path):
    """The baseline is right more often, but far over-confident."""
    comparison = compared(
        simulated_arms(tmp_path, {"none": {"noise": 0.1, "scale": 6.0}, "calm": {"noise": 1.5, "scale": 0.7}})
    )
    assert comparison.row("calm", "nll")["difference_high"] < 0
    assert (comparison.verdict.kind, comparison.verdict.arm) == ("helps", "none")
    assert ", but its test accuracy is lower by " in comparison.verdict.sentences[0]
    assert {check.name for check in comparison.verdict.checks if not check.passed} >= {"accuracy", "AURC"}


def test_one_seed_has_intervals_over_samples_and_says_so(tmp_path):
    comparison = compared(simulated_arms(tmp_path, {"none": {"noise": 1.2}, "smooth": {"noise": 0.4}}, seeds=1))
    assert "One run an arm" in comparison.notes[0]
    assert comparison.verdict.kind == "cannot_tell"
    assert math.isnan(comparison.verdict.detectable)
    assert "cannot be told from one run an arm" in comparison.verdict.sentences[0]
    row = comparison.row("none", "nll")
    (run,) = [record for record in read_records([tmp_path]).records if record.arm == "none"]
    predictions = run.predictions("test")
    expected = bootstrap(
        predictions.probabilities, predictions.labels, from_logits=False, metrics=["nll"], resamples=4000
    )["nll"]
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high), rel=0.05)


def fold_runs(tmp_path, **data):
    for arm, (epsilon, noise) in {"none": (0.0, 0.8), "smooth": (0.1, 0.5)}.items():
        for fold in range(3):
            own = {"fold": fold, "folds": 3, **data}
            simulated_run(tmp_path / f"{arm}{fold}", epsilon=epsilon, noise=noise, test=fold, data=own)
    records = read_records([tmp_path]).records
    values = {
        arm: np.array([record.metrics("test")["nll"] for record in records if record.arm == arm])
        for arm in ("epsilon 0.0", "epsilon 0.1")
    }
    return Comparison.of(records), values["epsilon 0.1"] - values["epsilon 0.0"]


def test_folds_have_the_interval_of_their_rows_each_a_test_row_once(tmp_path):
    comparison, values = fold_runs(tmp_path)
    within = []
    for fold in range(3):
        nll = []
        for arm in ("none", "smooth"):
            table = pd.read_parquet(tmp_path / f"{arm}{fold}" / "predictions" / "test.parquet")
            nll.append(-np.log([row[f"prob_{row['label']}"] for _, row in table.iterrows()]))
        difference = nll[1] - nll[0]
        blocks = np.bincount(np.arange(300) % 256, difference - difference.mean())
        within.append(float((blocks**2).sum()) / 300**2 * 256 / 255)
    expected = cross_validated(values, within, samples=900)
    row = comparison.row("epsilon 0.1", "nll")
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((expected.low, expected.high), rel=1e-6)
    assert "Every row is a test row once" in comparison.notes[0]


def test_folds_of_whole_groups_have_the_corrected_interval(tmp_path):
    comparison, values = fold_runs(tmp_path, split="group", split_column="patient")
    expected = nadeau_bengio(values, 0.5)
    row = comparison.row("epsilon 0.1", "nll")
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((expected.low, expected.high))
    assert "Nadeau" in comparison.notes[0]


def test_folds_without_predictions_have_the_t_interval_over_them(tmp_path):
    fold_runs(tmp_path)
    for path in tmp_path.iterdir():
        shutil.rmtree(path / "predictions")
    records = read_records([tmp_path]).records
    row = Comparison.of(records).row("epsilon 0.1", "nll")
    values = {
        arm: np.array([record.metrics("test")["nll"] for record in records if record.arm == arm])
        for arm in ("epsilon 0.0", "epsilon 0.1")
    }
    expected = paired_t(values["epsilon 0.1"] - values["epsilon 0.0"])
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((expected.low, expected.high))


def test_seeds_on_each_fold_are_averaged_and_smoothing_arms_hold_at_once(tmp_path):
    arms = {"none": (0.0, 0.8), "standard": (0.1, 0.7), "gradual": (0.2, 0.7), "dropout": (0.0, 0.9)}
    named = {}
    for arm, (epsilon, noise) in arms.items():
        for fold in range(3):
            for seed in range(2):
                path = tmp_path / f"{arm}{fold}{seed}"
                own = {"fold": fold, "folds": 3}
                simulated_run(path, epsilon=epsilon, noise=noise, seed=seed, test=fold, data=own)
                named[path.name] = arm
    (tmp_path / "comparison.json").write_text(json.dumps({"arms": named}))
    records = read_records([tmp_path]).records
    both = Comparison.of(records)
    alone = Comparison.of([record for record in records if record.arm != "gradual"])
    wide, narrow = (comparison.row("standard", "nll") for comparison in (both, alone))
    assert wide["difference"] == pytest.approx(narrow["difference"])
    factor = (wide["difference_high"] - wide["difference"]) / (narrow["difference_high"] - narrow["difference"])
    assert 1.0 < factor < 1.16  # Sidak's of two: 1.14
    assert both.row("dropout", "nll")["difference_low"] == alone.row("dropout", "nll")["difference_low"]
    means = [
        np.mean([record.metrics("test")["nll"] for record in records if record.arm == arm])
        for arm in ("standard", "none")
    ]
    assert wide["difference"] == pytest.approx(means[0] - means[1])


def test_over_seeds_intervals_of_smoothing_arms_are_wider_for_the_luck_that_their_choice_has_seen(better):
    records = read_records([better]).records
    both = Comparison.of(records)
    alone = Comparison.of([record for record in records if record.arm != "same"])
    for metric in ("nll", "accuracy"):
        wide, narrow = (comparison.row("smooth", metric) for comparison in (both, alone))
        factor = (wide["difference_high"] - wide["difference"]) / (narrow["difference_high"] - narrow["difference"])
        assert wide["difference"] == narrow["difference"]
        assert 1.0 < factor < 1.16  # Sidak's of two: 1.14


def test_rows_of_groups_on_one_split_are_warned_of(tmp_path):
    for epsilon in (0.0, 0.1):
        for seed in range(2):
            data = {"split": "group", "split_column": "patient"}
            simulated_run(tmp_path / f"{epsilon}_{seed}", epsilon=epsilon, seed=seed, data=data)
    comparison = Comparison.of(read_records([tmp_path]).records)
    assert any("Rows of one group stay together" in note for note in comparison.notes)


def test_rows_drawn_anew_for_each_seed_have_the_paired_t_interval(tmp_path):
    for epsilon in (0.0, 0.1):
        for seed in range(3):
            path = tmp_path / f"{epsilon}_{seed}"
            simulated_run(path, epsilon=epsilon, seed=seed, test=seed, data={"row_seed": seed})
    records = read_records([tmp_path]).records
    row = Comparison.of(records).row("epsilon 0.1", "accuracy")
    values = np.array(
        [
            [record.metrics("test")["accuracy"] for record in records if record.arm == f"epsilon {epsilon}"]
            for epsilon in (0.0, 0.1)
        ]
    )
    expected = paired_t(values[1] - values[0])
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((expected.low, expected.high))


def test_arms_without_a_partner_are_compared_on_what_is_paired(tmp_path):
    folder = simulated_arms(tmp_path, {"none": {}, "smooth": {}, "elsewhere": {"test": 7}}, seeds=3)
    shutil.rmtree(folder / "run_1_0")
    (folder / "run_1_1" / "status.json").write_text(json.dumps({"state": "failed", "error": "it broke"}))
    comparison = compared(folder)
    assert comparison.row("smooth", "nll")["seeds"] == 1
    assert math.isfinite(comparison.row("smooth", "nll")["difference"])
    assert math.isnan(comparison.row("elsewhere", "nll")["difference"])
    notes = " ".join(comparison.notes)
    assert "Not finished, of 2 runs of smooth: 1 failed (it broke)" in notes
    assert "Unequal splits: 3 runs of elsewhere" in notes


def test_an_arm_that_failed_altogether_is_named(tmp_path):
    folder = simulated_arms(tmp_path, {"none": {}, "smooth": {}}, seeds=1)
    (folder / "run_1_0" / "status.json").write_text(json.dumps({"state": "failed", "error": "it broke"}))
    comparison = compared(folder)
    assert [(arm.name, arm.runs) for arm in comparison.arms] == [("none", 1), ("smooth", 0)]
    assert "nothing is known of this arm" in " ".join(comparison.notes)
    assert (comparison.verdict.kind, comparison.verdict.hero) == ("cannot_tell", None)
    assert "no smoothing arm has finished runs" in comparison.verdict.sentences[0]


def test_predictions_that_cannot_be_read_leave_the_run_out(tmp_path):
    folder = simulated_arms(tmp_path, {"none": {}, "smooth": {}}, seeds=2)
    (folder / "run_1_0" / "predictions" / "test.parquet").write_bytes(b"nothing")
    comparison = compared(folder)
    assert comparison.row("smooth", "nll")["seeds"] == 1
    assert any("not readable as predictions" in note for note in comparison.notes)


def test_runs_without_such_predictions_count_with_their_results(tmp_path):
    """As of several labels a sample, and of translation."""
    folder = simulated_arms(tmp_path, {"none": {}, "smooth": {}}, seeds=3)
    for path in folder.glob("run_*"):
        shutil.rmtree(path / "predictions")
        results = json.loads((path / "results.json").read_text())
        seed = results["seed"]
        results["metrics"] = {
            split: {"nll": 1.0 + 0.1 * seed, "bleu": 30.0 + seed, "own_metric": 1.0} for split in ("val", "test")
        }
        (path / "results.json").write_text(json.dumps(results))
    comparison = compared(folder)
    assert set(comparison.metrics) == {"nll", "bleu"}
    assert set(comparison.table["variant"]) == {"raw"}
    row = comparison.row("none", "bleu")
    expected = paired_t([30.0, 31.0, 32.0])
    assert (row["low"], row["high"], row["better"]) == (
        pytest.approx(expected.low),
        pytest.approx(expected.high),
        "max",
    )
    assert any("metrics are those in results.json" in note for note in comparison.notes)


def test_votes_are_known_by_metrics_that_the_predictions_do_not_give(tmp_path):
    folder = simulated_arms(tmp_path, {"none": {}, "smooth": {}}, seeds=2)
    for path in folder.glob("run_*"):
        results = json.loads((path / "results.json").read_text())
        results["metrics"]["test"]["nll"] = 0.123
        (path / "results.json").write_text(json.dumps(results))
    comparison = compared(folder)
    assert comparison.row("none", "nll")["mean"] == pytest.approx(0.123)
    assert any("votes" in note for note in comparison.notes)


def test_another_baseline_can_be_named_and_an_unknown_one_is_a_mistake(better):
    comparison = compared(better, baseline="smooth")
    assert comparison.arms[0].name == "smooth"
    assert (comparison.verdict.kind, comparison.verdict.hero) == ("hurts", "same")
    assert comparison.verdict.sentences[0].startswith("Other smoothing hurts: same raises the test NLL of smooth by ")
    with pytest.raises(UserMistake, match="baseline = 'nine': no such arm; expected one of none, same, smooth"):
        compared(better, baseline="nine")
    with pytest.raises(UserMistake, match="nothing to compare"):
        Comparison.of([])


def test_what_is_written_as_json_has_no_number_that_is_none(better):
    text = json.dumps(compared(better).to_json(), allow_nan=False)
    content = json.loads(text)
    assert content["verdict"]["arm"] == "smooth"
    assert content["table"][0]["difference"] is None


def test_the_noise_of_smooth_metrics_is_what_leaving_a_sample_out_shows():
    random = np.random.default_rng(0)
    logits, labels = random.normal(size=(80, 3)), random.integers(0, 3, 80)
    noise = judged(Prediction.of(logits, labels, from_logits=True), 15)[1]
    for name, metric in (("aurc", aurc), ("macro_f1", macro_f1)):
        whole = metric(logits, labels, from_logits=True)
        left_out = [metric(np.delete(logits, i, 0), np.delete(labels, i), from_logits=True) - whole for i in range(80)]
        assert np.corrcoef(-np.array(left_out), noise[name])[0, 1] > 0.98
        jackknife = 79 / 80 * ((np.array(left_out) - np.mean(left_out)) ** 2).sum()
        assert noise[name] @ noise[name] == pytest.approx(jackknife, rel=0.12)


def test_the_noise_of_means_and_binned_errors_is_that_of_the_bootstrap():
    random = np.random.default_rng(1)
    logits, labels = 2 * random.normal(size=(250, 3)), random.integers(0, 3, 250)
    prediction = Prediction.of(logits, labels, from_logits=True)
    values, noise = judged(prediction, 15)
    expected = classification_metrics(logits, labels, from_logits=True)
    assert values == pytest.approx({name: expected[name] for name in values})
    assert noise["nll"] @ noise["nll"] == pytest.approx(bootstrap_variance(prediction.nll), rel=1e-9)
    intervals = bootstrap(logits, labels, from_logits=True, metrics=["ece"], resamples=2000)
    width = intervals["ece"].high - intervals["ece"].low
    assert 2 * 1.96 * math.sqrt(noise["ece"] @ noise["ece"]) == pytest.approx(width, rel=0.15)


def test_equal_confidences_do_not_change_the_area_by_much():
    correct = np.array([1.0, 0.0, 1.0, 0.0] * 10)
    logits, labels = np.zeros((40, 2)), (1 - correct).astype(int)
    influence = Stack(Prediction.of(logits, labels, from_logits=True), 1).influence_on_aurc
    assert np.isfinite(influence).all()


@pytest.mark.parametrize("ties", ["none", "some", "all"])
@pytest.mark.parametrize(("samples", "classes"), [(1, 3), (7, 2), (300, 4)])
def test_runs_judged_together_are_judged_as_each_alone(samples, classes, ties):
    random = np.random.default_rng(3)
    logits, labels = 2 * random.normal(size=(3 * samples, classes)), random.integers(0, classes, 3 * samples)
    logits = {"none": logits, "some": np.round(logits), "all": 0 * logits}[ties]
    together = Stack(Prediction.of(logits, labels, from_logits=True), 3)
    values, noise, curve, table = together.values(15), together.noise(15), together.curve(100), together.of_classes(15)
    for run in range(3):
        part = slice(run * samples, (run + 1) * samples)
        alone = Prediction.of(logits[part], labels[part], from_logits=True)
        own_values, own_noise = judged(alone, 15)
        expected = classification_metrics(logits[part], labels[part], from_logits=True)
        for name, value in own_values.items():
            assert values[name][run] == pytest.approx(value, abs=1e-12)
            assert expected[name] == pytest.approx(value, abs=1e-12)
            np.testing.assert_allclose(noise[name][run], own_noise[name], atol=1e-12)
        risks = RiskCoverage.of(logits[part], labels[part], from_logits=True).curve(100)[1]
        np.testing.assert_allclose(curve[run], risks, atol=1e-12)
        of_classes = class_table(
            logits[part], labels[part], from_logits=True, class_names=[str(k) for k in range(classes)]
        )
        for name in table:
            np.testing.assert_allclose(table[name][run], of_classes[name], atol=1e-12)


def test_each_file_of_predictions_is_read_once_for_a_report(tmp_path, monkeypatch):
    simulated_arms(tmp_path / "runs", {"none": {}, "smooth": {"noise": 0.4}}, seeds=2, rows=60)
    for path in (tmp_path / "runs").rglob("results.json"):  # as runs write it; without it a look at the columns tells
        path.write_text(json.dumps(json.loads(path.read_text()) | {"task_kind": "classification"}))
    asked = Counter()
    read = records_module.read_parquet
    monkeypatch.setattr(records_module, "read_parquet", lambda path, *more: asked.update([path]) or read(path, *more))
    records = read_records([tmp_path / "runs"])
    write_page(Comparison.of(records.records), records, tmp_path / "page", title="once")
    assert len(asked) == 8
    assert set(asked.values()) == {1}


def test_many_runs_are_judged_in_parts_that_fit(tmp_path, monkeypatch):
    simulated_arms(tmp_path, {"none": {}, "smooth": {"noise": 0.4}}, seeds=3, rows=60)
    records = read_records([tmp_path]).records
    whole = Comparison.of(records).table
    monkeypatch.setattr(evidence, "MOST_NUMBERS", 100)
    pd.testing.assert_frame_equal(Comparison.of(records).table, whole)


def test_intervals_of_equal_arms_cover_and_their_family_is_seldom_wrong(tmp_path):
    """A small version of benchmarks/comparison.py: shares of 120 repetitions, within three standard errors."""
    import sys
    from importlib.util import module_from_spec, spec_from_file_location
    from pathlib import Path

    file = Path(__file__).resolve().parents[2] / "benchmarks" / "comparison.py"
    spec = spec_from_file_location("benchmark_of_statistics", file)
    benchmark = module_from_spec(spec)
    sys.modules[spec.name] = benchmark
    spec.loader.exec_module(benchmark)
    setting = benchmark.Setting("small", seeds=3, samples=150, arms=3)
    shares, _ = benchmark.of_equal_arms(setting, 120, 0)
    for metric in ("nll", "brier", "accuracy", "aurc"):
        assert shares[metric]["mean"] >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / 120)
        assert shares[metric]["difference"] >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / 240)
        assert shares[metric]["family"] <= 0.05 + 3 * math.sqrt(0.95 * 0.05 / 120)
    counts = benchmark.of_a_better_arm(benchmark.Setting("small", seeds=4, samples=400, arms=3), 0.8, 20, 1)
    assert counts["found"] >= 0.5
    assert counts["other"] <= 0.1


def drawn_comparison(means, metric="nll", better="min"):
    rows = [
        dict.fromkeys(COLUMNS, math.nan)
        | {"arm": arm, "variant": "raw", "metric": metric, "mean": mean, "better": better}
        for arm, mean in means.items()
    ]
    return Comparison((), (metric,), pd.DataFrame(rows, columns=list(COLUMNS)), None, (), ())


def test_arms_that_are_always_best_are_told_apart_over_many_data_sets():
    random = np.random.default_rng(2)
    sets = {
        f"set {number}": drawn_comparison({"a": 1.0, "b": 1.2 + random.random() / 10, "c": 1.2 + random.random() / 10})
        for number in range(12)
    }
    sets["set 3"] = drawn_comparison({"a": 1.0, "c": 1.3, "b": 1.4, "only here": 0.1})
    difference = CriticalDifference.of(sets)
    assert difference.arms == ("a", "b", "c")
    assert difference.ranking.ranks[0] == 1.0
    assert difference.ranking.groups == ((1, 2),)
    assert "only here" in difference.notes[0]


def test_more_is_better_where_it_is():
    sets = {name: drawn_comparison({"a": 0.9, "b": 0.8}, "accuracy", "max") for name in ("one", "two")}
    assert CriticalDifference.of(sets, metric="accuracy").ranking.ranks == (1.0, 2.0)


def test_the_diagram_names_each_arm_with_its_rank():
    sets = {str(number): drawn_comparison({"a": 1.0, "<b> $x$": 2.0, "c": 3.0}) for number in range(6)}
    figure = CriticalDifference.of(sets).figure(title="six sets")
    labels = [text.get_text() for text in figure.axes[0].texts]
    assert "a 1.00 " in [text.replace("  ", " ") for text in labels]
    assert any("<b> $x$" in text for text in labels)
    assert any(text.startswith("critical difference") for text in labels)
    figure.savefig("/dev/null", format="png")


def test_one_data_set_has_no_critical_difference():
    with pytest.raises(UserMistake, match="at least two of each"):
        CriticalDifference.of({"one": drawn_comparison({"a": 1.0, "b": 2.0})})
