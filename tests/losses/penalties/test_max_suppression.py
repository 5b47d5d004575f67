"""MaxSup and the logit penalty against the published numbers."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from smoothlab import InvalidArgument, SoftTarget, soft_cross_entropy
from smoothlab.losses.penalties import LogitPenalty, MaxSup
from smoothlab.smoothing import Linear
from smoothlab.step import Step


def cases_of(vectors, name):
    cases = [case for case in vectors("maxsup")["cases"] if name in case["cls"]]
    assert cases
    return cases


def at(progress):
    return Step(torch.zeros(1, dtype=torch.long), progress=progress)


def test_published_numbers_with_the_weight_of_the_epoch(vectors, agree):
    """The schedule that divides by the number of epochs: in the last one, number epochs - 1, it is short of its end."""
    for case in cases_of(vectors, "Conv/ffcv"):
        params = case["params"]
        penalty = MaxSup(Linear(params["begin_lambda"], params["end_lambda"]))
        agree(case, penalty, step=at(params["current_epoch"] / params["epochs"]))


def test_published_numbers_of_the_schedule_that_reaches_its_end(vectors, agree):
    for case in cases_of(vectors, "LT"):
        penalty = MaxSup(Linear(0.1, 0.2))
        agree(case, penalty, step=at(case["params"]["epoch"] / (case["params"]["num_epochs"] - 1)))


def test_for_a_correct_prediction_it_is_label_smoothing():
    logits = torch.tensor([[3.0, 1.0, -2.0], [0.5, 2.0, 1.0]], dtype=torch.float64)
    right, epsilon = SoftTarget(torch.tensor([0, 1])), 0.1
    rows = soft_cross_entropy(logits, right, reduction="none") + MaxSup(epsilon)(logits, right)
    assert_close(rows, F.cross_entropy(logits, right.base, label_smoothing=epsilon, reduction="none"))


def test_for_a_wrong_prediction_it_pulls_down_the_error_and_not_the_label():
    logits = torch.tensor([[3.0, 1.0, -2.0]], requires_grad=True)
    MaxSup(0.3)(logits, SoftTarget(torch.tensor([1]))).sum().backward()
    assert_close(logits.grad, torch.tensor([[0.2, -0.1, -0.1]]))


def test_among_equal_largest_logits_one_has_the_gradient():
    logits = torch.zeros(1, 4, requires_grad=True)
    MaxSup(1.0)(logits, SoftTarget(torch.tensor([3]))).sum().backward()
    assert_close(logits.grad, torch.tensor([[0.75, -0.25, -0.25, -0.25]]))


def test_logit_penalty_published_numbers(vectors, agree):
    for case in cases_of(vectors, "LogitPenalty"):
        assert case["params"]["weight"] == 1
        agree(case, LogitPenalty(case["params"]["beta"]))


def test_logit_penalty_by_hand():
    logits = torch.tensor([[3.0, -4.0]], dtype=torch.float64)
    rows = LogitPenalty(0.2)(logits, SoftTarget(torch.tensor([0])))
    assert_close(rows, torch.tensor([0.2 * 25 / 2], dtype=torch.float64))


@pytest.mark.parametrize("kind", [MaxSup, LogitPenalty])
def test_a_negative_weight_is_an_error(kind):
    with pytest.raises(InvalidArgument, match="weight"):
        kind(-0.1)
