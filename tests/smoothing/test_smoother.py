"""Smoothers: a strength and a prior make soft targets, and new ones of either kind need one method."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from smoothlab import InvalidArgument, Smoother, SoftTarget
from smoothlab.smoothing import (
    ByClass,
    ClassInfo,
    Constant,
    Exclusive,
    Half,
    Mixture,
    MultilabelSmoother,
    Rules,
    Tree,
    Uniform,
    Vector,
)

Y = torch.tensor([0, 2, 1])


@pytest.mark.parametrize(("prior", "name"), [(Uniform(), "uniform"), (Exclusive(), "exclusive")])
def test_a_smoother_makes_the_target_of_its_parts(prior, name):
    target = Smoother(strength=Constant(0.1), prior=prior)(Y)
    assert isinstance(target, SoftTarget)
    assert_close(target.dense(3), SoftTarget(Y, 0.1, name).dense(3))


def test_a_constant_of_zero_is_no_smoothing():
    target = Smoother(Constant(0.0), Uniform())(Y)
    assert_close(target.dense(3), torch.eye(3)[Y])


def test_votes_are_smoothed_too():
    votes = torch.tensor([[0.5, 0.5, 0.0]])
    target = Smoother(Constant(0.3), Uniform())(votes)
    assert_close(target.dense(3), torch.tensor([[0.45, 0.45, 0.1]]))


@pytest.mark.parametrize("epsilon", [1.0, 1.2, -0.1, math.nan, "0.1", "abc", True, None])
def test_a_constant_outside_the_range_is_refused(epsilon):
    with pytest.raises(InvalidArgument, match=r"epsilon = .*: expected a number in \[0, 1\)"):
        Constant(epsilon)


def test_a_constant_may_be_an_integer_or_a_numpy_number():
    numpy = pytest.importorskip("numpy")
    assert Constant(0).epsilon == 0.0
    assert type(Constant(numpy.float64(0.25)).epsilon) is float


def test_own_strengths_and_priors_see_labels_progress_and_detached_logits():
    seen = []

    class ByUncertainty:
        def __call__(self, step):
            seen.append((step.labels, step.logits, step.progress))
            return (1 - step.logits.softmax(-1).amax(-1)) * step.progress

    class Frequencies:
        def __call__(self, step):
            return torch.tensor([0.5, 0.25, 0.25])

    logits = torch.randn(3, 3, requires_grad=True)
    target = Smoother(ByUncertainty(), Frequencies())(Y, logits=logits, progress=0.5)
    assert target.epsilon.shape == (3,)
    assert not target.epsilon.requires_grad
    assert seen[0][0] is Y
    assert not seen[0][1].requires_grad
    assert seen[0][2] == 0.5
    target.validate()


def test_tensors_of_a_prior_that_is_a_module_are_in_the_smoothers_state():
    class Matrix(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("counts", torch.ones(3))

        def forward(self, step):
            return self.counts / self.counts.sum()

    smoother = Smoother(Constant(0.1), Matrix())
    assert list(smoother.state_dict()) == ["prior.counts"]
    assert smoother.double()(Y).prior.dtype is torch.float64


def test_its_text_shows_what_it_does():
    assert "Constant(epsilon=0.1)" in repr(Smoother(Constant(0.1), Uniform()))
    assert "Uniform()" in repr(Smoother(Constant(0.1), Uniform()))


ELK = {"when": {"confidence": {"below": 0.5}}, "strength": ByClass({"elk": 0.1}, default=0.0)}


@pytest.mark.parametrize(
    ("smoother", "name"),
    [
        (Smoother(ByClass({"elk": 0.1}, default=0.0), Uniform()), "strength.epsilon"),
        (Smoother(Constant(0.1), Tree(None, 4.0)), "prior.tree"),
        (Smoother(Constant(0.1), Uniform(), exclude=["elk"]), "exclude"),
        (Smoother(Constant(0.1), Mixture({"given": Vector([1, 1, 1])}, {"given": 1})), "prior.priors.given.weights"),
        (Smoother(Rules([ELK], default=0.0), Uniform()), "strength.rules[0].strength.epsilon"),
        (MultilabelSmoother(ByClass({"elk": 0.1}, default=0.0), Half()), "strength.epsilon"),
    ],
)
def test_a_part_that_does_not_fit_the_data_is_named_by_its_place(smoother, name):
    with pytest.raises(InvalidArgument) as caught:
        smoother.bind(ClassInfo(["cat", "dog"], [1, 1]))
    assert caught.value.name == name


@pytest.mark.parametrize(
    ("parts", "message"), [((0.1, Uniform()), "strength = 0.1"), ((Constant(0.1), "uniform"), "prior = 'uniform'")]
)
def test_a_strength_or_prior_that_is_none_is_refused(parts, message):
    with pytest.raises(InvalidArgument, match=rf"{message}: expected an object"):
        Smoother(*parts)
