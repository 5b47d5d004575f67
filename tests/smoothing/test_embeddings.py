"""Similarities from files, and from the embeddings of classes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from smoothlab import InvalidArgument
from smoothlab.smoothing import ClassInfo, Embeddings, Similarity, Step

STEP = Step(torch.tensor([0]), torch.zeros(1, 3, dtype=torch.float64))
ROWS = [[1.0, 0.0], [1.0, 1.0], [-2.0, 0.0]]
COSINES = torch.tensor([[1, 0.5**0.5, -1], [0.5**0.5, 1, -(0.5**0.5)], [-1, -(0.5**0.5), 1]], dtype=torch.float64)


def matrix(prior):
    return prior(STEP).matrix


def test_softmax_of_cosines():
    assert_close(matrix(Embeddings(ROWS, temperature=0.5)), torch.softmax(COSINES / 0.5, 1))
    others = COSINES.clone().fill_diagonal_(-math.inf)
    assert_close(matrix(Embeddings(ROWS, temperature=0.5, own=False)), torch.softmax(others / 0.5, 1))


def test_power_of_cosines():
    weights = COSINES.clamp_min(0) ** 2
    assert_close(matrix(Embeddings(ROWS, power=2.0)), weights / weights.sum(1, keepdim=True))
    alone = matrix(Embeddings(ROWS, power=2.0, own=False))
    assert alone.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]  # nothing is like the third, which keeps its own


def test_against_scikit_learn():
    from sklearn.metrics.pairwise import cosine_similarity

    rows = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    expected = torch.softmax(torch.as_tensor(cosine_similarity(rows.double().numpy())) / 0.2, 1)
    assert_close(matrix(Embeddings(rows, temperature=0.2)), expected)


def test_a_layers_weights_are_taken_as_they_are_at_that_moment():
    layer = torch.nn.Linear(4, 3)
    prior = Embeddings(layer.weight, temperature=0.3)
    before = matrix(prior).clone()
    with torch.no_grad():
        layer.weight.zero_()
    assert_close(matrix(prior), before)
    assert not matrix(prior).requires_grad


def test_files_are_matched_to_the_classes_by_name(tmp_path):
    np.savez(tmp_path / "e.npz", rows=np.array(ROWS), class_names=np.array(["cat", "dog", "elk"]))
    prior = Embeddings(str(tmp_path / "e.npz"), temperature=0.5)
    assert_close(matrix(prior), torch.softmax(COSINES / 0.5, 1))
    prior.bind(ClassInfo(["elk", "cat"], [1, 1]))
    assert_close(matrix(prior), torch.softmax(COSINES[[2, 0]][:, [2, 0]] / 0.5, 1))
    (tmp_path / "s.csv").write_text(",cat,dog,elk\ncat,1,2,1\ndog,0,1,1\nelk,3,0,1\n")
    similarity = Similarity(str(tmp_path / "s.csv"))
    assert_close(matrix(similarity)[0], torch.tensor([0.25, 0.5, 0.25], dtype=torch.float64))
    similarity.bind(ClassInfo(["elk", "cat"], [1, 1]))
    assert_close(matrix(similarity), torch.tensor([[0.25, 0.75], [0.5, 0.5]], dtype=torch.float64))
    with pytest.raises(InvalidArgument, match="matrix = 'rows of cat, dog, elk': expected one of ape too"):
        similarity.bind(ClassInfo(["ape", "cat"], [1, 1]))


def test_one_class():
    for prior in (Embeddings([[2.0]], power=1.0), Embeddings([[2.0]], temperature=1.0, own=False)):
        assert matrix(prior).tolist() == [[1.0]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Embeddings(ROWS), r"temperature = None: expected a number, or a power, not both \(power = None\)"),
        (lambda: Embeddings(ROWS, 0.1, 1.0), r"temperature = 0.1: expected a number, or a power, not both"),
        (lambda: Embeddings(ROWS, 0.0), "temperature = 0.0: expected a number above 0"),
        (lambda: Embeddings(ROWS, power=-1), "power = -1: expected a number above 0"),
        (
            lambda: Embeddings([[1, 0], [0, 0]], 0.1),
            "embeddings = 'row 1': expected finite numbers",
        ),
        (lambda: Embeddings([[1, math.nan], [1, 0]], 0.1), "embeddings = 'row 0': expected finite numbers"),
        (lambda: Embeddings([[1], [1, 0]], 0.1), "embeddings = .*: expected K rows of D numbers"),
        (lambda: Embeddings([1.0, 2.0], 0.1), r"embeddings = \(2,\): expected K rows of D numbers"),
        (lambda: Embeddings([["a"]], 0.1), "embeddings = .*: expected K rows of D numbers"),
        (lambda: Embeddings("e.pkl", 0.1), "embeddings = 'e.pkl': expected rows of numbers, or a file"),
        (lambda: Similarity("s.npy"), "matrix = 's.npy': expected a file that can be read"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(InvalidArgument, match=message):
        make()
