"""Strategies that rest on a structure of the classes or rows: without it, one line names the option that gives it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from smoothlab.classes import ClassInfo
from smoothlab.comparing.arm import Arm
from smoothlab.comparing.planning import _World
from smoothlab.config.build import build
from smoothlab.config.compose import compose_config, plain
from smoothlab.errors import InvalidArgument, UserMistake
from smoothlab.smoothing import Constant, Mixture, Ordinal, Smoother, Sord, Uniform
from smoothlab.training.preparing import prepare

CONF = Path(__file__).resolve().parents[2] / "conf"
TREE = "tree = None: expected nested names or a file of them"
ORDER = "data.labels=ordinal 'data.order="
SETS = "smoothing=multilabel"
# What a plain table lacks, and what the refusal says; None: nothing is lacked.
OPTIONS: dict[str, str | None] = {
    "smoothing/agreement": "data.labels=votes gives agreement",
    "smoothing/hierarchical": f"smoothing.prior.{TREE}",
    "smoothing/hierarchical_slight": f"smoothing.prior.{TREE}",
    "smoothing/multilabel": "multi-label task",
    "smoothing/multilabel_tree": f"smoothing.prior.{TREE}",
    "smoothing/ordinal": ORDER,
    "smoothing/teacher": "give it as smoothing.prior.net.path",
    "smoothing/prior/embeddings": "give it as smoothing.prior.embeddings",
    "smoothing/prior/flip": SETS,
    "smoothing/prior/flow": SETS,
    "smoothing/prior/half": SETS,
    "smoothing/prior/neighbours": "expected sequences (N, T), as of task=translation",
    "smoothing/prior/ordinal": ORDER,
    "smoothing/prior/prevalence": SETS,
    "smoothing/prior/similarity": "give it as smoothing.prior.matrix",
    "smoothing/prior/sord": ORDER,
    "smoothing/prior/teacher": "give it as smoothing.prior.net.path",
    "smoothing/prior/tree": f"smoothing.prior.{TREE}",
    "smoothing/prior/vector": "give it as smoothing.prior.weights",
    "smoothing/strength/by_class": "give it as smoothing.strength.epsilon",
    "smoothing/strength/column": "give it as smoothing.strength.column",
    "smoothing/strength/rules": "give it as smoothing.strength.rules",
    "smoothing/strength/teacher": "give it as smoothing.strength.net.path",
    "smoothing/strength/value": "give it as smoothing.strength.column",
    "loss/hierarchical": f"loss.{TREE}",
    "loss/self_distillation": "give it as loss.",
}
FREE = {
    *(f"smoothing/{name}" for name in ("adaptive", "auto", "conditional", "gradual", "none", "online", "prior")),
    *(f"smoothing/{name}" for name in ("self_distilled", "slight", "standard")),
    *(f"smoothing/prior/{name}" for name in ("class_frequency", "exclusive", "learnable", "mixture", "online")),
    *(f"smoothing/prior/{name}" for name in ("self_distilled", "uniform", "zipf", "zipf_of_predictions")),
    *(f"smoothing/strength/{name}" for name in ("accuracy", "auto", "constant", "controller", "cosine", "exponential")),
    *(f"smoothing/strength/{name}" for name in ("half", "linear", "negative", "none", "rising", "step", "uncertainty")),
    *(f"loss/{name}" for name in ("ada_focal", "backward_correction", "bi_tempered", "cross_entropy", "dual_focal")),
    *(f"loss/{name}" for name in ("flsd", "focal", "forward_correction", "logit_norm", "poly1", "symmetric")),
    "loss/virtual_teacher",
}


@pytest.fixture
def table(empty_folder):
    """Three classes by name and by number, from two numbers."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(120, 2))
    grade = np.digitize(x.sum(1) + generator.normal(size=120), [-1, 1])
    names = np.array(["poor", "fair", "good"])[grade]
    pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "name": names, "grade": grade + 3}).to_csv("t.csv", index=False)
    return ["data=table", "data.path=t.csv", "data.target=name", "data.drop=[grade]", "logger=none"]


def prepared(*words):
    return prepare(plain(compose_config("train", [*words])))


