"""Soft labels of multi-label samples: conventions by hand, any strength, and parent >= child on random trees."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from smoothlab import InvalidArgument, Smoother
from smoothlab.classes import ClassTree, Hierarchy
from smoothlab.config.build import build
from smoothlab.config.compose import compose_config, plain
from smoothlab.losses import smoothed_binary_labels, soft_binary_cross_entropy
from smoothlab.smoothing import (
    Accuracy,
    ByClass,
    ClassFrequency,
    ClassInfo,
    Column,
    ColumnTable,
    Constant,
    Cosine,
    Exclusive,
    Flip,
    Flow,
    Half,
    Linear,
    Mixture,
    MultilabelSmoother,
    Negative,
    Prevalence,
    Step,
    Uncertainty,
    Uniform,
    Vector,
)
from smoothlab.soft_labels import SoftLabels

LABELS = torch.tensor([[1, 0, 0], [1, 1, -1], [0, 0, 1]])
NESTED = {"clothes": {"footwear": ["boots", "shoes"], "hats": None}}
NAMES = ["footwear", "boots", "shoes", "hats"]
BOOTS = torch.tensor([[1.0, 1.0, 0.0, 0.0]], dtype=torch.float64)


def drawn(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def double(values):
    return torch.tensor(values, dtype=torch.float64)


# The conventions -----------------------------------------------------------------------------------------------------


def test_half_and_flip_are_the_two_published_conventions():
    labels = LABELS.clamp_min(0).double()
    half, flip = (MultilabelSmoother(Constant(0.1), prior)(labels).values for prior in (Half(), Flip()))
    assert_close(half[0], double([0.95, 0.05, 0.05]))
    assert_close(flip[0], double([0.9, 0.1, 0.1]))
    assert_close(half, smoothed_binary_labels(labels, 0.1, "uniform"))
    assert_close(flip, smoothed_binary_labels(labels, 0.1, "exclusive"))
    assert_close(flip, MultilabelSmoother(Constant(0.2), Half())(labels).values)


def test_prevalence_by_hand():
    known = Prevalence(power=1.0, pseudo_count=1.0, counts=[0, 4, 8], num_samples=8)
    labels = torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64)
    assert_close(MultilabelSmoother(Constant(0.1), known)(labels).values, double([[0.91, 0.05, 0.09]]))
    assert MultilabelSmoother(Constant(0.1), Prevalence(0.0, 0.0, [0, 4, 8], 8))(labels).values.tolist() == [
        pytest.approx([0.95, 0.05, 0.05])
    ]
    squared = Prevalence(2.0, 0.0, [2], 8)(Step(torch.zeros(1, 1, dtype=torch.float64)))
    assert_close(squared, double([(1 / 4) ** 2 / ((1 / 4) ** 2 + (3 / 4) ** 2)]))  # odds of 1 to 3, squared


def test_prevalence_takes_the_counts_of_the_data_unless_it_has_its_own():
    info = ClassInfo(["a", "b"], [3, 6], num_samples=8)
    step = Step(torch.zeros(1, 2, dtype=torch.float64))
    own, bound = Prevalence(1.0, 0.0, [1, 1], 4), Prevalence(1.0, 0.0)
    for prior in (own, bound):
        prior.bind(info)
    assert own(step).tolist() == pytest.approx([0.25, 0.25])
    assert bound(step).tolist() == pytest.approx([0.375, 0.75])


def test_labels_that_are_unknown_stay_so_and_count_for_nothing():
    target = MultilabelSmoother(Constant(0.2), Half())(LABELS)
    assert target.values[1].tolist() == pytest.approx([0.9, 0.9, -1.0])
    p = torch.tensor(0.9)
    entropy = -(p * p.log() + (1 - p) * (1 - p).log())
    assert_close(target.entropy(3), entropy.expand(3))
    logits = drawn(3, 3).requires_grad_()
    loss = soft_binary_cross_entropy(logits, target, reduction="none")
    loss.sum().backward()
    assert logits.grad[1, 2] == 0
    each = torch.nn.functional.binary_cross_entropy_with_logits(logits, target.values.clamp_min(0), reduction="none")
    assert_close(loss[1], each[1, :2].mean())
    assert (loss >= target.entropy(3)).all()


def test_soft_labels_are_not_smoothed_twice():
    target = MultilabelSmoother(Constant(0.2), Half())(LABELS)
    with pytest.raises(InvalidArgument, match=r"epsilon = 0\.1: expected 0, since the labels are smoothed already"):
        soft_binary_cross_entropy(drawn(3, 3), target, epsilon=0.1)


# Strengths -----------------------------------------------------------------------------------------------------------


def test_schedules_go_by_progress():
    smoother = MultilabelSmoother(Linear(0.2, 0.0), Half())
    assert smoother(LABELS, progress=0.5).epsilon == pytest.approx(0.1)


def test_a_number_a_class_is_a_number_a_label():
    smoother = MultilabelSmoother(ByClass({"a": 0.2}, default=0.0), Half())
    smoother.bind(ClassInfo(["a", "b", "c"], [1, 1, 1]))
    assert_close(smoother(LABELS).values[0], torch.tensor([0.9, 0.0, 0.0]))


@pytest.mark.parametrize("measure", ["entropy", "max_probability", "margin"])
def test_uncertainty_is_that_of_each_answer(measure):
    logits = drawn(3, 3) * 3
    p = torch.sigmoid(logits.double())
    largest = torch.maximum(p, 1 - p)
    share = {
        "entropy": -(p * p.log() + (1 - p) * (1 - p).log()) / math.log(2),
        "max_probability": (1 - largest) * 2,
        "margin": 1 - (2 * largest - 1),
    }[measure]
    target = MultilabelSmoother(Uncertainty(measure, 0.0, 0.5), Half())(LABELS, logits=logits)
    assert_close(target.epsilon.double(), 0.5 * share, rtol=1e-5, atol=1e-6)


def test_a_column_smooths_all_labels_of_its_row_alike():
    strength = Column("trust", "falling", 0.0, 1.0, 0.0, 0.4, missing=0.0)
    epsilon = MultilabelSmoother(strength, Half())(LABELS, metadata={"trust": torch.tensor([1.0, 0.5, 0.0])}).epsilon
    assert_close(epsilon, torch.tensor([[0.0] * 3, [0.2] * 3, [0.4] * 3]))


def test_accuracy_is_that_of_the_answers_and_unknown_ones_do_not_count():
    strength = Accuracy(low=0.0, high=0.4, power=1.0, start=0.4, scope="global", source="running")
    smoother = MultilabelSmoother(strength, Half())
    smoother.bind(ClassInfo(["a", "b", "c"], [2, 1, 1], num_samples=3))
    logits = torch.tensor([[2.0, -1.0, 1.0], [3.0, 1.0, 9.0], [-1.0, 1.0, 1.0]])  # 6 of the 8 known answers
    smoother(LABELS, logits=logits)
    strength.end_epoch()
    share = (6 / 8 - 1 / 2) * 2
    assert smoother(LABELS, logits=logits).epsilon == pytest.approx(0.4 * (1 - share))


def test_what_adapts_by_class_adapts_to_absent_and_present_labels():
    strength = Accuracy(low=0.0, high=0.4, power=1.0, start=0.4, scope="per_class", source="running")
    smoother = MultilabelSmoother(strength, Half())
    logits = torch.where(LABELS > 0, 1.0, 1.0)  # every label is said to be present
    smoother(LABELS, logits=logits)
    strength.end_epoch()
    assert_close(smoother(LABELS, logits=logits).epsilon[0], torch.tensor([0.0, 0.4, 0.4]))


def test_learners_learn_in_training_mode_only():
    strength = Accuracy(low=0.0, high=0.4, power=1.0, start=0.4, scope="global", source="running")
    smoother = MultilabelSmoother(strength, Half())
    smoother.eval()
    smoother(LABELS, logits=drawn(3, 3))
    assert all(not sums.any() for sums in strength.seen.values())


# Trees ---------------------------------------------------------------------------------------------------------------


def test_flow_by_hand():
    """Boots stay boots, or become shoes, footwear or a hat; what is above what comes is present too."""
    prior = Flow(Hierarchy(NESTED, NAMES), beta=2.0)
    near, far = math.exp(-1.0), math.exp(-2.0)  # heights 1 and 2 of 2
    total = 1 + 2 * near + far  # itself, footwear and shoes, hats
    expected = double([[(1 + 2 * near) / total, 1 / total, near / total, far / total]])
    assert_close(prior(Step(BOOTS)), expected)
    assert_close(MultilabelSmoother(Constant(0.25), prior)(BOOTS).values, 0.75 * BOOTS + 0.25 * expected)
    both = double([[1.0, 1.0, 0.0, 1.0]])
    hats = double([[2 * far + far, far, far, 1.0]]) / (1 + 3 * far)
    assert_close(prior(Step(both)), 1 - (1 - expected) * (1 - hats))
    assert prior(Step(torch.zeros(1, 4))).tolist() == [[0.0] * 4]


def test_flow_draws_what_is_redrawn_independently():
    """Against counting: every way to redraw two deepest labels, with its probability."""
    hierarchy = Hierarchy(
        {"r": {"a": ["a1", "a2"], "b": {"b1": ["x", "y"]}, "c": None}}, ["a", "a1", "x", "y", "b", "c"]
    )
    prior, labels = Flow(hierarchy, beta=1.5), double([[1, 1, 1, 0, 1, 0]])
    redrawn = torch.softmax(-1.5 * hierarchy.distances() / hierarchy.distances().max(), 1)
    expected = torch.zeros(6, dtype=torch.float64)
    for first, second in itertools.product(range(6), repeat=2):
        comes = torch.zeros(6, dtype=torch.float64)
        comes[[first, second]] = 1.0
        expected += redrawn[1, first] * redrawn[2, second] * hierarchy.close(comes)
    assert_close(prior(Step(labels))[0], expected)


@st.composite
def cases(draw):
    """Random trees with labels in any order, multi-hot labels, and an epsilon of each kind."""
    size = draw(st.integers(2, 14))
    parents = [-1, *(draw(st.integers(0, node - 1)) for node in range(1, size))]
    names = draw(st.permutations([f"n{node}" for node in range(size)]))[: draw(st.integers(1, size))]
    hierarchy = Hierarchy(ClassTree(tuple(f"n{node}" for node in range(size)), tuple(parents)), names)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    rows, count = draw(st.integers(1, 4)), len(names)
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    labels = (torch.rand(rows, count, generator=generator) < draw(st.sampled_from([0.1, 0.5]))).to(dtype)
    if draw(st.booleans()):
        labels[torch.rand(rows, count, generator=generator) < 0.2] = -1
    elif draw(st.booleans()):
        labels = torch.rand(rows, count, generator=generator, dtype=dtype)  # shares, as of mixed samples
    high = draw(st.sampled_from([0.0, 1e-6, 0.1, 0.37, 0.9, 1 - 2**-24]))
    strength = {
        "constant": lambda: Constant(high),
        "schedule": lambda: Cosine(0.0, high),
        "by_label": lambda: ByClass([high * k / count for k in range(count)]),
        "uncertainty": lambda: Uncertainty("entropy", 0.0, high),
        "table": lambda: ColumnTable("noise", {0.5: high}, default=0.0),
    }[draw(st.sampled_from(["constant", "schedule", "by_label", "uncertainty", "table"]))]()
    counts = hierarchy.close(torch.randint(0, 9, (count,), generator=generator))
    prior = {
        "half": lambda: Half(),
        "prevalence": lambda: Prevalence(draw(st.sampled_from([0.0, 0.5, 2.0])), 1.0, counts, 9),
        "flow": lambda: Flow(hierarchy, draw(st.sampled_from([0.0, 0.5, 4.0, 30.0]))),
    }[draw(st.sampled_from(["half", "prevalence", "flow"]))]()
    step = {
        "logits": torch.randn(rows, count, generator=generator).to(dtype) * 3,
        "progress": draw(st.floats(0, 1)),
        "metadata": {"noise": torch.full((rows,), 0.5)},
    }
    return hierarchy, labels, strength, prior, step


@settings(max_examples=300)
@given(cases())
def test_a_parent_never_has_less_than_a_child(case):
    hierarchy, labels, strength, prior, step = case
    target = MultilabelSmoother(strength, prior, hierarchy)(labels, **step).validate()
    closed = hierarchy.close(labels)
    known = closed >= 0
    assert torch.equal(target.values >= 0, known)
    for child, parent in enumerate(hierarchy.parents):
        both = known[:, child] & known[:, parent] if parent != -1 else torch.zeros(len(labels), dtype=torch.bool)
        assert (target.values[both, parent] >= target.values[both, child]).all()  # exactly, not to a tolerance


@settings(max_examples=150)
@given(cases())
def test_the_last_pass_over_the_tree_changes_nothing_but_rounding(case):
    """The construction itself keeps parent >= child where epsilon is one number a sample."""
    hierarchy, labels, strength, prior, step = case
    labels = labels.clamp_min(0)
    if isinstance(strength, ByClass | Uncertainty):
        strength = Constant(0.3)
    values = MultilabelSmoother(strength, prior, hierarchy)(labels, **step).values
    closed = hierarchy.close(labels)
    epsilon = strength(Step(labels[:, 0].long(), **step))
    epsilon = epsilon.unsqueeze(-1) if isinstance(epsilon, torch.Tensor) else epsilon
    plain = (1 - epsilon) * closed + epsilon * prior(Step(closed))
    assert_close(values.double(), plain.double(), rtol=0, atol=1e-6)


@settings(max_examples=60)
@given(cases())
def test_no_smoothing_is_the_closed_labels(case):
    hierarchy, labels, _, prior, step = case
    closed = hierarchy.close(labels)
    values = MultilabelSmoother(Constant(0.0), prior, hierarchy)(labels, **step).values
    assert torch.equal(values, closed.where(closed >= 0, -1.0))


def test_labels_that_are_not_closed_are_closed_or_refused():
    hierarchy, boots = Hierarchy(NESTED, NAMES), torch.tensor([[0, 1, 0, 0]])
    assert MultilabelSmoother(Constant(0.0), Half(), hierarchy)(boots).values.tolist() == [[1.0, 1.0, 0.0, 0.0]]
    strict = MultilabelSmoother(Constant(0.0), Half(), hierarchy, unclosed="refuse")
    assert strict(BOOTS).values.tolist() == BOOTS.tolist()
    with pytest.raises(InvalidArgument, match="labels = 'a label without one above it': expected closed labels"):
        strict(boots)


def test_flow_brings_its_tree_to_the_smoother():
    smoother = MultilabelSmoother(Constant(0.1), Flow(NESTED, beta=4.0))
    with pytest.raises(InvalidArgument, match="expected a Hierarchy, or bind with the names of the labels"):
        smoother(BOOTS)
    smoother.bind(ClassInfo(["boots", "hats", "footwear", "shoes"], [1, 1, 1, 1], num_samples=4))
    values = smoother(torch.tensor([[1, 0, 0, 0]])).values[0]
    assert values[2] > values[0] > values[3] > values[1]  # footwear, boots, shoes, hats


def test_the_datas_order_wins_over_that_of_the_hierarchy():
    smoother = MultilabelSmoother(Constant(0.1), Flow(Hierarchy(NESTED, NAMES), beta=4.0))
    before = smoother(BOOTS).values
    smoother.bind(ClassInfo(NAMES[::-1], [1] * 4))
    assert_close(smoother(BOOTS.flip(1)).values, before.flip(1))
    smoother.bind(ClassInfo(["0", "1", "2", "3"], [1] * 4))  # names that no tree knows leave the given order
    with pytest.raises(InvalidArgument, match="tree = '4 labels': expected 2: a, b"):
        smoother.bind(ClassInfo(["a", "b"], [1, 1]))


# Configs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prior", ["half", "flip", "prevalence", "flow"])
def test_each_option_makes_a_smoother_of_the_command_line(prior):
    words = ["smoothing=multilabel", "task=multilabel", f"smoothing/prior={prior}"]
    config = plain(compose_config("train", [*words, "task.tree={clothes: {footwear: [boots, shoes], hats: null}}"]))
    smoother = build(config["smoothing"], "smoothing")
    smoother.bind(ClassInfo(NAMES, [5, 3, 2, 4], num_samples=9))
    values = smoother(BOOTS).validate().values
    assert type(smoother.prior).__name__.lower() == prior
    assert values[0, 0] >= values[0, 1] > values[0, 2]


# What every pair is --------------------------------------------------------------------------------------------------

STRENGTHS = {
    "constant": lambda: Constant(0.3),
    "schedule": lambda: Cosine(0.0, 0.3),
    "uncertainty": lambda: Uncertainty("margin", 0.3, 0.0),
    "by_class": lambda: ByClass([0.1, 0.2, 0.3, 0.0]),
    "column": lambda: Column("noise", "rising", 0.0, 1.0, 0.0, 0.3, missing=0.0),
    "column_table": lambda: ColumnTable("noise", {0.5: 0.3}, default=0.0),
    "accuracy": lambda: Accuracy(0.0, 0.3, 1.0, 0.1, "per_class", "running"),
}
PRIORS = {
    "half": lambda: Half(),
    "flip": lambda: Flip(),
    "prevalence": lambda: Prevalence(1.0, 1.0, [5, 3, 2, 4], 9),
    "flow": lambda: Flow(Hierarchy(NESTED, NAMES), beta=4.0),
}
PAIRS = list(itertools.product(STRENGTHS, PRIORS))


@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
def test_every_strength_goes_with_every_prior(pair):
    smoother = MultilabelSmoother(STRENGTHS[pair[0]](), PRIORS[pair[1]]())
    labels, logits = (drawn(6, 4, seed=1) > 0).long(), drawn(6, 4).requires_grad_()
    noise = torch.tensor([0.0, 0.5, 1.0, 0.2, 0.7, math.nan])
    target = smoother(labels, logits=logits, progress=0.4, metadata={"noise": noise}).validate()
    assert target.values.shape == (6, 4)
    assert not target.values.requires_grad
    loss = soft_binary_cross_entropy(logits, target)
    loss.backward()
    assert_close(logits.grad, ((torch.sigmoid(logits) - target.values) / 24).detach())


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair[0] != "accuracy"], ids=" ".join)
def test_no_step_looks_at_the_values_of_a_tensor(pair):
    labels = torch.zeros(6, 4, device="meta")
    smoother = MultilabelSmoother(STRENGTHS[pair[0]](), PRIORS[pair[1]]())
    metadata = {"noise": torch.zeros(6, device="meta")}
    assert smoother(labels, logits=labels, metadata=metadata).values.device.type == "meta"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: MultilabelSmoother(Constant(0.1), ClassFrequency(1.0, 1.0)),
            "prior = 'ClassFrequency': expected Half",
        ),
        (lambda: MultilabelSmoother(Constant(0.1), Vector([1.0, 2.0])), "prior = 'Vector': expected Half"),
        (
            lambda: MultilabelSmoother(Constant(0.1), Uniform())(LABELS),
            "prior = 'uniform': expected one of multi-label",
        ),
        (lambda: MultilabelSmoother(Constant(0.1), Exclusive())(LABELS), "prior = 'exclusive': expected one of"),
        (lambda: MultilabelSmoother(Constant(0.1), Half())(LABELS[:, 0]), r"labels = .*shape \(3,\).*numbers of shape"),
        (lambda: MultilabelSmoother(Constant(0.1), Half())(LABELS > 0), "labels = 'torch.bool"),
        (lambda: MultilabelSmoother(Constant(0.1), Half())(LABELS, logits=drawn(3, 2)), r"expected shape \(3, 2\)"),
        (lambda: MultilabelSmoother(ByClass([0.1, 0.2]), Half())(LABELS), "epsilon = '2 numbers': expected 3, one"),
        # after its warm-up absent labels would have negative values, which are those that nobody knows
        (lambda: MultilabelSmoother(Negative(-0.4, warm_up=0.5), Half()), "strength = 'Negative': expected one of at"),
        (lambda: MultilabelSmoother(Constant(0.1), Half(), unclosed="drop"), "unclosed = 'drop': expected one of"),
        (lambda: MultilabelSmoother(Constant(0.1), Half(), NESTED)(BOOTS), "expected a Hierarchy, or bind"),
        (lambda: Smoother(Constant(0.1), Half()), "prior = 'Half': expected a prior over the classes"),
        (lambda: Smoother(Constant(0.1), Flip()), "prior = 'Flip': expected a prior over the classes"),
        (lambda: Smoother(Constant(0.1), Prevalence(1.0, 1.0)), "prior = 'Prevalence': expected a prior over the"),
        (lambda: Smoother(Constant(0.1), Flow(NESTED, 4.0)), "prior = 'Flow': expected a prior over the classes"),
        (
            lambda: Smoother(Constant(0.1), Mixture({"a": Half(), "b": Uniform()}, {"a": 1.0, "b": 1.0})),
            "prior = 'Half': expected a prior over the classes",
        ),
        (lambda: Prevalence(-1.0, 1.0), "power = -1.0: expected a number >= 0"),
        (lambda: Prevalence(1.0, 1.0, [1, 2]), "num_samples = None: expected the number of training samples"),
        (lambda: Prevalence(1.0, 1.0, [1, 5], 4), "counts = 5.0: expected at most 4"),
        (lambda: Prevalence(1.0, 1.0)(Step(LABELS)), "counts = None: expected a number a label"),
        (lambda: Prevalence(1.0, 1.0).bind(ClassInfo(["a"], [1])), "num_samples = 0: expected data that say"),
        (lambda: Flow(3, 4.0), "tree = 3: expected a ClassTree"),
        (lambda: Flow(None, 4.0).bind(ClassInfo(["a"], [1])), "tree = None: expected nested names .* the data have no"),
        (lambda: Flow(NESTED, -1.0), "beta = -1.0: expected a number >= 0"),
        (lambda: SoftLabels(torch.tensor([[1.5]])).validate(), "values = 'an entry above 1, or nan'"),
        (lambda: SoftLabels(torch.tensor([[0.5]]), 1.0).validate(), "epsilon = 1.0: expected values"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(make, message):
    with pytest.raises(InvalidArgument, match=message):
        make()
