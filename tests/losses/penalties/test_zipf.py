"""Zipf's label smoothing against the published numbers."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import integrate, stats
from torch.testing import assert_close

from smoothlab import InvalidArgument, SoftTarget
from smoothlab.classes.ranks import integrated_zipf_weights, ranks
from smoothlab.losses.penalties import ZipfPenalty
from smoothlab.losses.penalties.zipf import count_votes

NAMES = {"rank_zipf": "rank", "unbiased_zipf": "integral", "constant": "constant"}


def double(values, **options):
    return torch.tensor(values, dtype=torch.float64, **options)


def test_published_numbers(vectors):
    """The original divides masked rows by their own number, ours by that of all rows."""
    for case in vectors("zipf_ls")["cases"]:
        logits, labels = double(case["inputs"]["logits"], requires_grad=True), torch.tensor(case["inputs"]["target"])
        dense, params = case["inputs"].get("dense_argmax"), case["params"]
        scores = count_votes(torch.tensor(dense), logits.shape[-1]) if params["dense"] else None
        penalty = ZipfPenalty(1.0, params["power"], NAMES[params["distribution"]], params["loss_mask"])
        rows = penalty(logits, SoftTarget(labels), scores=None if scores is None else scores.double())
        counted = (logits.argmax(1) == labels).sum().clamp_min(1) if params["loss_mask"] else len(labels)
        loss = rows.sum() / counted
        loss.backward()
        assert_close(loss.detach(), double(case["loss"]), rtol=1e-8, atol=1e-12)
        assert_close(logits.grad, double(case["grad_logits"]), rtol=1e-8, atol=1e-12)


def test_by_hand():
    logits, target = double([[0.0, math.log(2), math.log(3)]]), SoftTarget(torch.tensor([0]))
    expected = 2 / 3 * math.log(2 / 3 / 0.6) + 1 / 3 * math.log(1 / 3 / 0.4)  # ranks 1 and 2
    assert_close(ZipfPenalty(0.5)(logits, target), double([0.5 * expected]))
    last = SoftTarget(torch.tensor([2]))
    expected = 0.4 * math.log(0.4 / (1 / 3)) + 0.6 * math.log(0.6 / (2 / 3))  # ranks 3 and 2, since the label is first
    assert_close(ZipfPenalty(1.0)(logits, last), double([expected]))


def test_ranks_are_scipys():
    scores = torch.randn(7, 9, generator=torch.Generator().manual_seed(0)).round()
    first, count = ranks(scores)
    assert first.tolist() == stats.rankdata(-scores.numpy(), axis=1, method="min").tolist()
    assert (first + count - 1).tolist() == stats.rankdata(-scores.numpy(), axis=1, method="max").tolist()


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_integrals_are_scipys(power):
    weights = integrated_zipf_weights(double([[3.0, 1.0, 1.0, 2.0]]), power, torch.tensor([[4]]))[0]
    borders = [0.01 + 0.99 * k / 4 for k in range(5)]
    parts = [integrate.quad(lambda r: r**-power, *borders[k : k + 2])[0] for k in range(4)]
    expected = double([parts[0], (parts[2] + parts[3]) / 2, (parts[2] + parts[3]) / 2, parts[1]])
    assert_close(weights / weights.sum(), expected / expected.sum())


def test_the_labels_logit_has_no_gradient_and_two_classes_no_penalty():
    logits = torch.randn(4, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    labels = torch.tensor([0, 1, 2, 3])
    ZipfPenalty()(logits, SoftTarget(labels)).sum().backward()
    assert not logits.grad.gather(1, labels.unsqueeze(1)).any()
    assert logits.grad.any(1).all()
    assert not ZipfPenalty()(logits[:, :2], SoftTarget(labels % 2)).any()


def test_for_votes_the_label_is_their_mode():
    logits = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 2, 3])
    votes = SoftTarget(torch.nn.functional.one_hot(labels, 5) * 0.6 + 0.08)
    assert_close(ZipfPenalty()(logits, votes), ZipfPenalty()(logits, SoftTarget(labels)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": -1.0}, "weight"),
        ({"power": 0.0}, "power"),
        ({"distribution": "pareto"}, "distribution = 'pareto': expected one of rank, integral, constant"),
    ],
)
def test_arguments_out_of_range_are_refused(options, message):
    with pytest.raises(InvalidArgument, match=message):
        ZipfPenalty(**options)
