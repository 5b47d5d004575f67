"""The role of an arm follows from its runs: what smooths, what competes, what is made afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from simulated_runs import simulated_arms, simulated_run

from smoothlab.reports.comparison import Comparison
from smoothlab.reports.records import read_records
from smoothlab.reports.roles import roles_of, smooths


def test_arms_are_baseline_smoothing_rival_or_made_afterwards(tmp_path):
    arms = {"none": {"epsilon": 0.0}, "standard": {"epsilon": 0.1}, "dropout": {"epsilon": 0.0}, "scaled": {}}
    folder = simulated_arms(tmp_path, arms, seeds=2)
    for path in folder.glob("run_3_*"):
        results = json.loads((path / "results.json").read_text()) | {"made_of": "temperature"}
        (path / "results.json").write_text(json.dumps(results))
    compared = Comparison.of(read_records([folder]).records)
    assert {arm.name: arm.role for arm in compared.arms} == {
        "none": "baseline",
        "standard": "smoothing",
        "dropout": "rival",
        "scaled": "post_hoc",
    }
    assert [arm["role"] for arm in compared.to_json()["arms"]] == ["baseline", "smoothing", "rival", "post_hoc"]


def test_plain_run_folders_have_roles_too(tmp_path):
    for epsilon in (0.0, 0.1, 0.2):
        simulated_run(tmp_path / f"run_{epsilon}", epsilon=epsilon)
    arms = Comparison.of(read_records([tmp_path]).records).arms
    assert [arm.role for arm in arms] == ["baseline", "smoothing", "smoothing"]


def test_the_smoothing_of_the_baseline_is_not_one_of_the_others(tmp_path):
    """Against standard smoothing, another net with the same smoothing is a rival, and so is plain training."""
    epsilons = {"standard": 0.1, "wider": 0.1, "none": 0.0, "more": 0.3}
    arms = {name: {"epsilon": epsilon} for name, epsilon in epsilons.items()}
    records = read_records([simulated_arms(tmp_path, arms, seeds=1)]).records
    by_arm = {name: [record for record in records if record.arm == name] for name in arms}
    roles = roles_of(by_arm, "standard")
    assert roles == {"standard": "baseline", "wider": "rival", "none": "rival", "more": "smoothing"}


@pytest.mark.parametrize(
    "option", sorted((Path(__file__).parents[2] / "conf" / "smoothing").glob("*.yaml")), ids=lambda path: path.stem
)
def test_every_option_but_none_smooths(option):
    from omegaconf import OmegaConf

    from smoothlab.config.compose import compose_config
    from smoothlab.rundir.identity import flat

    task = ["task=multilabel"] if "multilabel" in option.stem else []
    smoothing = OmegaConf.to_container(compose_config("train", [f"smoothing={option.stem}", *task])["smoothing"])
    assert smooths(flat({"smoothing": smoothing})) == (option.stem != "none")


def test_an_arm_without_a_config_is_a_rival(tmp_path):
    folder = simulated_arms(tmp_path, {"none": {}, "broken": {}}, seeds=1)
    (folder / "run_1_0" / "config.yaml").write_text(yaml.safe_dump({"name": "simulated"}))
    arms = Comparison.of(read_records([folder]).records).arms
    assert {arm.name: arm.role for arm in arms}["broken"] == "rival"
