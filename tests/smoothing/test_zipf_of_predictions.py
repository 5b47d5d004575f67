"""The prior by the rank of the classes in the model's own prediction."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch.testing import assert_close

from smoothlab import InvalidArgument, Smoother
from smoothlab.smoothing import Constant, Step, ZipfOfPredictions


def double(values):
    return torch.tensor(values, dtype=torch.float64)


def rows(labels, logits, power=1.0):
    return ZipfOfPredictions(power)(Step(labels, logits)).rows


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_against_scipys_ranks(power):
    logits = torch.randn(8, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).round(decimals=1)
    labels = torch.arange(8) % 6
    weights = double(stats.rankdata(-logits.numpy(), axis=1, method="min")) ** -power
    weights[torch.arange(8), labels] = 0
    assert_close(rows(labels, logits, power), weights / weights.sum(1, keepdim=True))


def test_equal_logits_share_the_better_rank():
    assert_close(rows(torch.tensor([3]), double([[2.0, 2.0, 1.0, 0.0]])), double([[3, 3, 1, 0]]) / 7)


def test_masked_classes_get_nothing_and_the_label_keeps_what_nobody_takes():
    logits = double([[1.0, -math.inf, 3.0], [-math.inf, -math.inf, 0.0], [0.0, 1.0, -100.0]])
    made = rows(torch.tensor([0, 2, 0]), logits)
    assert_close(made, double([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 0.75, 0.25]]))
    target = Smoother(Constant(0.2), ZipfOfPredictions(1.0))(torch.tensor([0, 2, 0]), logits=logits).validate()
    assert_close(target.dense(3, logits)[1], double([0.0, 0.0, 1.0]))


def test_two_classes_and_one():
    assert rows(torch.tensor([0, 1]), torch.tensor([[1.0, 2.0], [0.0, 4.0]])).tolist() == [[0, 1], [1, 0]]
    assert rows(torch.tensor([0]), torch.tensor([[1.0]])).tolist() == [[1.0]]
    assert rows(torch.tensor([[1.0]]), torch.tensor([[1.0]])).tolist() == [[1.0]]


def test_votes_mix_the_priors_of_the_labels():
    logits = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    logits[0, 1] = logits[1, :3] = -math.inf
    votes = torch.rand(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).softmax(1)
    votes[1] = double([0.0, 0.0, 0.0, 1.0])
    expected = sum(votes[:, [k]] * rows(torch.full((5,), k), logits) for k in range(4))
    assert_close(rows(votes, logits), expected)
    assert_close(rows(votes, logits).sum(1), torch.ones(5, dtype=torch.float64))


def test_ignored_labels_and_sequences():
    made = rows(torch.tensor([[-100, 1], [0, 2]]), torch.randn(2, 2, 3, generator=torch.Generator().manual_seed(0)))
    assert made.shape == (2, 2, 3)
    assert_close(made.sum(-1), torch.ones(2, 2))


def test_it_asks_for_logits_and_a_power():
    with pytest.raises(InvalidArgument, match="logits = None: expected the model's output"):
        rows(torch.tensor([0]), None)
    with pytest.raises(InvalidArgument, match="power = 0: expected a number above 0"):
        ZipfOfPredictions(0)


def test_its_rows_without_the_label_are_the_published_ones(vectors):
    """Those that rank the logits; the others rank votes of a feature map, which no prior sees."""
    cases = 0
    for case in vectors("zipf_ls")["cases"]:
        if case["params"]["distribution"] == "rank_zipf" and not case["params"]["dense"]:
            logits, labels = double(case["inputs"]["logits"]), torch.tensor(case["inputs"]["target"])
            others = torch.ones_like(logits, dtype=torch.bool).scatter(1, labels.unsqueeze(1), False)
            made = rows(labels, logits, case["params"]["power"])
            assert_close(made[others].reshape(len(labels), -1), double(case["non_target_pdf"]), rtol=1e-8, atol=0)
            cases += 1
    assert cases
