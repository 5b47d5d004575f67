"""Several priors in one."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.testing import assert_close

from smoothlab import InvalidArgument, Smoother
from smoothlab.config.build import build
from smoothlab.config.compose import compose_config, plain
from smoothlab.learner import Learner
from smoothlab.smoothing import ClassInfo, Constant, Exclusive, Mixture, Sord, Step, Uniform, Vector
from smoothlab.smoothing.priors import mixture
from smoothlab.targets import PerClass, PerSample

LABELS = torch.tensor([0, 1, 2, 3, 1])
LOGITS = torch.zeros(5, 4, dtype=torch.float64)


def drawn(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).softmax(-1)


class Given:
    """A prior that is what it was given."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, step):
        return self.factor


FACTORS = {
    "uniform": "uniform",
    "exclusive": "exclusive",
    "vector": drawn(4),
    "matrix": PerClass(drawn(4, 4)),
    "rows": PerSample(drawn(5, 4)),
}


@pytest.fixture(params=["matrix", "rows"])
def exclusive_as(request, monkeypatch):
    """Either form that the exclusive prior takes."""
    if request.param == "rows":
        monkeypatch.setattr(mixture, "MATRIX_CLASSES", 0)


@pytest.mark.parametrize("names", list(itertools.combinations_with_replacement(FACTORS, 2)), ids=" ".join)
@pytest.mark.parametrize("base", [LABELS, drawn(5, 4, seed=3)], ids=["labels", "votes"])
@pytest.mark.usefixtures("exclusive_as")
def test_its_target_is_the_mean_of_the_targets(names, base):
    first, other = (Given(FACTORS[name]) for name in names)
    mixed = Smoother(Constant(0.4), Mixture({"one": first, "other": other}, {"one": 3.0, "other": 1.0}))
    target = mixed(base, logits=LOGITS).validate().dense(4)
    apart = [Smoother(Constant(0.4), prior)(base, logits=LOGITS).dense(4) for prior in (first, other)]
    assert_close(target, (0.75 * apart[0] + 0.25 * apart[1]).to(target.dtype), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("base", [LABELS, drawn(5, 4, seed=3)], ids=["labels", "votes"])
def test_without_some_classes_its_target_is_the_same_however_many_classes_there_are(base, monkeypatch):
    parts = {"exclusive": Exclusive(), "vector": Vector([1.0, 2.0, 3.0, 4.0])}
    targets = []
    for most in (4, 3):  # the exclusive prior as a matrix, and as rows
        monkeypatch.setattr(mixture, "MATRIX_CLASSES", most)
        smoother = Smoother(Constant(0.4), Mixture(parts, {"exclusive": 1.0, "vector": 2.0}), exclude=[1])
        targets.append(smoother(base, logits=LOGITS).validate().dense(4))
    assert_close(targets[0], targets[1], rtol=1e-14, atol=1e-15)


def test_it_stays_as_small_as_its_parts_allow():
    def kind(*names):
        mixed = Mixture({n: Given(FACTORS[n]) for n in names}, dict.fromkeys(names, 1.0))
        return mixed(Step(LABELS, LOGITS))

    assert kind("uniform") == "uniform"
    assert kind("uniform", "vector").shape == (4,)
    assert isinstance(kind("uniform", "matrix", "vector"), PerClass)
    assert isinstance(kind("uniform", "exclusive"), PerClass)
    assert isinstance(kind("matrix", "rows"), PerSample)
    alone = Mixture({"a": Given(FACTORS["rows"]), "b": Uniform()}, {"a": 0.0, "b": 2.0})
    assert alone(Step(LABELS, LOGITS)) == "uniform"


def test_a_matrix_is_made_once_and_again_where_it_changed():
    matrix = drawn(4, 4)
    mixed = Mixture({"a": Given(PerClass(matrix)), "b": Uniform()}, {"a": 1.0, "b": 1.0})
    first = mixed(Step(LABELS, LOGITS))
    assert mixed(Step(LABELS, LOGITS)) is first
    matrix.copy_(torch.eye(4))
    assert_close(mixed(Step(LABELS, LOGITS)).matrix, torch.eye(4, dtype=torch.float64) / 2 + 0.125)


def test_sequences():
    labels = LABELS[:4].reshape(2, 2)
    rows = drawn(2, 2, 4)
    mixed = Mixture({"a": Given(PerSample(rows)), "b": Exclusive()}, {"a": 1.0, "b": 1.0})
    target = Smoother(Constant(0.4), mixed)(labels, logits=rows).validate()
    assert target.prior.rows.shape == (2, 2, 4)


def test_priors_inside_are_bound_and_those_that_learn_are_found():
    class Counts(Learner):
        def __init__(self):
            super().__init__()
            self.seen = {"steps": torch.zeros(())}

        def observe(self, step):
            self.seen["steps"] += 1

        def forward(self, step):
            return "uniform"

    counts = Counts()
    smoother = Smoother(Constant(0.1), Mixture({"learned": counts, "sord": Sord(1.0)}, {"learned": 1, "sord": 1}))
    smoother.bind(ClassInfo(list("abcd"), [1, 1, 1, 1]))
    assert smoother(LABELS).prior.matrix.shape == (4, 4)
    assert counts.seen["steps"] == 1
    assert any("learned" in key for key in smoother.state_dict())
    assert "sord=Sord(" in repr(smoother)


def test_any_two_from_the_command_line():
    overrides = ["smoothing/prior=mixture", "smoothing/prior@smoothing.prior.priors.first=vector"]
    overrides += ["smoothing.prior.priors.first.weights=[3,1]", "smoothing.prior.weights.first=1.5"]
    smoother = build(plain(compose_config("train", overrides))["smoothing"], "smoothing")
    smoother.bind(ClassInfo(["a", "b"], [0, 2]))
    assert_close(smoother(LABELS[:2]).prior, torch.tensor([0.75 * 0.75 + 0.25 * 0.25, 0.75 * 0.25 + 0.25 * 0.75]))


@pytest.mark.parametrize(
    ("priors", "weights", "message"),
    [
        ({}, {}, "priors = {}: expected one or more priors"),
        ({"a": Uniform()}, {"b": 1}, r"weights = \['b'\]: expected a number for each of a"),
        ({"a": Uniform()}, [1], r"weights = \[1\]: expected a number for each of a"),
        ({"a": Uniform()}, {"a": -1}, r"weights\.a = -1: expected a number >= 0"),
        ({"a": Uniform()}, {"a": "1"}, r"weights\.a = '1': expected a number >= 0"),
        ({"a": Uniform()}, {"a": 0}, r"weights = \{'a': 0\}: expected some weight above 0"),
    ],
)
def test_what_does_not_fit_is_refused(priors, weights, message):
    with pytest.raises(InvalidArgument, match=message):
        Mixture(priors, weights)


def test_k_is_asked_for_where_nothing_shows_it():
    mixed = Mixture({"a": Uniform(), "b": Exclusive()}, {"a": 1, "b": 1})
    with pytest.raises(InvalidArgument, match="num_classes = None: expected K"):
        mixed(Step(LABELS))
    assert Mixture({"a": Uniform(), "b": Vector([1, 1])}, {"a": 1, "b": 1})(Step(LABELS)).tolist() == [0.5, 0.5]
