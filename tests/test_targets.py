"""Soft targets: worked examples, what they sum to, their entropy, and what is refused."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from smoothlab import InvalidArgument, SoftTarget
from smoothlab.targets import PerClass, PerSample


def distributions(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).softmax(-1)


@pytest.mark.parametrize(
    ("classes", "epsilon", "prior", "label", "expected"),
    [
        (4, 0.1, "uniform", 1, [0.025, 0.925, 0.025, 0.025]),
        (4, 0.1, None, 1, [0.025, 0.925, 0.025, 0.025]),
        (3, 0.1, "exclusive", 0, [0.9, 0.05, 0.05]),
        (5, 0.2, "exclusive", 2, [0.05, 0.05, 0.8, 0.05, 0.05]),
        (2, 0.5, "exclusive", 0, [0.5, 0.5]),
        (2, 0.9, "exclusive", 0, [0.1, 0.9]),
        (3, 0.0, "exclusive", 2, [0.0, 0.0, 1.0]),
        (1, 0.1, "uniform", 0, [1.0]),
        (1, 0.1, "exclusive", 0, [1.0]),
        (3, 0.5, torch.tensor([0.2, 0.3, 0.5]), 0, [0.6, 0.15, 0.25]),
    ],
)
def test_worked_examples(classes, epsilon, prior, label, expected):
    dense = SoftTarget(torch.tensor([label]), epsilon, prior).dense(classes)
    assert_close(dense, torch.tensor([expected]))


def test_a_vote_base_is_smoothed_like_labels():
    votes = torch.tensor([[0.5, 0.25, 0.25]], dtype=torch.float64)
    assert_close(SoftTarget(votes, 0.3).dense(3), 0.7 * votes + 0.1)
    assert_close(SoftTarget(votes, 0.3, "exclusive").dense(3), 0.7 * votes + 0.3 * (1 - votes) / 2)
    matrix = distributions(3, 3)
    assert_close(SoftTarget(votes, 0.3, PerClass(matrix)).dense(3), 0.7 * votes + 0.3 * votes @ matrix)


def test_a_matrix_gives_the_row_of_the_label():
    matrix = distributions(3, 3)
    dense = SoftTarget(torch.tensor([2, 0]), 0.4, PerClass(matrix)).dense(3)
    assert_close(dense, 0.6 * torch.eye(3, dtype=torch.float64)[[2, 0]] + 0.4 * matrix[[2, 0]])


def test_rows_and_epsilon_of_each_sample():
    rows, epsilon = distributions(2, 2, 3), torch.tensor([[0.0, 0.1], [0.5, 0.9]], dtype=torch.float64)
    y = torch.tensor([[0, 1], [2, 1]])
    e = epsilon.unsqueeze(-1)
    expected = (1 - e) * torch.eye(3, dtype=torch.float64)[y] + e * rows
    for prior in (PerSample(rows), PerSample(rows.reshape(4, 3))):
        assert_close(SoftTarget(y, epsilon, prior).dense(3), expected)


def test_a_masked_class_gets_no_mass():
    logits = torch.tensor([[1.0, 2.0, -math.inf, 3.0], [1.0, -math.inf, -math.inf, -math.inf]])
    y = torch.tensor([1, 0])
    assert_close(SoftTarget(y, 0.3).dense(4, logits), torch.tensor([[0.1, 0.8, 0.0, 0.1], [1.0, 0.0, 0.0, 0.0]]))
    assert_close(
        SoftTarget(y, 0.3, "exclusive").dense(4, logits),
        torch.tensor([[0.15, 0.7, 0.0, 0.15], [1.0, 0.0, 0.0, 0.0]]),
    )
    prior = torch.tensor([0.0, 0.25, 0.25, 0.5])
    assert_close(SoftTarget(y, 0.3, prior).dense(4, logits), torch.tensor([[0.0, 0.8, 0.0, 0.2], [1.0, 0.0, 0.0, 0.0]]))


@st.composite
def targets(draw):
    """A target of any kind, its number of classes, and logits with some classes masked."""
    rows, classes = draw(st.integers(0, 4)), draw(st.integers(1, 5))
    seed = draw(st.integers(0, 1000))
    generator = torch.Generator().manual_seed(seed)
    base = torch.randint(0, classes, (rows,), generator=generator)
    if draw(st.booleans()):
        base = distributions(rows, classes, seed=seed)
    epsilon = draw(st.floats(0, 1, exclude_max=True))
    if draw(st.booleans()):
        epsilon = torch.rand(rows, generator=generator, dtype=torch.float64)
    prior = draw(
        st.sampled_from(
            [
                "uniform",
                "exclusive",
                distributions(classes, seed=seed),
                PerClass(distributions(classes, classes, seed=seed)),
                PerSample(distributions(rows, classes, seed=seed)),
            ]
        )
    )
    logits = torch.randn(rows, classes, generator=generator, dtype=torch.float64)
    logits[torch.rand(rows, classes, generator=generator) < draw(st.sampled_from([0.0, 0.5, 1.0]))] = -math.inf
    return SoftTarget(base, epsilon, prior), classes, logits


@settings(max_examples=60, deadline=None)
@given(targets())
def test_every_target_is_a_distribution_masked_or_not(drawn):
    target, classes, logits = drawn
    for dense in (target.dense(classes, dtype=torch.float64), target.dense(classes, logits)):
        assert bool((dense >= 0).all())
        assert_close(dense.sum(-1), torch.ones(len(dense), dtype=torch.float64))
    target.validate()


@settings(max_examples=60, deadline=None)
@given(targets())
def test_the_entropy_is_that_of_the_dense_target(drawn):
    target, classes, _ = drawn
    dense = target.dense(classes, dtype=torch.float64)
    entropy = torch.as_tensor(target.entropy(classes), dtype=torch.float64).expand(len(dense))
    assert_close(entropy, -torch.xlogy(dense, dense).sum(-1), rtol=1e-6, atol=1e-6)


def test_the_entropy_is_a_number_where_it_is_the_same_for_all():
    y = torch.tensor([0, 1, -100])
    assert SoftTarget(y).entropy(3) == 0.0
    assert SoftTarget(y, 0.1, "exclusive").entropy(3) == pytest.approx(-0.9 * math.log(0.9) - 0.1 * math.log(0.05))
    top, other = 0.9 + 0.1 / 3, 0.1 / 3
    assert SoftTarget(y, 0.1).entropy(3) == pytest.approx(-top * math.log(top) - 2 * other * math.log(other))
    assert isinstance(SoftTarget(y, 0.1).entropy(3), float)


@pytest.mark.parametrize(
    "target",
    [
        SoftTarget(torch.tensor([0, -100]), torch.tensor([0.1, 0.2])),
        SoftTarget(torch.tensor([0, -100]), 0.1, torch.tensor([0.2, 0.8])),
        SoftTarget(torch.tensor([0, -100]), 0.1, PerClass(torch.full((2, 2), 0.5))),
        SoftTarget(torch.tensor([0, -100]), 0.1, PerSample(torch.full((2, 2), 0.5))),
    ],
    ids=["epsilon", "vector", "matrix", "rows"],
)
def test_the_entropy_of_an_ignored_row_is_zero(target):
    entropy = target.entropy(2)
    assert entropy.shape == (2,)
    assert entropy[0] > 0
    assert entropy[1] == 0


@pytest.mark.parametrize("epsilon", [1.0, 1, 1.2, -0.1, math.nan, math.inf, "0.1", "abc", True, None, 1j, [0.1]])
def test_a_number_epsilon_outside_the_range_is_refused(epsilon):
    with pytest.raises(InvalidArgument, match=r"epsilon = .*: expected a number in \[0, 1\)"):
        SoftTarget(torch.tensor([0]), epsilon)


def test_a_bare_matrix_is_refused_with_the_wrappers_named():
    for shape in ((3, 3), (2, 3)):
        with pytest.raises(InvalidArgument, match=r"PerClass.*PerSample"):
            SoftTarget(torch.tensor([0, 1]), 0.1, torch.full(shape, 1 / 3))


@pytest.mark.parametrize("prior", ["uniformly", 3, ["uniform"], torch.tensor(0.1)])
def test_a_prior_of_another_kind_is_refused(prior):
    with pytest.raises(InvalidArgument, match="prior"):
        SoftTarget(torch.tensor([0]), 0.1, prior)


def test_bases_and_wrappers_of_a_wrong_kind_are_refused():
    with pytest.raises(InvalidArgument, match="base"):
        SoftTarget(torch.tensor([True, False]))
    with pytest.raises(InvalidArgument, match="square"):
        PerClass(torch.ones(2, 3))
    with pytest.raises(InvalidArgument, match="PerSample"):
        PerSample(torch.tensor(0.5))


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (SoftTarget(torch.tensor([0]), torch.tensor([1.0])), "epsilon"),
        (SoftTarget(torch.tensor([0]), torch.tensor([-0.1])), "epsilon"),
        (SoftTarget(torch.tensor([0]), torch.tensor([math.nan])), "epsilon"),
        (SoftTarget(torch.tensor([0]), torch.tensor([0.1, 0.2])), "epsilon"),
        (SoftTarget(torch.tensor([0]), 0.1, torch.tensor([0.5, 0.6])), "prior"),
        (SoftTarget(torch.tensor([0]), 0.1, torch.tensor([-0.5, 1.5])), "prior"),
        (SoftTarget(torch.tensor([0]), 0.1, PerClass(torch.tensor([[0.5, 0.5], [1.0, 1.0]]))), "prior"),
        (SoftTarget(torch.tensor([0]), 0.1, PerSample(torch.full((2, 2), 0.5))), "prior"),
        (SoftTarget(torch.tensor([[0.5, math.nan]])), "base"),
        (SoftTarget(torch.tensor([[0.5, 0.6]])), "base"),
        (SoftTarget(torch.tensor([[0.5, 0.5]]), 0.1, torch.ones(3) / 3), "base"),
        (SoftTarget(torch.tensor([0, 2]), 0.1, torch.tensor([0.5, 0.5])), "base"),
    ],
)
def test_validate_looks_at_the_values(target, name):
    with pytest.raises(InvalidArgument) as caught:
        target.validate()
    assert caught.value.name == name


def test_validate_returns_a_sound_target():
    target = SoftTarget(torch.tensor([0, -100, 1]), torch.tensor([0.0, 0.5, 0.9]), torch.tensor([0.5, 0.5]))
    assert target.validate() is target
