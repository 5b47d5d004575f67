"""What a config node becomes: keys of mappings as their taker wants them, errors in one line."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator, Mapping

import pytest
import yaml
from omegaconf import OmegaConf
from pytorch_lightning.callbacks import GradientAccumulationScheduler

from smoothlab.config.allowed import ALLOWED
from smoothlab.config.build import build
from smoothlab.errors import UserMistake
from smoothlab.rundir.identity import run_identity

OWN = (*ALLOWED, "own_takers_for_test")


class Unsaid:
    def __init__(self, values):
        self.values = values


class Numbers:
    def __init__(self, values: Mapping[int, float] | None = None):
        self.values = values


class Nested:
    def __init__(self, values: dict[str, dict[int, list[int]]]):
        self.values = values


class Texts:
    def __init__(self, values: dict[str, float]):
        self.values = values


class Either:
    def __init__(self, values: dict[int | str, float]):
        self.values = values


@pytest.fixture(autouse=True)
def own_takers() -> Iterator[None]:
    module = types.ModuleType("own_takers_for_test")
    for hinted in (Unsaid, Numbers, Nested, Texts, Either):
        setattr(module, hinted.__name__, hinted)
        hinted.__module__ = module.__name__
    sys.modules[module.__name__] = module
    yield
    del sys.modules[module.__name__]


@pytest.mark.parametrize(
    ("taker", "values", "wanted"),
    [
        ("Unsaid", {0: {1: 2}}, {0: {1: 2}}),
        ("Unsaid", {"0": 1, 2: [{3: 4}]}, {"0": 1, 2: [{3: 4}]}),
        ("Numbers", {0: 2.0, 10: 3.0}, {0: 2.0, 10: 3.0}),
        ("Nested", {"a": {0: [1]}}, {"a": {0: [1]}}),
        ("Texts", {0: 2.0, "b": 1.0}, {"0": 2.0, "b": 1.0}),
        ("Either", {0: 2.0, "b": 1.0}, {0: 2.0, "b": 1.0}),
    ],
)
def test_whole_numbers_stay_keys_where_they_are_wanted(taker, values, wanted):
    made = build({"_target_": f"own_takers_for_test.{taker}", "values": values}, "net", allowed=OWN)
    assert made.values == wanted
    later = build({"_target_": f"own_takers_for_test.{taker}", "_partial_": True, "values": values}, "x", allowed=OWN)
    assert later().values == wanted


def test_names_of_classes_stay_text():
    node = {
        "_target_": "smoothlab.calibration.decision.Costs",
        "class_names": ["0", "1"],
        "costs": {0: {1: 5}, 1: {0: 1}},
    }
    asked = build({**node, "costs": {"0": {"1": 5}, "1": {"0": 1}}}, "decision")
    assert build(node, "decision").settings() == asked.settings()
    assert list(build({1: {"a": 2}}, "penalty")) == ["1"]  # names of a group's parts


def test_a_scheduling_survives_the_config_file():
    node = {"_target_": "pytorch_lightning.callbacks.GradientAccumulationScheduler", "scheduling": {0: 2, 4: 1}}
    for values in (node, yaml.safe_load(yaml.safe_dump(node)), OmegaConf.to_container(OmegaConf.create(node))):
        made = build(values, "callbacks.x")
        assert isinstance(made, GradientAccumulationScheduler)
        assert made.scheduling == {0: 2, 4: 1}


def test_keys_of_several_types_have_an_identity_that_does_not_depend_on_their_order():
    assert run_identity({"net": {"a": 1, 2: 3, 10: 4, None: 0}}, "") == run_identity(
        {"net": {10: 4, None: 0, 2: 3, "a": 1}}, ""
    )
    assert run_identity({"net": {0: 2}}, "") != run_identity({"net": {1: 2}}, "")


def test_a_package_that_only_the_callee_misses_is_one_line():
    with pytest.raises(UserMistake, match=r"^trainer: needs a package that is not installed \(.*torch_xla") as caught:
        build({"_target_": "pytorch_lightning.Trainer", "accelerator": "tpu"}, "trainer")
    assert "\n" not in str(caught.value)
