"""Mixup and cutmix: features and labels are mixed alike, and smoothing happens once."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from smoothlab import InvalidArgument, Smoother, SoftTarget, soft_cross_entropy
from smoothlab.losses import CutMix, Mixup
from smoothlab.losses.mixing import drawn_box, drawn_share, mixed_labels
from smoothlab.smoothing import Constant, Uniform


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def test_timm_published_targets_are_the_mixed_labels_smoothed_once(vectors):
    cases = [case for case in vectors("timm")["cases"] if case.get("fn") == "mixup_target"]
    assert cases
    for case in cases:
        labels, params = torch.tensor(case["inputs"]["target"]), case["params"]
        flipped = torch.arange(len(labels)).flip(0)
        base = mixed_labels(labels, flipped, params["lam"], params["num_classes"])
        target = SoftTarget(base, params["smoothing"])
        assert_close(target.dense(params["num_classes"]), torch.tensor(case["targets"]), rtol=1e-6, atol=1e-7)


def test_mixed_labels_by_hand():
    labels, partner = torch.tensor([0, 2, 1]), torch.tensor([1, 2, 2])
    expected = [[0.75, 0.0, 0.25], [0.0, 0.25, 0.75], [0.0, 1.0, 0.0]]
    assert_close(mixed_labels(labels, partner, 0.75, 3), torch.tensor(expected))


def test_mixup_mixes_labels_as_it_mixes_features():
    """With the one-hot labels as features, both are the same."""
    labels = torch.arange(32) % 5
    features, base = Mixup(1.0, num_classes=5)(F.one_hot(labels, 5).float(), labels)
    assert_close(features, base)
    assert_close(base.sum(-1), torch.ones(32))
    assert ((base > 0) & (base < 1)).any()


def test_cutmix_mixes_labels_by_the_area_that_is_covered():
    """With an image that is everywhere its label, the share of a label is a count of pixels."""
    labels = torch.arange(16) % 4
    images = labels.float().reshape(16, 1, 1, 1).expand(16, 3, 12, 10)
    for _ in range(20):
        mixed, base = CutMix(1.0, num_classes=4)(images, labels)
        counts = torch.stack([(mixed == k).float().mean((1, 2, 3)) for k in range(4)], -1)
        assert_close(base, counts)
    assert images.is_contiguous() is False  # the batch itself is left as it was
    assert_close(images[:, 0, 0, 0], labels.float())


def test_smoothing_the_mixed_labels_is_mixing_the_smoothed_ones():
    labels, partner = torch.arange(6) % 3, torch.arange(6).flip(0)
    once = SoftTarget(mixed_labels(labels, partner, 0.3, 3), 0.2).dense(3)
    smoothed = SoftTarget(labels, 0.2).dense(3)
    assert_close(once, 0.3 * smoothed + 0.7 * smoothed[partner])


def test_a_smoother_takes_the_base_and_any_loss_the_target():
    labels = torch.arange(8) % 3
    features, base = Mixup(0.4, num_classes=3)(torch.randn(8, 3), labels)
    target = Smoother(Constant(0.1), Uniform())(base)
    assert_close(target.dense(3), 0.9 * base + 0.1 / 3)
    assert soft_cross_entropy(features, target).isfinite()


def test_votes_are_mixed_too():
    votes = torch.rand(4, 3, dtype=torch.float64).softmax(-1)
    partner = torch.tensor([1, 0, 3, 2])
    assert_close(mixed_labels(votes, partner, 0.6, 3), 0.6 * votes + 0.4 * votes[partner])


def test_the_share_is_drawn_from_the_beta_distribution():
    for alpha in (0.2, 1.0, 4.0):
        shares = torch.tensor([drawn_share(alpha) for _ in range(2000)])
        assert shares.mean().item() == pytest.approx(0.5, abs=0.04)
        assert shares.var().item() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.15)


def test_a_small_alpha_gives_shares_that_are_numbers():
    assert all(0 <= drawn_share(0.001) <= 1 for _ in range(1000))


@pytest.mark.parametrize("area", [0.0, 0.3, 1.0])
def test_a_box_lies_within_the_image_and_covers_at_most_its_area(area):
    for _ in range(50):
        rows, columns = drawn_box(9, 14, area)
        assert 0 <= rows.start <= rows.stop <= 9
        assert 0 <= columns.start <= columns.stop <= 14
        assert (rows.stop - rows.start) * (columns.stop - columns.start) <= area * 9 * 14


def test_the_same_seed_draws_the_same_batch():
    features, labels = torch.randn(8, 4), torch.arange(8) % 3
    drawn = []
    for _ in range(2):
        torch.manual_seed(7)
        drawn.append(Mixup(1.0, 3)(features, labels))
    assert_close(drawn[0], drawn[1], rtol=0, atol=0)


def test_one_row_is_mixed_with_itself():
    features, base = Mixup(1.0, num_classes=2)(torch.ones(1, 4), torch.tensor([1]))
    assert_close(features, torch.ones(1, 4))
    assert_close(base, torch.tensor([[0.0, 1.0]]))


def test_half_precision_features_stay():
    features, base = Mixup(1.0, num_classes=2)(torch.ones(4, 4, dtype=torch.bfloat16), torch.tensor([1, 0, 1, 1]))
    assert features.dtype is torch.bfloat16
    assert base.dtype is torch.float32


@pytest.mark.parametrize("kind", [Mixup, CutMix])
@pytest.mark.parametrize("alpha", [0.0, -1.0, float("inf"), "1", True])
def test_an_alpha_out_of_range_is_an_error(kind, alpha):
    with pytest.raises(InvalidArgument, match="alpha"):
        kind(alpha, num_classes=3)


def test_labels_and_images_of_another_shape_are_errors():
    with pytest.raises(InvalidArgument, match="labels"):
        Mixup(1.0, num_classes=3)(torch.ones(4, 2), torch.ones(4, 2))
    with pytest.raises(InvalidArgument, match="labels"):
        Mixup(1.0, num_classes=3)(torch.ones(4, 2), torch.ones(4, 2, dtype=torch.long))
    with pytest.raises(InvalidArgument, match="images"):
        CutMix(1.0, num_classes=3)(torch.ones(4, 2), torch.tensor([0, 1, 2, 0]))
