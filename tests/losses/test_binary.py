"""Soft binary cross-entropy: both published conventions, weights, labels that are unknown or masked."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from smoothlab import InvalidArgument, SoftTarget
from smoothlab.losses import smoothed_binary_labels, soft_binary_cross_entropy

EXACT = {"rtol": 1e-8, "atol": 1e-12}
FLOAT32 = {"rtol": 1e-5, "atol": 1e-7}


def number(values, **options):
    return torch.tensor(values, dtype=torch.float64, **options)


def draw(*shape, seed=0, dtype=torch.float64):
    return (torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 3).to(dtype)


def multi_hot(*shape, seed=1):
    return (draw(*shape, seed=seed) > 0).double()


def agree(case, labels, tolerance, **options):
    logits = number(case["inputs"]["logits"], requires_grad=True)
    value = soft_binary_cross_entropy(logits, labels, **options)
    value.backward()
    assert_close(value, number(case["loss"]), **tolerance)
    assert_close(logits.grad, number(case["grad_logits"]), **tolerance)


def test_timm_published_numbers_smooth_multi_hot_labels_uniformly(vectors):
    cases = [case for case in vectors("timm")["cases"] if case["params"].get("smooth_dense")]
    assert cases
    for case in cases:
        agree(case, number(case["inputs"]["target"]), EXACT, epsilon=case["params"]["smoothing"], prior="uniform")


def test_timm_published_numbers_smooth_one_label_as_a_softmax_would(vectors):
    """From class indices timm makes 1 - epsilon + epsilon / K and epsilon / K: that is a SoftTarget's dense form."""
    cases = [case for case in vectors("timm")["cases"] if "sum_classes" in case["params"]]
    assert cases
    for case in cases:
        target = SoftTarget(torch.tensor(case["inputs"]["target"]), case["params"]["smoothing"])
        labels = target.dense(len(case["inputs"]["logits"][0]), dtype=torch.float64)
        agree(case, labels, FLOAT32, over_classes="sum" if case["params"]["sum_classes"] else "mean")


def test_mmpretrain_published_numbers_are_the_exclusive_convention(vectors):
    cases = [case for case in vectors("mmpretrain_label_smooth")["cases"] if case["params"]["mode"] == "multi_label"]
    assert cases
    for case in cases:
        labels, weight = number(case["inputs"]["target"]), case["inputs"]["class_weight"]
        if labels.ndim == 1:
            labels = F.one_hot(labels.long(), len(case["inputs"]["logits"][0])).double()
        hard = (labels > 0).double()  # theirs takes each share for a label
        epsilon = case["params"]["label_smooth_val"]
        agree(
            case,
            hard,
            FLOAT32,
            epsilon=epsilon,
            prior="exclusive",
            class_weight=None if weight is None else number(weight),
        )
        smoothed = smoothed_binary_labels(hard, epsilon, "exclusive")
        assert_close(smoothed, number(case["targets"]), rtol=1e-6, atol=1e-7)


def test_mmpretrain_takes_each_share_for_a_label_and_we_do_not():
    shares = number([[0.3, 0.0, 1.0]])
    assert_close(smoothed_binary_labels(shares, 0.1, "exclusive"), number([[0.34, 0.1, 0.9]]))


def test_the_conventions_by_hand():
    labels, half = number([[1.0, 0.0]]), number([0.5, 0.2])
    assert_close(smoothed_binary_labels(labels, 0.1, "uniform"), number([[0.95, 0.05]]))
    assert_close(smoothed_binary_labels(labels, 0.1, "exclusive"), number([[0.9, 0.1]]))
    assert_close(smoothed_binary_labels(labels, 0.1, half), number([[0.95, 0.02]]))


