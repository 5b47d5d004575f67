"""scripts/wandb_sweep.yaml: what W&B's agent would start is a command that composes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from smoothlab.commands.main import COMMANDS
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
    assert words[1] in COMMANDS
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
