"""Priors that are matrices: ordinal distances and given similarities."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch.testing import assert_close

from smoothlab import InvalidArgument, Smoother, SoftTarget, soft_cross_entropy
from smoothlab.smoothing import ClassInfo, Constant, Learnable, Online, Ordinal, Similarity, Sord, Step, Tree
from smoothlab.smoothing.priors.ordinal import FAMILIES

ALMOST_ONE = math.nextafter(1.0, 0.0)  # the originals take the prior alone as the target


def rows(prior, num_classes):
    logits = torch.zeros(1, num_classes, dtype=torch.float64)
    return prior(Step(torch.tensor([0]), logits)).matrix


def double(values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize(
    "prior",
    [Sord(1.3), Sord(0.7, "squared"), *(Ordinal(family, 1.5) for family in FAMILIES), Similarity(torch.eye(5) + 0.1)],
)
def test_rows_are_distributions_with_their_peak_at_the_label(prior):
    matrix = rows(prior, 5)
    SoftTarget(torch.arange(5), 0.5, prior(Step(torch.arange(5), torch.zeros(5, 5)))).validate()
    assert (matrix.argmax(1) == torch.arange(5)).all()
    assert_close(matrix, matrix.flip(0, 1))  # the axis has no direction
    below = matrix[2, 3:]
    assert (below[1:] <= below[:-1] + 1e-12).all()


def test_sord_by_hand():
    assert_close(rows(Sord(2.0), 3)[0], torch.softmax(double([0.0, -2.0, -4.0]), 0))
    assert_close(rows(Sord(2.0, "squared"), 3)[0], torch.softmax(double([0.0, -2.0, -8.0]), 0))


def test_families_by_hand_and_by_scipy():
    k = torch.arange(4).numpy()
    for label in range(4):
        gaussian = double(stats.norm.pdf(k, label, 0.8))
        assert_close(rows(Ordinal("gaussian", 0.8), 4)[label], gaussian / gaussian.sum())
        assert_close(rows(Ordinal("binomial", 1.0), 4)[label], double(stats.binom.pmf(k, 3, (label + 0.5) / 4)))
    exponential = double([1.0, math.exp(-0.5), math.exp(-1.0), math.exp(-1.5)])
    assert_close(rows(Ordinal("exponential", 2.0), 4)[0], exponential / exponential.sum())
    assert_close(rows(Ordinal("triangular", 2.0), 4)[1], double([0.25, 0.5, 0.25, 0.0]))
    assert_close(rows(Ordinal("triangular", 1.0), 4), torch.eye(4, dtype=torch.float64))


@pytest.mark.parametrize("family", FAMILIES)
def test_one_class_and_many_classes(family):
    assert rows(Ordinal(family, 2.0), 1).tolist() == [[1.0]]
    assert_close(rows(Ordinal(family, 2.0), 500).sum(1), torch.ones(500, dtype=torch.float64))


def test_k_comes_from_logits_votes_the_data_or_the_constructor():
    assert Sord(1.0)(Step(torch.tensor([0]), torch.zeros(1, 4))).matrix.shape == (4, 4)
    assert Sord(1.0)(Step(torch.tensor([[0.5, 0.5]]))).matrix.shape == (2, 2)
    assert Sord(1.0, num_classes=3)(Step(torch.tensor([0]))).matrix.shape == (3, 3)
    bound = Smoother(Constant(0.1), Sord(1.0))
    bound.bind(ClassInfo(list("abc"), [1, 1, 1]))
    assert bound(torch.tensor([0])).prior.matrix.shape == (3, 3)
    with pytest.raises(InvalidArgument, match="num_classes = None: expected K"):
        Sord(1.0)(Step(torch.tensor([0])))
    with pytest.raises(InvalidArgument, match="num_classes = 4: expected 3, as the data have"):
        Sord(1.0, num_classes=4).bind(ClassInfo(list("abc"), [1, 1, 1]))


def test_similarities_are_normalised_by_row():
    matrix = [[0.0, 1.0, 3.0], [2.0, 2.0, 0.0], [1.0, 0.0, 0.0]]
    step = Step(torch.tensor([0]))
    expected = torch.tensor([[0.0, 0.25, 0.75], [0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    assert_close(Similarity(matrix)(step).matrix, expected)
    assert_close(Similarity(matrix, power=2.0)(step).matrix[0], torch.tensor([0.0, 0.1, 0.9]))
    with pytest.raises(InvalidArgument, match="matrix = '3 classes': expected 2: a, b"):
        Similarity(matrix).bind(ClassInfo(["a", "b"], [1, 1]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sord(0.0), "alpha = 0.0: expected a number above 0"),
        (lambda: Sord(1.0, "cubed"), "distance = 'cubed': expected one of absolute, squared"),
        (lambda: Sord(1.0, num_classes=0), "num_classes = 0: expected an integer of at least 1"),
        (lambda: Ordinal("poisson", 1.0), "family = 'poisson': expected one of gaussian"),
        (lambda: Ordinal("gaussian", math.nan), "scale = nan: expected a number above 0"),
        (lambda: Similarity([[1, 2], [3]]), "matrix = .*: expected K rows of K numbers >= 0"),
        (lambda: Similarity([[1, 2, 3], [1, 2, 3]]), r"matrix = \(2, 3\): expected K rows of K numbers"),
        (lambda: Similarity([[1, 2], [0, 0]]), "matrix = 'a row of zeros': expected some weight above 0"),
        (lambda: Similarity([[1, -2], [0, 1]]), "matrix = -2.0: expected"),
        (lambda: Similarity([[1, 2], [0, 1]], power=-1), "power = -1: expected a number above 0"),
    ],
)
def test_arguments_outside_their_range_are_refused(make, message):
    with pytest.raises(InvalidArgument, match=message):
        make()


def test_it_is_dlordinals_sord(vectors):
    for case in vectors("sord_dlordinal")["cases"]:
        logits = torch.tensor(case["inputs"]["logits"], dtype=torch.float64, requires_grad=True)
        labels = torch.tensor(case["inputs"]["target"])
        target = Smoother(Constant(ALMOST_ONE), Sord(case["params"]["alpha"]))(labels, logits=logits)
        if "targets" in case:
            assert_close(target.dense(logits.shape[1]), double(case["targets"]), rtol=1e-8, atol=1e-12)
        # its weights do not enter the divisor
        weight = double(case["inputs"]["weight"])[labels] if "weight" in case["inputs"] else None
        loss = soft_cross_entropy(logits, target, sample_weight=weight, reduction="sum") / len(labels)
        assert_close(loss.item(), case["loss"], rtol=1e-8, atol=0)
        loss.backward()
        assert_close(logits.grad, double(case["grad_logits"]), rtol=1e-8, atol=1e-12)


def test_gaussian_rows_sum_to_one_where_galdrans_densities_do_not(vectors):
    """The original's rows are densities whose sum weighs the classes; ours times that sum are the original's."""
    sums = []
    for case in vectors("n_uls_galdran")["cases"]:
        logits = torch.tensor(case["inputs"]["logits"], dtype=torch.float64, requires_grad=True)
        labels = torch.tensor(case["inputs"]["target"])
        std, classes = case["params"]["std"], logits.shape[1]
        places = torch.arange(classes).numpy()
        mass = double([stats.norm.pdf(places, label, std).sum() for label in labels.tolist()])
        sums.append(mass)
        target = Smoother(Constant(ALMOST_ONE), Ordinal("gaussian", std))(labels, logits=logits)
        assert_close(target.dense(classes).sum(1), torch.ones(len(labels), dtype=torch.float64))
        loss = (soft_cross_entropy(logits, target, reduction="none") * mass).mean()
        assert_close(loss.item(), case["loss"], rtol=1e-5, atol=0)
        loss.backward()
        assert_close(logits.grad, double(case["grad_logits"]), rtol=1e-5, atol=1e-7)
    assert (torch.cat(sums) - 1).abs().max() > 0.1


@pytest.mark.parametrize(
    "prior",
    [
        Sord(1.3),
        Ordinal("gaussian", 1.0),
        Online("label", "keep"),
        Learnable(),
        Tree([f"token {k}" for k in range(40_000)], 1.0),
    ],
    ids=lambda prior: type(prior).__name__,
)
def test_a_matrix_of_a_vocabulary_is_refused_before_it_takes_memory(prior):
    tokens = [f"token {k}" for k in range(40_000)]
    with pytest.raises(InvalidArgument, match=r"classes = 40000: expected at most 16384: .* 12 GiB and more") as error:
        Smoother(Constant(0.1), prior).bind(ClassInfo(tokens, [1] * len(tokens)))
    assert "\n" not in str(error.value)
