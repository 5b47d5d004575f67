"""What every soft target is, whichever strength and prior made it."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from smoothlab import Smoother, soft_cross_entropy
from smoothlab.smoothing import (
    Accuracy,
    Auto,
    ByClass,
    ClassFrequency,
    ClassInfo,
    Column,
    ColumnTable,
    Constant,
    Controller,
    Cosine,
    Embeddings,
    Exclusive,
    Exponential,
    Linear,
    Mixture,
    Negative,
    Online,
    Ordinal,
    Rules,
    SelfDistilled,
    Similarity,
    Sord,
    Stepwise,
    Teacher,
    TeacherConfidence,
    Tree,
    Uncertainty,
    Uniform,
    Vector,
    Zipf,
    ZipfOfPredictions,
)

INF = math.inf
INFO = [ClassInfo([f"c{k}" for k in range(K)], [(7 * k) % 5 for k in range(K)], num_rows=6) for K in range(8)]


def risen(auto):
    """The strength after validations of a model that was over-confident."""
    for _ in range(5):
        auto.validate(torch.tensor([[0.0, 3.0]]).repeat(100, 1), torch.zeros(100, dtype=torch.int64))
        auto.end_validation()
    return auto


STRENGTHS = {
    "constant": lambda K, high: Constant(high),
    "linear": lambda K, high: Linear(high, 0.0, warm_up=0.1, hold=0.2),
    "cosine": lambda K, high: Cosine(0.0, high),
    "stepwise": lambda K, high: Stepwise(high, 0.0, jumps=3),
    "exponential": lambda K, high: Exponential(0.0, high),
    "entropy": lambda K, high: Uncertainty("entropy", 0.0, high),
    "max_probability": lambda K, high: Uncertainty("max_probability", 0.0, high),
    "margin": lambda K, high: Uncertainty("margin", high, 0.0),
    "by_class": lambda K, high: ByClass([high * k / K for k in range(K)]),
    "by_name": lambda K, high: ByClass({"c1": high}, default=0.0),
    "column": lambda K, high: Column("noise", "rising", 0.0, 1.0, 0.0, high, missing=0.0),
    "accuracy": lambda K, high: Accuracy(0.0, high, 1.0, high, "global", "running"),
    "accuracy_per_class": lambda K, high: Accuracy(0.0, high, 2.0, high, "per_class", "validation"),
    "controller": lambda K, high: Controller(0.1, 0.5, high, high, "global"),
    "controller_per_class": lambda K, high: Controller(0.1, 0.5, high, high, "per_class"),
    "auto": lambda K, high: risen(Auto(limit=high)),
    "rules": lambda K, high: Rules(
        [
            {"when": {"column": "noise", "at_least": 0.75}, "strength": Linear(high, 0.0)},
            {"when": {"class": "c1", "confidence": {"below": 0.9}}, "strength": Uncertainty("margin", 0.0, high)},
        ],
        default=high,
    ),
    "negative": lambda K, high: Negative(-5 * high, warm_up=0.3),
    "teacher": lambda K, high: TeacherConfidence(torch.nn.Identity(), high, "falling", 1.0),
    "column_table": lambda K, high: ColumnTable("noise", {0.5: high}, default=0.0),
}
PRIORS = {
    "uniform": lambda K: Uniform(),
    "exclusive": lambda K: Exclusive(),
    "vector": lambda K: Vector([1.0] + [0.0] * (K - 2) + [2.0]),
    "class_frequency": lambda K: ClassFrequency(-0.5, 1.0),
    "zipf": lambda K: Zipf(1.0),
    "sord": lambda K: Sord(1.0),
    **{family: lambda K, family=family: Ordinal(family, 1.5) for family in ("gaussian", "triangular", "binomial")},
    "similarity": lambda K: Similarity(1 - torch.eye(K) * 0.5),
    "tree": lambda K: Tree({"low": ["c0", "c1"], "high": {f"c{k}": None for k in range(2, K)} or ["none"]}, beta=4.0),
    "embeddings": lambda K: Embeddings(torch.eye(K)[:, :2] + torch.ones(K, 2), temperature=0.3),
    "zipf_of_predictions": lambda K: ZipfOfPredictions(1.0),
    "mixture": lambda K: Mixture({"sord": Sord(1.0), "counts": ClassFrequency(1.0, 1.0)}, {"sord": 1, "counts": 2}),
    "mixture_of_rows": lambda K: Mixture({"a": Exclusive(), "b": ZipfOfPredictions(1.0)}, {"a": 1, "b": 1}),
    "online": lambda K: Online("uniform", "uniform"),
    "self_distilled": lambda K: SelfDistilled(1 << 20),
    "teacher": lambda K: Teacher(torch.nn.Identity(), 2.0),
    "teacher_exclusive": lambda K: Teacher(torch.nn.Identity(), 2.0, exclusive=True),
}
PAIRS = list(itertools.product(STRENGTHS, PRIORS))
DISTRIBUTIONS = [pair for pair in PAIRS if pair[0] != "negative"]  # which is none, by its name


@st.composite
def batches(draw):
    """Labels or votes, logits with masked classes among them, and the rest of a step."""
    classes = draw(st.integers(2, 7))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    count = draw(st.integers(1, 5))
    logits = torch.randn(count, classes, generator=generator, dtype=torch.float64) * draw(st.sampled_from([0.1, 3, 50]))
    labels = torch.randint(classes, (count,), generator=generator)
    if draw(st.booleans()):
        masked = torch.rand(count, classes, generator=generator) < draw(st.sampled_from([0.0, 0.3, 1.0]))
        masked[torch.arange(count), labels] = False
        logits[masked] = -INF
    elif draw(st.booleans()):
        labels = torch.rand(count, classes, generator=generator, dtype=torch.float64).softmax(1)
    noise = torch.rand(count, generator=generator).mul(4).round() / 4
    source = {"rows": torch.arange(count), "features": torch.randn(count, classes, generator=generator)}
    return labels, logits, {"progress": draw(st.floats(0, 1)), "metadata": {"noise": noise}, **source}


def smoother_of(pair, classes, high):
    strength, prior = pair
    smoother = Smoother(STRENGTHS[strength](classes, high), PRIORS[prior](classes))
    smoother.bind(INFO[classes])
    return smoother


@settings(max_examples=200)
@given(pair=st.sampled_from(DISTRIBUTIONS), batch=batches(), high=st.sampled_from([0.0, 1e-6, 0.1, 0.9, 1 - 2**-24]))
def test_every_soft_target_is_a_distribution(pair, batch, high):
    labels, logits, rest = batch
    classes = logits.shape[1]
    target = smoother_of(pair, classes, high)(labels, logits=logits, **rest).validate()
    dense = target.dense(classes, logits)
    assert (dense >= 0).all()
    assert_close(dense.sum(1), torch.ones(len(dense), dtype=torch.float64))
    plain = torch.nn.functional.one_hot(labels, classes).double() if labels.ndim == 1 else labels
    assert (dense[(logits == -INF) & (plain == 0)] == 0).all()
    if high == 0.0:
        assert_close(dense, plain, rtol=0, atol=0)


@settings(max_examples=200)
@given(pair=st.sampled_from(PAIRS), batch=batches(), high=st.sampled_from([0.1, 0.9]))
def test_every_soft_target_has_the_loss_and_gradient_of_its_dense_form(pair, batch, high):
    labels, logits, rest = batch
    logits.requires_grad_()
    target = smoother_of(pair, logits.shape[1], high)(labels, logits=logits, **rest)
    loss = soft_cross_entropy(logits, target)
    (gradient,) = torch.autograd.grad(loss, logits)
    dense = target.dense(logits.shape[1], logits)
    assert_close(dense.sum(1), torch.ones(len(dense), dtype=torch.float64))
    terms = torch.where(dense != 0, dense * torch.log_softmax(logits, 1), 0.0)
    assert_close(loss, -terms.sum() / len(labels))
    assert_close(gradient, ((logits.softmax(1) - dense) / len(labels)).detach())


@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
def test_every_strength_goes_with_every_prior(pair):
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    smoother = smoother_of(pair, 4, 0.3)
    noise = torch.tensor([0.0, 0.5, 1.0, 0.2, 0.7, math.nan])
    rest = {"progress": 0.4, "metadata": {"noise": noise}, "rows": torch.arange(6), "features": torch.ones(6, 4)}
    target = smoother(torch.tensor([0, 1, 2, 3, 0, 1]), logits=logits, **rest)
    loss = soft_cross_entropy(logits, target.validate())
    loss.backward()
    assert loss.dtype is torch.float32
    assert logits.grad.isfinite().all()
    assert all(key.endswith("_extra_state") for key in smoother.state_dict())  # of learners; the others have none


@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
def test_no_step_looks_at_the_values_of_a_tensor(pair):
    """On a GPU that would make the program wait; tensors of the meta device have no values to look at."""
    labels = torch.zeros(6, dtype=torch.int64, device="meta")
    rest = {"metadata": {"noise": torch.zeros(6, device="meta")}, "features": torch.zeros(6, 4, device="meta")}
    rest["rows"] = torch.arange(6)  # they stay on the CPU
    target = smoother_of(pair, 4, 0.3)(labels, logits=torch.zeros(6, 4, device="meta"), **rest)
    assert target.dense(4).shape == (6, 4)
    for tensor in (target.epsilon, target.prior_tensor):
        assert not isinstance(tensor, torch.Tensor) or tensor.device.type == "meta"


@settings(max_examples=100)
@given(prior=st.sampled_from(list(PRIORS)), batch=batches(), excluded=st.integers(0, 6))
def test_no_excluded_class_has_mass_of_any_prior(prior, batch, excluded):
    labels, logits, rest = batch
    classes = logits.shape[1]
    excluded %= classes
    smoother = Smoother(Constant(0.3), PRIORS[prior](classes), exclude=[excluded])
    smoother.bind(INFO[classes])
    dense = smoother(labels, logits=logits, **rest).validate().dense(classes, logits)
    plain = torch.nn.functional.one_hot(labels, classes).double() if labels.ndim == 1 else labels
    assert_close(dense.sum(1), torch.ones(len(dense), dtype=torch.float64))
    assert (dense[:, excluded] <= plain[:, excluded] + 1e-12).all()
    assert (dense[plain[:, excluded] == 0, excluded] == 0).all()
