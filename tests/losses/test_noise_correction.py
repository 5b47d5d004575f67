"""Noise corrections against the published numbers, against the plain formulas, and as negative smoothing."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from smoothlab import InvalidArgument, SoftTarget, soft_cross_entropy
from smoothlab.classes import ClassInfo
from smoothlab.config.build import build
from smoothlab.losses import BackwardCorrection, ForwardCorrection

KINDS = {"Forward": ForwardCorrection, "Backward": BackwardCorrection}
CORRECTIONS = pytest.mark.parametrize("kind", [ForwardCorrection, BackwardCorrection])
UNEQUAL = [[0.7, 0.2, 0.1], [0.0, 0.9, 0.1], [0.25, 0.25, 0.5]]


def draw(*shape, seed=0, scale=3.0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale


def value_and_gradient(loss, logits, target):
    logits = logits.detach().clone().requires_grad_()
    rows = loss(logits, target)
    rows.sum().backward()
    return rows.detach(), logits.grad


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("given", ["matrix", "rate"])
def test_published_numbers(vectors, name, given):
    """To 1e-5: the original inverts in float32."""
    cases = [case for case in vectors("noise_correction")["cases"] if case["cls"] == name]
    assert cases
    for case in cases:
        rate, matrix = case["params"]["noise"], case["inputs"]["T"]
        loss = KINDS[name](matrix) if given == "matrix" else KINDS[name]("symmetric", rate)
        logits = torch.tensor(case["inputs"]["logits"], dtype=torch.float64)
        rows, gradient = value_and_gradient(loss, logits, SoftTarget(torch.tensor(case["inputs"]["target"])))
        assert_close(rows.mean().item(), case["loss"], rtol=1e-5, atol=1e-7)
        theirs = torch.tensor(case["grad_logits"], dtype=torch.float64)
        assert_close(gradient / len(logits), theirs, rtol=1e-5, atol=1e-7)


def test_forward_is_the_cross_entropy_of_the_observed_label():
    p, label = draw(4, 3).softmax(-1), torch.tensor([0, 1, 2, 0])
    observed = p @ torch.tensor(UNEQUAL, dtype=torch.float64)
    rows = ForwardCorrection(UNEQUAL)(p.log(), SoftTarget(label))
    assert_close(rows, -observed[torch.arange(4), label].log())
    q = SoftTarget(label, 0.2, draw(3, seed=1).softmax(-1))
    rows = ForwardCorrection(UNEQUAL)(p.log(), q)
    assert_close(rows, -(q.dense(3, dtype=torch.float64) * observed.log()).sum(-1))


def test_backward_weighs_all_labels_by_the_inverse():
    logits, label = draw(4, 3), torch.tensor([0, 1, 2, 0])
    inverse = torch.tensor(np.linalg.inv(UNEQUAL))
    rows = BackwardCorrection(UNEQUAL)(logits, SoftTarget(label))
    assert_close(rows, -(inverse[label] * logits.log_softmax(-1)).sum(-1))
    votes = draw(4, 3, seed=1).softmax(-1)
    rows = BackwardCorrection(UNEQUAL)(logits, SoftTarget(votes))
    assert_close(rows, -((votes @ inverse) * logits.log_softmax(-1)).sum(-1))


def test_the_mean_of_the_backward_loss_over_mistaken_labels_is_the_cross_entropy_of_the_true_one():
    logits, matrix = draw(3, 3), torch.tensor(UNEQUAL, dtype=torch.float64)
    for true in range(3):
        each = torch.stack(
            [BackwardCorrection(UNEQUAL)(logits, SoftTarget(torch.full((3,), seen))) for seen in range(3)]
        )
        clean = soft_cross_entropy(logits, SoftTarget(torch.full((3,), true)), reduction="none")
        assert_close((matrix[true].unsqueeze(1) * each).sum(0), clean)


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("rate", [0.1, 0.4])
def test_backward_with_symmetric_noise_is_negative_smoothing(classes, rate):
    """Lukasik et al., ICML 2020: the epsilon is -r / (1 - r) for a label redrawn from all K classes at the rate r."""
    logits, labels = draw(6, classes), torch.arange(6) % classes
    redrawn = rate * classes / (classes - 1)
    epsilon = -redrawn / (1 - redrawn)
    q = (1 - epsilon) * torch.nn.functional.one_hot(labels, classes) + epsilon / classes
    rows = BackwardCorrection("symmetric", rate)(logits, SoftTarget(labels))
    assert_close(rows, -(q * logits.log_softmax(-1)).sum(-1))
    assert epsilon < 0
    assert_close(q.sum(-1), torch.ones(6), check_dtype=False)


@CORRECTIONS
def test_without_noise_it_is_the_cross_entropy(kind):
    logits, target = draw(6, 4), SoftTarget(torch.arange(6) % 4, 0.1)
    for loss in (kind("symmetric", 0.0), kind("pair", 0), kind(torch.eye(4))):
        assert_close(loss(logits, target), soft_cross_entropy(logits, target, reduction="none"))


@CORRECTIONS
@pytest.mark.parametrize("name", ["symmetric", "pair"])
def test_a_rate_is_its_matrix(kind, name):
    rate, matrix = 0.3, torch.zeros(4, 4, dtype=torch.float64)
    for true in range(4):
        for seen in range(4):
            moved = 0.1 if name == "symmetric" else 0.3 * (seen == (true + 1) % 4)
            matrix[true, seen] = 0.7 if true == seen else moved
    logits, target = draw(6, 4), SoftTarget(torch.arange(6) % 4, 0.2)
    ours, theirs = (value_and_gradient(loss, logits, target) for loss in (kind(name, rate), kind(matrix)))
    assert_close(ours, theirs)


@pytest.mark.parametrize("noise", [{"noise": "symmetric", "rate": 0.0}, {"noise": [[1.0, 0.0], [0.0, 1.0]]}])
def test_the_original_clips_small_probabilities_and_so_their_gradient_and_we_do_not(noise):
    """Without noise the worst prediction must still be corrected; their log is held at log(1e-7)."""
    logits = torch.tensor([[-200.0, 200.0]])
    rows, gradient = value_and_gradient(ForwardCorrection(**noise), logits, SoftTarget(torch.tensor([0])))
    assert_close(rows, torch.tensor([400.0]))
    assert_close(gradient, torch.tensor([[-1.0, 1.0]]))


def test_what_is_moved_is_not_lost_beside_a_certain_prediction():
    """The true class 1 is never observed as 0, so that a label 0 must come from class 0 or 2."""
    matrix = [[0.5, 0.5, 0.0], [0.0, 1.0, 0.0], [0.2, 0.0, 0.8]]
    logits = torch.tensor([[-300.0, 0.0, -250.0]])
    rows, gradient = value_and_gradient(ForwardCorrection(matrix), logits, SoftTarget(torch.tensor([0])))
    assert_close(rows, torch.tensor([250.0 - math.log(0.2)]))
    assert_close(gradient, torch.tensor([[0.0, 1.0, -1.0]]))


@CORRECTIONS
@pytest.mark.parametrize("noise", [{"noise": UNEQUAL}, {"noise": "pair", "rate": 0.2}, {"rate": 0.2}])
def test_gradient_against_differences(kind, noise):
    loss, logits = kind(**noise), draw(4, 3, scale=1.0).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: loss(z, SoftTarget(torch.tensor([0, 1, 2, 0]), 0.1)), (logits,))


@CORRECTIONS
@pytest.mark.parametrize("noise", [{"noise": UNEQUAL}, {"noise": "pair", "rate": 0.2}, {"rate": 0.2}])
def test_masked_classes_have_no_gradient_and_leave_the_rest_finite(kind, noise):
    logits = draw(4, 3)
    logits[0, 1] = logits[1, :2] = -math.inf
    rows, gradient = value_and_gradient(kind(**noise), logits, SoftTarget(torch.tensor([0, 2, 1, 2]), 0.1))
    assert rows.isfinite().all()
    assert gradient.isfinite().all()
    assert not gradient[logits == -math.inf].any()
    assert kind(**noise)(logits, SoftTarget(torch.tensor([1, 2, 1, 2]), 0.1))[0] == math.inf


@CORRECTIONS
def test_with_a_matrix_a_row_sees_no_other_and_half_precision_is_widened(kind):
    loss, logits = kind(UNEQUAL), draw(2, 4, 3)
    labels = torch.tensor([[0, 1, 2, 0], [1, 1, 2, -100]])
    rows = loss(logits, SoftTarget(labels, 0.1))
    assert_close(loss(logits[0, 2], SoftTarget(labels[0, 2], 0.1)), rows[0, 2])
    assert rows.isfinite().all()
    half = loss(logits.bfloat16(), SoftTarget(labels, 0.1))
    assert half.dtype is torch.float32
    assert_close(half, loss(logits.bfloat16().float(), SoftTarget(labels, 0.1)))


@pytest.mark.parametrize("suffix", [".csv", ".json", ".npy"])
def test_a_matrix_comes_from_a_file(tmp_path, suffix):
    file = tmp_path / f"noise{suffix}"
    if suffix == ".npy":
        np.save(file, np.array(UNEQUAL))
    elif suffix == ".csv":
        np.savetxt(file, UNEQUAL, delimiter=",")
    else:
        file.write_text(json.dumps(UNEQUAL))
    loss = build({"_target_": "smoothlab.losses.ForwardCorrection", "noise": str(file)}, "loss")
    logits, target = draw(4, 3), SoftTarget(torch.tensor([0, 1, 2, 0]))
    assert_close(loss(logits, target), ForwardCorrection(UNEQUAL)(logits, target))


@CORRECTIONS
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"noise": "uniform"}, "noise = 'uniform': expected 'symmetric', 'pair', a matrix, or a .csv"),
        ({"noise": "nowhere.csv"}, "noise = 'nowhere.csv': expected a file that can be read"),
        ({}, "rate = None"),
        ({"rate": 1.0}, r"rate = 1.0: expected a number in \[0, 1\)"),
        ({"rate": -0.1}, "rate = -0.1"),
        ({"noise": UNEQUAL, "rate": 0.1}, "rate = 0.1: expected none beside a matrix"),
        ({"noise": [[0.5, 0.4], [0.0, 1.0]]}, r"noise\[0\] = \[0.5, 0.4\]: expected probabilities >= 0 that sum to 1"),
        ({"noise": [[0.5, 0.5], [-0.1, 1.1]]}, r"noise\[1\]"),
        ({"noise": [[math.nan, 0.5], [0.1, 0.9]]}, r"noise\[0\]"),
        ({"noise": [[1.0, 0.0], [1.0, 0.0]]}, "each class observed at times, which class 1 is not"),
        ({"noise": [[0.5, 0.5]]}, r"array of shape \(1, 2\)"),
        ({"noise": [[0.5, 0.5], [1.0]]}, "noise = "),
    ],
)
def test_mistakes_are_named(kind, arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        kind(**arguments)


@CORRECTIONS
def test_a_matrix_of_another_size_is_an_error(kind):
    with pytest.raises(InvalidArgument, match=r"noise = \(3, 3\): expected \(2, 2\)"):
        kind(UNEQUAL).bind(ClassInfo(["a", "b"], [1, 1]))
    with pytest.raises(InvalidArgument, match=r"noise = \(3, 3\): expected \(4, 4\)"):
        kind(UNEQUAL)(draw(2, 4), SoftTarget(torch.tensor([0, 1])))


@pytest.mark.parametrize(
    "noise",
    [
        {"rate": 0.75},
        {"noise": "pair", "rate": 0.5},
        {"noise": [[0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]},
    ],
)
def test_noise_without_an_inverse_is_refused_backward_and_taken_forward(noise):
    info = ClassInfo(list("abcd"), [1] * 4)
    ForwardCorrection(**noise).bind(info)
    with pytest.raises(InvalidArgument, match="inverse"):
        BackwardCorrection(**noise).bind(info)
    with pytest.raises(InvalidArgument, match="inverse"):
        BackwardCorrection(**noise)(draw(1, 4), SoftTarget(torch.tensor([0])))
