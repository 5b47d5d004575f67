"""Values of the loss: worked examples, closed forms, and the same loss and gradient on every path."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from smoothlab import InvalidArgument, SoftTarget, soft_cross_entropy
from smoothlab.losses import chunked
from smoothlab.targets import PerClass, PerSample


def draw(*shape, seed=0, scale=3.0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype) * scale


def labels(*shape, classes, seed=1):
    return torch.randint(0, classes, shape, generator=torch.Generator().manual_seed(seed))


def distributions(*shape, seed=2):
    return draw(*shape, seed=seed, scale=1.0).softmax(-1)


def from_definition(logits, q):
    """CE(q, z) = logsumexp(z) - <q, z>, and its gradient softmax(z) - q."""
    return logits.logsumexp(-1) - (q * logits).sum(-1), logits.softmax(-1) - q


def test_a_worked_example(loss):
    logits = torch.tensor([[0.7, 0.2, 0.1]], dtype=torch.float64).log()
    target = SoftTarget(torch.tensor([0]), 0.1, "exclusive")
    expected = -(0.9 * math.log(0.7) + 0.05 * math.log(0.2) + 0.05 * math.log(0.1))
    assert loss(logits, target).item() == pytest.approx(expected, rel=1e-12)
    assert round(expected, 3) == 0.517  # many texts print 0.516


def test_kl_and_ce_differ_by_the_entropy_of_the_target(loss):
    logits, y = draw(6, 4), labels(6, classes=4)
    target = SoftTarget(y, 0.2)
    kl = F.kl_div(logits.log_softmax(-1), target.dense(4, logits), reduction="batchmean")
    assert_close(loss(logits, target) - target.entropy(4), kl)


def test_uniform_with_epsilon_is_exclusive_with_a_smaller_one(loss):
    logits, y = draw(6, 5), labels(6, classes=5)
    assert_close(loss(logits, SoftTarget(y, 0.3)), loss(logits, SoftTarget(y, 0.3 * 4 / 5, "exclusive")))


def test_without_smoothing_it_is_torch_cross_entropy(loss):
    logits, y = draw(40, 7), labels(40, classes=7)
    assert_close(loss(logits, SoftTarget(y)), F.cross_entropy(logits, y))


def test_uniform_smoothing_is_that_of_torch(loss):
    logits, y = draw(40, 7), labels(40, classes=7)
    for reduction in ("mean", "sum", "none"):
        expected = F.cross_entropy(logits, y, label_smoothing=0.1, reduction=reduction)
        assert_close(loss(logits, SoftTarget(y, 0.1), reduction=reduction), expected)


BASES = ["labels", "votes"]
EPSILONS = ["none", "number", "one tensor", "by sample"]
PRIORS = ["uniform", "exclusive", "vector", "matrix", "rows"]


def soft_target(base, epsilon, prior, rows, classes):
    """The factors, and the same target multiplied out by hand."""
    one_hot = F.one_hot(labels(rows, classes=classes), classes).double()
    votes = distributions(rows, classes)
    b = one_hot if base == "labels" else votes
    eps = {
        "none": 0.0,
        "number": 0.1,
        "one tensor": torch.tensor(0.3, dtype=torch.float64),
        "by sample": torch.linspace(0, 0.9, rows, dtype=torch.float64),
    }[epsilon]
    vector, matrix = distributions(classes, seed=3), distributions(classes, classes, seed=4)
    each = distributions(rows, classes, seed=5)
    factor, dense = {
        "uniform": (None, torch.full_like(b, 1 / classes)),
        "exclusive": ("exclusive", (1 - b) / (classes - 1)),
        "vector": (vector, vector.expand_as(b)),
        "matrix": (PerClass(matrix), b @ matrix),
        "rows": (PerSample(each), each),
    }[prior]
    column = eps.unsqueeze(-1) if epsilon == "by sample" else eps
    target = SoftTarget(labels(rows, classes=classes) if base == "labels" else votes, eps, factor)
    return target, (1 - column) * b + column * dense


@pytest.mark.parametrize(("base", "epsilon", "prior"), list(itertools.product(BASES, EPSILONS, PRIORS)))
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_every_pair_of_strength_and_prior_follows_the_definition(loss, base, epsilon, prior, dtype):
    target, q = soft_target(base, epsilon, prior, rows=9, classes=5)
    values, gradients = from_definition(draw(9, 5), q)
    rtol, atol = (1e-10, 1e-12) if dtype is torch.float64 else (2e-5, 2e-6)
    for reduction, factor in (("mean", 1 / 9), ("sum", 1.0), ("none", 1.0)):
        logits = draw(9, 5).to(dtype).requires_grad_()
        value = loss(logits, target, reduction=reduction)
        expected = values if reduction == "none" else values.sum() * factor
        assert_close(value.double(), expected, rtol=rtol, atol=atol)
        value.sum().backward()
        assert_close(logits.grad.double(), gradients * factor, rtol=rtol, atol=atol)


def test_each_row_has_the_gradient_of_its_own_loss(loss):
    target, q = soft_target("labels", "number", "vector", rows=9, classes=5)
    logits, upstream = draw(9, 5).requires_grad_(), draw(9, seed=6)
    loss(logits, target, reduction="none").backward(upstream)
    assert_close(logits.grad, from_definition(logits.detach(), q)[1] * upstream.unsqueeze(-1))


@pytest.mark.parametrize("prior", PRIORS)
def test_leading_dimensions_are_samples(loss, prior):
    target, q = soft_target("labels", "by sample", prior, rows=12, classes=5)
    factor = PerSample(target.prior.rows.reshape(3, 4, 5)) if prior == "rows" else target.prior
    shaped = SoftTarget(target.base.reshape(3, 4), target.epsilon.reshape(3, 4), factor)
    flat = draw(12, 5)
    logits = flat.reshape(3, 4, 5).requires_grad_()
    value = loss(logits, shaped, reduction="none")
    assert value.shape == (3, 4)
    values, gradients = from_definition(flat, q)
    assert_close(value, values.reshape(3, 4))
    value.sum().backward()
    assert_close(logits.grad, gradients.reshape(3, 4, 5))


def test_logits_need_not_be_contiguous(loss):
    y = labels(8, classes=6)
    strided = draw(6, 8).T.requires_grad_()
    dense = strided.detach().contiguous().requires_grad_()
    for logits in (strided, dense):
        logits.retain_grad()
        loss(logits, SoftTarget(y, 0.1)).backward()
    assert_close(strided.grad, dense.grad)


def test_one_sample_without_a_batch_dimension(loss):
    logits = draw(5)
    expected = F.cross_entropy(logits, torch.tensor(2), label_smoothing=0.1)
    assert_close(loss(logits, SoftTarget(torch.tensor(2), 0.1)), expected)


@pytest.mark.parametrize("prior", ["uniform", "exclusive"])
def test_with_one_class_the_loss_is_zero(loss, prior):
    logits = draw(3, 1).requires_grad_()
    value = loss(logits, SoftTarget(torch.zeros(3, dtype=torch.long), 0.1, prior))
    value.backward()
    assert value.item() == 0
    assert not logits.grad.any()


def test_integer_labels_of_any_width(loss):
    logits, y = draw(8, 6), labels(8, classes=6)
    for dtype in (torch.int32, torch.uint8):
        assert_close(loss(logits, SoftTarget(y.to(dtype), 0.1)), loss(logits, SoftTarget(y, 0.1)))


def test_large_offsets_and_spreads_keep_their_digits(loss):
    y = labels(16, classes=50)
    for logits in (draw(16, 50) + 500, draw(16, 50, scale=300.0)):  # the second: labels whose probability underflows
        expected = F.cross_entropy(logits, y, label_smoothing=0.1)
        value = loss(logits.float(), SoftTarget(y, 0.1))
        assert_close(value.double(), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("label", [7, -1, 1000])
def test_a_label_out_of_range_is_an_index_error(loss, label):
    y = torch.tensor([0, label, 2])
    with pytest.raises(IndexError):
        loss(draw(3, 7), SoftTarget(y, 0.1))
    with pytest.raises(IndexError, match="out of range for 7 classes"):
        loss(draw(3, 7), SoftTarget(y, 0.1), reduction="none")


def test_chunks_do_not_depend_on_the_number_of_threads(monkeypatch):
    logits, y = draw(40, 600).float(), labels(40, classes=600)
    gradients = []
    for threads in (1, 3, 16):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        monkeypatch.setattr(chunked, "CHUNK_BYTES_PER_THREAD", 600 * 4)
        assert chunked._rows_per_chunk(600 * 4) == threads
        leaf = logits.clone().requires_grad_()
        soft_cross_entropy(leaf, SoftTarget(y, 0.1)).backward()
        gradients.append(leaf.grad)
    assert_close(gradients[0], gradients[1], rtol=0, atol=0)
    assert_close(gradients[0], gradients[2], rtol=0, atol=0)


def test_epsilon_changes_from_step_to_step(loss):
    logits, y = draw(6, 4), labels(6, classes=4)
    for epsilon in (0.0, 0.1, 0.2, 0.1):
        assert_close(loss(logits, SoftTarget(y, epsilon)), F.cross_entropy(logits, y, label_smoothing=epsilon))


def test_a_prior_changed_in_place_is_seen(loss):
    logits, y, prior = draw(6, 4), labels(6, classes=4), distributions(4)
    before = loss(logits, SoftTarget(y, 0.3, prior))
    prior.copy_(torch.tensor([1.0, 0, 0, 0]))
    after = loss(logits, SoftTarget(y, 0.3, prior))
    q = 0.7 * F.one_hot(y, 4) + 0.3 * prior
    assert_close(after, from_definition(logits, q)[0].mean())
    assert before != after


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"reduction": "batchmean"}, "reduction"),
        ({"implementation": "fast"}, "implementation"),
        ({"class_weight_mode": "keras"}, "class_weight_mode"),
        ({"class_weight": torch.ones(3)}, "class_weight"),
        ({"sample_weight": torch.ones(3)}, "sample_weight"),
        ({"target": torch.tensor([0, 1])}, "target"),
        ({"target": SoftTarget(torch.tensor([0, 1, 1]))}, "target.base"),
        ({"target": SoftTarget(torch.ones(2, 3) / 3)}, "target.base"),
        ({"target": SoftTarget(torch.tensor([0, 1]), torch.ones(3) / 9)}, "target.epsilon"),
        ({"target": SoftTarget(torch.tensor([0, 1]), 0.1, torch.ones(3) / 3)}, "target.prior"),
        ({"target": SoftTarget(torch.tensor([0, 1]), 0.1, PerClass(torch.ones(3, 3) / 3))}, "target.prior.matrix"),
        ({"target": SoftTarget(torch.tensor([0, 1]), 0.1, PerSample(torch.ones(3, 4) / 4))}, "target.prior.rows"),
        ({"logits": torch.zeros(2, 4, dtype=torch.long)}, "logits"),
        ({"logits": torch.zeros(2, 0)}, "logits"),
    ],
)
def test_what_does_not_fit_is_named(arguments, name):
    arguments = {"logits": torch.zeros(2, 4), "target": SoftTarget(torch.tensor([0, 1])), **arguments}
    with pytest.raises(InvalidArgument) as caught:
        soft_cross_entropy(**arguments)
    assert caught.value.name == name
    assert "\n" not in str(caught.value)
