"""scripts/wandb_sweep.yaml: what W&B's agent would start is a command that composes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from smoothlab.commands.main import main
from smoothlab.commands.manual import PAGES
from smoothlab.config.compose import compose_config, plain, split_options
from smoothlab.training.preparing import check_config

FILE = Path(__file__).parents[3] / "scripts" / "wandb_sweep.yaml"


def ends(parameter):
    """The values that W&B may choose at the ends of a parameter."""
    return parameter.get("values") or [parameter["min"], parameter["max"]]


@pytest.mark.parametrize("which", [0, -1])
def test_the_command_that_the_agent_starts_composes_at_both_ends_of_the_space(which):
    sweep = yaml.safe_load(FILE.read_text())
    chosen = [f"{key}={ends(parameter)[which]}" for key, parameter in sweep["parameters"].items()]
    words = []
    for word in sweep["command"]:
        words += chosen if word == "${args_no_hyphens}" else [word]
    assert words[:2] == ["smoothlab", "train"]
    assert words[1] in PAGES
    overrides, many = split_options(words[2:])
    assert not many
    values = plain(compose_config("train", overrides))
    check_config(values)
    for key, parameter in sweep["parameters"].items():
        if key != "smoothing":
            node = values
            for part in key.split("."):
                node = node[part]
            assert node == ends(parameter)[which]


def test_the_metric_and_its_direction_are_those_of_the_best_checkpoint():
    metric = yaml.safe_load(FILE.read_text())["metric"]
    best = plain(compose_config("train", []))["callbacks"]["best_checkpoint"]
    assert metric["name"] == best["monitor"]
    assert metric["goal"] == {"min": "minimize", "max": "maximize"}[best["mode"]]


@pytest.mark.parametrize("macro", ["args", "args_no_hyphens"])
def test_what_the_agent_of_w_and_b_makes_of_its_choice_is_what_train_takes(macro, tmp_path):
    utils = pytest.importorskip("wandb.sdk.launch.sweeps.utils", reason="this wandb has no agent of this form")
    chosen = {"optimizer.lr": 1e-05, "net.hidden": [8, 4], "trainer.deterministic": True, "smoothing": "online"}
    chosen |= {"trainer.max_epochs": 1}
    words = utils.create_sweep_command_args({"args": {key: {"value": value} for key, value in chosen.items()}})[macro]
    quiet = ["logger=none", "figures=false", "progress=none", f"output_root={tmp_path}"]
    assert main(["train", *quiet, *words]) == 0
    (run,) = tmp_path.glob("*/*/config.yaml")
    made = yaml.safe_load(run.read_text())
    assert (made["optimizer"]["lr"], made["net"]["hidden"]) == (1e-05, [8, 4])
    assert made["trainer"]["deterministic"] is True
    assert "online" in json.dumps(made["smoothing"]).lower()
