"""The prior by neighbours in space."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch.testing import assert_close

from smoothlab import InvalidArgument, Smoother, soft_cross_entropy
from smoothlab.smoothing import ClassInfo, Constant, Spatial, Step


def double(values, **options):
    return torch.tensor(values, dtype=torch.float64, **options)


def rows(labels, classes, sigma=1.0, size=3):
    return Spatial(sigma, size)(Step(labels, torch.zeros(*labels.shape, classes, dtype=torch.float64))).rows


def search(labels, classes, sigma, size):
    """Pixel by pixel, offset by offset."""
    made = torch.zeros(*labels.shape, classes, dtype=torch.float64)
    reach = range(-(size // 2), size // 2 + 1)
    sides = labels.shape[1:]
    for n in range(labels.shape[0]):
        for place in itertools.product(*map(range, sides)):
            for offset in itertools.product(reach, repeat=len(sides)):
                at = tuple(min(max(p + o, 0), s - 1) for p, o, s in zip(place, offset, sides, strict=True))
                label = int(labels[(n, *at)])
                if any(offset) and 0 <= label < classes:
                    made[(n, *place, label)] += math.exp(-sum(o * o for o in offset) / (2 * sigma**2))
            if not made[(n, *place)].any():
                made[(n, *place, int(labels[(n, *place)].clamp(0, classes - 1)))] = 1
    return made / made.sum(-1, keepdim=True)


def drawn(*shape, classes=3, ignored=False):
    labels = torch.randint(-1 if ignored else 0, classes, shape, generator=torch.Generator().manual_seed(sum(shape)))
    return labels.where(labels >= 0, -100)


@pytest.mark.parametrize("shape", [(2, 4, 5), (1, 3, 4, 3), (2, 6), (1, 1, 4), (1, 1, 1)])
@pytest.mark.parametrize(("sigma", "size"), [(1.0, 3), (0.6, 5)])
@pytest.mark.parametrize("ignored", [False, True])
def test_against_a_search_through_all_neighbours(shape, sigma, size, ignored):
    labels = drawn(*shape, ignored=ignored)
    assert_close(rows(labels, 3, sigma, size), search(labels, 3, sigma, size))


def test_a_narrow_gaussian_keeps_its_digits():
    """A sum over all pixels less the centre would not: here the neighbours have 3e-8 of it."""
    labels = drawn(1, 4, 4)
    made = Spatial(0.18, 3)(Step(labels, torch.zeros(1, 4, 4, 3))).rows
    assert_close(made.double(), search(labels, 3, 0.18, 3), rtol=1e-5, atol=1e-6)


def test_an_ignored_label_takes_no_mass_from_its_neighbours():
    """In the original its row of zeros is smoothed into theirs, whose targets then sum to less than 1."""
    labels = torch.tensor([[[0, 0, 0], [0, -100, 0], [0, 0, 0]]])
    target = Smoother(Constant(0.5), Spatial(1.0, 3))(labels, logits=torch.zeros(1, 3, 3, 2)).validate()
    dense = target.dense(2)
    counted = labels != -100
    assert_close(dense[counted][:, 0], torch.ones(8))
    assert_close(dense.sum(-1)[counted], torch.ones(8))
    alone = torch.tensor([[[-100, -100], [1, -100]]])
    dense = Smoother(Constant(0.5), Spatial(1.0, 3))(alone, logits=torch.zeros(1, 2, 2, 2)).validate().dense(2)
    assert_close(dense[0, 1, 0], torch.tensor([0.0, 1.0]))


def test_inside_a_region_nothing_is_smoothed():
    target = Smoother(Constant(0.5), Spatial(1.0, 3))(torch.ones(1, 4, 4).long(), logits=torch.zeros(1, 4, 4, 3))
    assert_close(target.dense(3)[..., 1], torch.ones(1, 4, 4))


def test_votes_are_mixed_as_labels_are():
    labels = drawn(2, 4, 4)
    votes = torch.nn.functional.one_hot(labels, 3).double()
    assert_close(rows(votes.contiguous(), 3), rows(labels, 3))


def test_k_may_come_from_the_data_and_no_value_is_looked_at():
    prior = Spatial(1.0, 3)
    with pytest.raises(InvalidArgument, match="num_classes = None: expected K"):
        prior(Step(torch.zeros(1, 2, 2).long()))
    prior.bind(ClassInfo(list("abc"), [1, 1, 1]))
    assert prior(Step(torch.zeros(1, 2, 2, dtype=torch.int64, device="meta"))).rows.shape == (1, 2, 2, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Spatial(0.0, 3), "sigma = 0.0: expected a number above 0"),
        (lambda: Spatial(1.0, 1), "size = 1: expected an integer of at least 3"),
        (lambda: Spatial(1.0, 4), "size = 4: expected an odd number"),
        (lambda: rows(torch.tensor([0, 1]), 2), r"labels = \(2,\): expected labels of pixels"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(InvalidArgument, match=message):
        make()


def test_it_is_svls_at_epsilon_one_half(vectors):
    """The original has the classes in the second place. Its epsilon is the share of its kernel beside the centre."""
    for case in vectors("svls_3d")["cases"]:
        logits = double(case["inputs"]["logits"], requires_grad=True)
        kernel, size = double(case["kernel"]).flatten(), case["params"]["ksize"]
        epsilon = 1 - (kernel[len(kernel) // 2] / kernel.sum()).item()
        assert size != 3 or epsilon == pytest.approx(0.5, rel=1e-6)
        classes_last = logits.movedim(1, -1)
        assert classes_last.shape[-1] == case["params"]["classes"]
        smoother = Smoother(Constant(epsilon), Spatial(case["params"]["sigma"], size))
        target = smoother(torch.tensor(case["inputs"]["labels"]), logits=classes_last).validate()
        targets = double(case["targets"]).movedim(1, -1)
        assert_close(target.dense(classes_last.shape[-1]), targets, rtol=1e-5, atol=1e-7)
        loss = soft_cross_entropy(classes_last, target)
        loss.backward()
        assert_close(loss.item(), case["loss"], rtol=1e-5, atol=0)
        assert_close(logits.grad, double(case["grad_logits"]), rtol=1e-5, atol=1e-8)