def test_exclusive_is_uniform_with_twice_the_epsilon():
    labels = torch.rand(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert_close(smoothed_binary_labels(labels, 0.1, "exclusive"), smoothed_binary_labels(labels, 0.2, "uniform"))


def test_two_softmax_classes_are_one_binary_label():
    logits, labels = draw(6, 1), multi_hot(6, 1)
    rows = soft_binary_cross_entropy(logits, labels, epsilon=0.2, reduction="none")
    pairs = torch.cat([torch.zeros_like(logits), logits], -1)
    assert_close(rows, F.cross_entropy(pairs, labels[:, 0].long(), label_smoothing=0.2, reduction="none"))


@pytest.mark.parametrize("over_classes", ["mean", "sum"])
def test_against_torch(over_classes):
    logits, labels, weight = draw(6, 4), multi_hot(6, 4), number([1.0, 2.0, 0.5, 0.0])
    each = F.binary_cross_entropy_with_logits(logits, labels, weight, reduction="none")
    rows = getattr(each, over_classes)(-1)
    options = {"class_weight": weight, "over_classes": over_classes}
    assert_close(soft_binary_cross_entropy(logits, labels, reduction="none", **options), rows)
    assert_close(soft_binary_cross_entropy(logits, labels, reduction="sum", **options), rows.sum())
    assert_close(soft_binary_cross_entropy(logits, labels, **options), rows.mean())


def test_epsilon_may_be_one_a_sample():
    logits, labels, epsilon = draw(3, 4), multi_hot(3, 4), number([0.0, 0.1, 0.5])
    rows = soft_binary_cross_entropy(logits, labels, epsilon=epsilon, reduction="none")
    for i in range(3):
        assert_close(rows[i], soft_binary_cross_entropy(logits[i], labels[i], epsilon=epsilon[i].item()))
    assert_close(
        soft_binary_cross_entropy(logits, labels, epsilon=number([0.1])),
        soft_binary_cross_entropy(logits, labels, epsilon=0.1),
    )


@pytest.mark.parametrize("over_classes", ["mean", "sum"])
@pytest.mark.parametrize("how", ["masked logit", "unknown label"])
def test_what_takes_no_part_is_as_if_it_were_not_there(how, over_classes):
    logits, labels, left = draw(5, 4), multi_hot(5, 4), [0, 2, 3]
    if how == "masked logit":
        logits[:, 1] = -math.inf
    else:
        labels[:, 1] = -1
    z = logits.clone().requires_grad_()
    alone = logits[:, left].clone().requires_grad_()
    options = {"epsilon": 0.1, "over_classes": over_classes}
    value = soft_binary_cross_entropy(z, labels, **options)
    of_left = soft_binary_cross_entropy(alone, labels[:, left], **options)
    (value + of_left).backward()
    assert_close(value, of_left)
    assert_close(z.grad[:, left], alone.grad)
    assert not z.grad[:, 1].any()


def test_a_row_without_known_labels_and_one_of_weight_zero_do_not_count():
    logits, labels = draw(4, 3), multi_hot(4, 3)
    labels[1] = -1
    logits[3] = math.nan
    weight = number([2.0, 1.0, 1.0, 0.0])
    z = logits.clone().requires_grad_()
    value = soft_binary_cross_entropy(z, labels, epsilon=0.1, sample_weight=weight)
    value.backward()
    loss = soft_binary_cross_entropy(logits[[0, 2]], labels[[0, 2]], epsilon=0.1, sample_weight=weight[[0, 2]])
    assert_close(value, loss)
    assert not z.grad[[1, 3]].any()


def test_the_mean_of_nothing_is_zero():
    assert soft_binary_cross_entropy(torch.zeros(0, 3), torch.zeros(0, 3)).item() == 0
    assert soft_binary_cross_entropy(torch.zeros(2, 3), torch.full((2, 3), -1)).item() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_computed_in_float32(dtype):
    logits, labels = draw(3, 20000, dtype=dtype), multi_hot(3, 20000)
    value = soft_binary_cross_entropy(logits, labels, epsilon=0.1, over_classes="sum")
    assert value.dtype is torch.float32
    assert_close(value, soft_binary_cross_entropy(logits.float(), labels, epsilon=0.1, over_classes="sum"))


@pytest.mark.parametrize(
    "prior", ["uniform", "exclusive", number([0.1, 0.5, 0.9])], ids=["uniform", "exclusive", "prevalence"]
)
def test_gradient_against_differences(prior):
    logits, labels = draw(4, 3).requires_grad_(), multi_hot(4, 3)
    assert torch.autograd.gradcheck(
        lambda z: soft_binary_cross_entropy(z, labels, epsilon=0.2, prior=prior, reduction="none"), (logits,)
    )


@pytest.mark.parametrize("shape", [(1, 4), (1, 1), (3, 1), (2, 3, 4)])
def test_one_row_one_class_more_dimensions(shape):
    logits, labels = draw(*shape), multi_hot(*shape)
    rows = soft_binary_cross_entropy(logits, labels.long(), epsilon=0.1, reduction="none")
    assert rows.shape == shape[:-1]
    assert_close(soft_binary_cross_entropy(logits, labels, epsilon=0.1), rows.mean())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("labels", {"labels": torch.zeros(2, 4)}),
        ("epsilon", {"epsilon": 1.0}),
        ("epsilon", {"epsilon": -0.1}),
        ("epsilon", {"epsilon": torch.zeros(3)}),
        ("prior", {"prior": "half"}),
        ("prior", {"prior": torch.zeros(2)}),
        ("class_weight", {"class_weight": torch.ones(2)}),
        ("sample_weight", {"sample_weight": torch.ones(3)}),
        ("over_classes", {"over_classes": "max"}),
        ("reduction", {"reduction": "batchmean"}),
    ],
)
def test_an_argument_out_of_range_is_an_error(name, options):
    with pytest.raises(InvalidArgument, match=name):
        soft_binary_cross_entropy(torch.zeros(2, 3), **{"labels": torch.zeros(2, 3), **options})
