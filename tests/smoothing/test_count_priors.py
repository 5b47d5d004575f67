"""Priors that are vectors: given, by class frequency, by frequency rank."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from smoothlab import InvalidArgument, Smoother, soft_cross_entropy
from smoothlab.classes.ranks import zipf_weights
from smoothlab.smoothing import ClassFrequency, ClassInfo, Constant, Step, Vector, Zipf

STEP = Step(torch.tensor([0, 1]))
INFO = ClassInfo(["a", "b", "c"], [6, 3, 0])


def shares(prior):
    return prior(STEP).double().tolist()


def test_weights_become_a_distribution():
    assert shares(Vector([1, 3, 0])) == pytest.approx([0.25, 0.75, 0.0])


def test_frequencies_have_a_power_and_a_pseudo_count():
    assert shares(ClassFrequency(1, 0, counts=[6, 3, 1])) == pytest.approx([0.6, 0.3, 0.1])
    assert shares(ClassFrequency(1, 1, counts=[6, 3, 0])) == pytest.approx([7 / 12, 4 / 12, 1 / 12])
    assert shares(ClassFrequency(0, 1, counts=[6, 3, 0])) == pytest.approx([1 / 3] * 3)
    assert shares(ClassFrequency(0.5, 0, counts=[16, 4, 0])) == pytest.approx([4 / 6, 2 / 6, 0])
    assert shares(ClassFrequency(-1, 0, counts=[1, 2, 2])) == pytest.approx([0.5, 0.25, 0.25])


def test_ranks_follow_zipfs_law_and_ties_share_the_better_rank():
    assert shares(Zipf(1, counts=[9, 50, 1])) == pytest.approx([3 / 11, 6 / 11, 2 / 11])
    assert shares(Zipf(2, counts=[5, 5, 1])) == pytest.approx([9 / 19, 9 / 19, 1 / 19])


@pytest.mark.parametrize("prior", [ClassFrequency(1, 1), Zipf(1)])
def test_counts_can_come_from_the_data(prior):
    with pytest.raises(InvalidArgument, match=r"counts = None: expected a number a class, or Smoother.bind"):
        prior(STEP)
    Smoother(Constant(0.1), prior).bind(INFO)
    given = ClassFrequency(1, 1, [6, 3, 0]) if isinstance(prior, ClassFrequency) else Zipf(1, [6, 3, 0])
    assert shares(prior) == shares(given)
    prior.bind(ClassInfo(["a", "b"], [1, 1]))
    assert shares(prior) == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize(
    "prior", [ClassFrequency(1, 1, counts=[1, 2, 3]), Zipf(1, counts=[1, 2, 3]), Vector([1, 2, 3])]
)
def test_given_numbers_stay_and_must_fit_the_data(prior):
    before = shares(prior)
    prior.bind(INFO)
    assert shares(prior) == before
    with pytest.raises(InvalidArgument, match=r"3 classes.*expected 2: a, b"):
        prior.bind(ClassInfo(["a", "b"], [1, 1]))


def test_precision_is_the_steps():
    prior = Vector([1, 2])
    assert prior(STEP).dtype is torch.float32
    assert prior(Step(torch.tensor([0]), torch.zeros(1, 2, dtype=torch.bfloat16))).dtype is torch.float32
    assert prior(Step(torch.tensor([0]), torch.zeros(1, 2, dtype=torch.float64))).dtype is torch.float64
    assert prior(STEP) is prior(STEP)  # made once


def test_a_net_in_half_precision_does_not_round_the_prior():
    smoother = Smoother(Constant(0.1), ClassFrequency(1, 0, counts=[1, 2, 4])).bfloat16()
    assert smoother.state_dict() == {}
    assert_close(smoother(torch.tensor([0])).prior, torch.tensor([1 / 7, 2 / 7, 4 / 7]), rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Vector([0, 0]), r"weights = \[0.0, 0.0\]: expected some weight above 0"),
        (lambda: Vector([1, -1]), "weights = -1.0: expected a list of numbers >= 0"),
        (lambda: Vector([[1, 2]]), "weights = .*: expected a list of numbers >= 0, one a class"),
        (lambda: Vector([]), "weights = .*: expected a list of numbers"),
        (lambda: Vector(["1", "2"]), "weights = .*: expected a list of numbers"),
        (lambda: Vector([1, math.nan]), "weights = nan: expected"),
        (lambda: ClassFrequency(math.inf, 1), "power = inf: expected a number"),
        (lambda: ClassFrequency(1, -1), "pseudo_count = -1: expected a number >= 0"),
        (lambda: ClassFrequency(-1, 0, [1, 0]), "counts = .*: expected counts above 0, or a pseudo_count above 0"),
        (lambda: ClassFrequency(1, 0, [0, 0]), "counts = .*: expected some weight above 0"),
        (lambda: Zipf(0), "power = 0: expected a number above 0"),
        (lambda: Zipf(1, [2, True]), "counts = .*: expected a list of numbers"),
    ],
)
def test_arguments_outside_their_range_are_refused(make, message):
    with pytest.raises(InvalidArgument, match=message):
        make()


def test_it_is_espressos_unigram_smoothing(vectors):
    case = next(case for case in vectors("espresso_unigram_temporal")["cases"] if case["smoothing_type"] == "unigram")
    frequencies = torch.tensor(case["inputs"]["unigram"], dtype=torch.float64)
    logits = torch.tensor(case["inputs"]["logits"], dtype=torch.float64, requires_grad=True)
    pseudo = case["params"]["pseudo_count"]
    counts = (frequencies / frequencies.min() * 10 - pseudo).round()  # the rarest class was counted 9 times
    prior = ClassFrequency(power=1, pseudo_count=pseudo, counts=counts)
    smoother = Smoother(Constant(case["params"]["epsilon"]), prior)
    target = smoother(torch.tensor(case["inputs"]["target"]), logits=logits)
    assert_close(target.prior, frequencies, rtol=1e-8, atol=0)
    loss = soft_cross_entropy(logits, target, ignore_index=case["params"]["ignore_index"], reduction="sum")
    assert_close(loss.item(), case["loss"], rtol=1e-8, atol=0)
    loss.backward()
    assert_close(logits.grad, torch.tensor(case["grad_logits"], dtype=torch.float64), rtol=1e-8, atol=1e-12)


def test_it_is_the_law_of_zipf_label_smoothing(vectors):
    """The original ranks each sample's logits and drops the label; its loss, CE plus a KL, is another than ours."""
    checked = 0
    for case in vectors("zipf_ls")["cases"]:
        if case["params"]["distribution"] != "rank_zipf" or case["params"]["dense"] or case["params"]["loss_mask"]:
            continue
        logits = torch.tensor(case["inputs"]["logits"], dtype=torch.float64)
        weights = zipf_weights(logits, case["params"]["power"])
        for row, label, expected in zip(weights, case["inputs"]["target"], case["non_target_pdf"], strict=True):
            others = torch.cat([row[:label], row[label + 1 :]])
            assert_close(others / others.sum(), torch.tensor(expected, dtype=torch.float64), rtol=1e-8, atol=0)
            checked += 1
    assert checked