def test_every_option_of_smoothing_and_loss_is_here():
    texts = {
        path.relative_to(CONF).with_suffix("").as_posix()
        for group in ("smoothing", "loss")
        for path in (CONF / group).rglob("*.yaml")
    }
    assert texts == {*OPTIONS, *FREE}


@pytest.mark.parametrize("option", OPTIONS)
def test_on_a_table_without_the_structure_one_line_says_what_gives_it(option, table):
    group, _, name = option.rpartition("/")
    with pytest.raises(UserMistake) as refusal:
        prepared(*table, f"{group}={name}")
    assert OPTIONS[option] in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_the_command_ends_with_2_and_makes_nothing(cli, table):
    before = sorted(Path().rglob("*"))
    code, out, err = cli("train", *table, "smoothing=ordinal")
    assert (code, out) == (2, "")
    assert err.startswith("smoothlab: smoothing.prior.classes = 'fair, good, poor': expected classes in an order")
    assert len(err.strip().splitlines()) == 1
    assert sorted(Path().rglob("*")) == before


ORDERED = ["data.labels=ordinal", "data.order=[poor,fair,good]"]


@pytest.mark.parametrize(
    ("words", "classes"),
    [
        (ORDERED, ["poor", "fair", "good"]),
        (["data.target=grade", "data.drop=[name]", "data.labels=ordinal"], ["3", "4", "5"]),
        (["data.target=grade", "data.drop=[name]", "task.ordered=true"], ["3", "4", "5"]),
        (["data.classes={poor: bad, fair: good}"], ["good", "bad"]),  # of two, either order is the same
    ],
)
def test_classes_whose_order_is_said_are_taken_in_it(words, classes, table):
    task = prepared(*table, *words, "smoothing=ordinal").task
    assert task.class_names == classes


@pytest.mark.parametrize("words", [[], [*ORDERED, "task.ordered=false"]])
def test_numbers_that_nobody_calls_an_order_have_none(words, table):
    words = words or ["data.target=grade", "data.drop=[name]"]
    with pytest.raises(UserMistake, match=r"numbers need no data\.order"):
        prepared(*table, *words, "smoothing=ordinal")


@pytest.mark.parametrize("prior", [Sord(1.0), Ordinal("gaussian", 1.0)])
def test_in_python_too_where_the_classes_are_told_to_have_no_order(prior):
    names, counts = ["a", "b", "c"], [1, 2, 3]
    for whole in (prior, Mixture({"one": prior, "two": Uniform()}, {"one": 1.0, "two": 1.0})):
        smoother = Smoother(Constant(0.1), whole)
        smoother.bind(ClassInfo(names, counts))
        smoother.bind(ClassInfo(names, counts, ordered=True))
        with pytest.raises(InvalidArgument, match=r"prior\.(priors\.one\.)?classes = 'a, b, c'"):
            smoother.bind(ClassInfo(names, counts, ordered=False))


def test_either_order_of_two_classes_gives_the_same_targets():
    for prior in (
        Sord(1.0),
        *(Ordinal(family, 1.5) for family in ("gaussian", "exponential", "triangular", "binomial")),
    ):
        matrix = prior.matrix(2)
        assert (matrix.flip(0, 1) - matrix).abs().max() < 1e-15


@pytest.mark.parametrize(
    ("order", "ordered", "fits"), [(False, None, False), (True, None, True), (False, True, True), (True, False, False)]
)
def test_a_comparison_leaves_out_the_arm_where_the_classes_have_no_order(order, ordered, fits):
    world = object.__new__(_World)
    world._data, world._task = SimpleNamespace(class_order=order, class_tree=None), {"ordered": ordered}
    arm = Arm("ordinal", needs=("order",))
    if fits:
        world.check_needs(arm)
    else:
        with pytest.raises(UserMistake, match="the classes have no order"):
            world.check_needs(arm)


def test_presets_whose_smoothing_is_ordinal_have_data_with_an_order():
    """As composed: what public data need is fetched elsewhere."""
    count = 0
    for path in sorted((CONF / "experiment").rglob("*.yaml")):
        if "override /smoothing: ordinal" in path.read_text():
            name = path.relative_to(CONF / "experiment").with_suffix("").as_posix()
            data = plain(compose_config("train", [f"experiment={name}"]))["data"]
            assert data.get("labels") == "ordinal" or build(data["domain"], "data.domain").class_order, name
            count += 1
    assert count >= 3
