"""The options of smoothing=, smoothing/strength= and smoothing/prior=: each is built and documented."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from smoothing_options import MULTILABEL, NEEDED, SHAPES, TOLD

from smoothlab import Smoother
from smoothlab.config.build import build
from smoothlab.config.compose import compose_config, plain
from smoothlab.errors import UserMistake
from smoothlab.models.teacher import without_teachers
from smoothlab.smoothing import ClassInfo

CONF = Path(__file__).resolve().parents[2] / "conf" / "smoothing"
OPTIONS = sorted(path.relative_to(CONF.parent).with_suffix("").as_posix() for path in CONF.rglob("*.yaml"))
UNIFORM = {"_target_": "smoothlab.smoothing.Uniform"}
LINEAR = {"start": 0.2, "end": 0.0, "warm_up": 0.0, "hold": 0.0}


def smoother_of(overrides: list[str]) -> Smoother:
    config = plain(compose_config("train", overrides))["smoothing"]
    return build(without_teachers(config), "smoothing")  # whose logits are then the features


def override_of(option: str) -> str:
    group, _, name = option.rpartition("/")
    return f"{group}={name}"


@pytest.mark.parametrize("option", [option for option in OPTIONS if option not in MULTILABEL])
def test_each_option_makes_a_smoother_that_makes_targets(option):
    smoother = smoother_of([override_of(option), *TOLD.get(option, [])])
    smoother.bind(ClassInfo(["benign", "malignant"], [357, 212], num_rows=4))
    logits = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    metadata = {"agreement": torch.tensor([0.5, 1.0, 0.8, 0.6])}
    shape = SHAPES.get(option, (4,))
    labels = torch.tensor([0, 1, 1, 0]).reshape(shape)
    rest = {"progress": 0.3, "metadata": metadata, "rows": torch.arange(4), "features": logits}
    target = smoother(labels, logits=logits.reshape(*shape, 2), **rest)
    target.validate()
    assert target.dense(2).sum(-1).flatten().tolist() == pytest.approx([1.0] * 4)


@pytest.mark.parametrize("option", OPTIONS)
def test_each_file_says_its_command_and_comments_every_key(option):
    text = (CONF.parent / f"{option}.yaml").read_text()
    head = text.split("_target_")[0].split("defaults:")[0]
    assert f"smoothlab train {override_of(option)}" in head
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line and line[0].isalpha() and not line.startswith(("_target_", "defaults", "epsilon: 0.0")):
            assert lines[number - 1].startswith("#"), f"{option}: {line} has no comment"


@pytest.mark.parametrize("option", sorted(NEEDED))
def test_what_an_option_needs_is_named_in_one_line(option):
    with pytest.raises(UserMistake, match=r"^smoothing(\.\w+)+: missing; give it as smoothing(\.\w+)+=\.\.\.$"):
        smoother_of([override_of(option)])


@pytest.mark.parametrize(
    "strength",
    [
        {"_target_": "smoothlab.smoothing.ByClass", "epsilon": [0.2, 0.1]},
        {"_target_": "smoothlab.smoothing.ByClass", "epsilon": {"malignant": 0.2}, "default": 0.1},
        {"_target_": "smoothlab.smoothing.ColumnTable", "column": "source", "values": {0: 0.2, 1: 0.1}, "default": 0.0},
        {
            "_target_": "smoothlab.smoothing.Rules",
            "rules": [
                {"when": {"column": "source", "equals": "web"}, "epsilon": 0.1},
                {"when": {"class": "malignant"}, "strength": {"_target_": "smoothlab.smoothing.Linear"} | LINEAR},
            ],
            "default": 0.3,
            "categories": {"source": ["clinic", "web"]},
        },
        {
            "_target_": "smoothlab.smoothing.Column",
            "column": "source",
            "formula": "falling",
            "minimum": 0,
            "maximum": 1,
            "low": 0.1,
            "high": 0.2,
            "missing": 0.1,
        },
    ],
)
def test_strengths_without_an_option_can_be_written_in_a_config(strength):
    built = build({"_target_": "smoothlab.smoothing.Smoother", "strength": strength, "prior": UNIFORM}, "smoothing")
    built.bind(ClassInfo(["malignant", "benign"], [212, 357]))
    target = built(torch.tensor([0, 1]), metadata={"source": torch.tensor([0, 1])})
    assert target.epsilon.tolist() == pytest.approx([0.2, 0.1])
