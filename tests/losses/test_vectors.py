"""Parity with the losses of other libraries, as recorded in tests/vectors.

Where an original is wrong, the difference is what is tested. Cases of binary losses are out of scope here, and are
told apart by their kind.
"""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from smoothlab import InvalidArgument, SoftTarget

EXACT = {"rtol": 1e-8, "atol": 1e-12}
FLOAT32 = {"rtol": 1e-5, "atol": 1e-7}  # originals that compute in float32 inside


def number(values, **options):
    return torch.tensor(values, dtype=torch.float64, **options)


def base_of(values):
    """Labels stay integers, distributions float64."""
    tensor = torch.tensor(values)
    return number(values) if tensor.is_floating_point() else tensor


def agree(loss, case, target, tolerance, *, divide=1.0, **options):
    """Loss and gradient of the case; ``divide`` is what the original divides a sum by."""
    logits = number(case["inputs"]["logits"], requires_grad=True)
    value = loss(logits, target, **options) / divide
    value.sum().backward()
    assert_close(value, number(case["loss"]).reshape(value.shape), **tolerance)
    assert_close(logits.grad, number(case["grad_logits"]), **tolerance)


def uniform(base, epsilon):
    """As a tensor where the original allows an epsilon of 1, which is no number for a SoftTarget."""
    return SoftTarget(base, torch.tensor(1.0, dtype=torch.float64) if epsilon == 1 else epsilon)


def test_torch_cross_entropy(loss, vectors):
    cases = [case for case in vectors("torch_cross_entropy")["cases"] if "edge" not in case]
    for case in cases:
        inputs, params = case["inputs"], case["params"]
        agree(
            loss,
            case,
            uniform(base_of(inputs["target"]), params["label_smoothing"]),
            EXACT,
            reduction=params["reduction"],
            class_weight=None if inputs["weight"] is None else number(inputs["weight"]),
            class_weight_mode="torch",
        )
    assert len(cases) == 124


def edge(vectors, name):
    (case,) = (case for case in vectors("torch_cross_entropy")["cases"] if case.get("edge") == name)
    return case


@pytest.mark.parametrize("name", ["neginf_nontarget_eps0", "all_ignored_sum", "single_class_K1"])
def test_edges_where_torch_is_right(loss, vectors, name):
    case = edge(vectors, name)
    target = SoftTarget(base_of(case["inputs"]["target"]), case["params"]["label_smoothing"])
    agree(loss, case, target, EXACT, reduction=case["params"].get("reduction", "mean"))


def test_edge_the_ignored_label_is_a_class_with_weights(loss, vectors):
    case = edge(vectors, "ignore_index_valid_class_weight")
    agree(
        loss,
        case,
        SoftTarget(base_of(case["inputs"]["target"]), 0.1),
        EXACT,
        ignore_index=1,
        class_weight=number(case["inputs"]["weight"]),
        class_weight_mode="torch",
    )


@pytest.mark.parametrize("name", ["spatial_ignore", "spatial_ignore_weight"])
def test_edge_images_with_classes_moved_last(loss, vectors, name):
    case = edge(vectors, name)
    weight = case["inputs"]["weight"]
    logits = number(case["inputs"]["logits"], requires_grad=True)
    value = loss(
        logits.movedim(1, -1),
        SoftTarget(base_of(case["inputs"]["target"]), 0.1),
        class_weight=None if weight is None else number(weight),
        class_weight_mode="torch",
    )
    value.backward()
    assert_close(value, number(case["loss"]), **EXACT)
    assert_close(logits.grad, number(case["grad_logits"]), **EXACT)


def test_edge_torch_spends_mass_on_a_masked_class_and_we_do_not(loss, vectors):
    case = edge(vectors, "neginf_nontarget_eps.1")
    assert case["loss"] == math.inf
    logits, y = number(case["inputs"]["logits"]), base_of(case["inputs"]["target"])
    rows = loss(logits, SoftTarget(y, 0.1), reduction="none")
    assert_close(rows[0], F.cross_entropy(logits[0, :2], y[0], label_smoothing=0.1))
    assert_close(rows[1], F.cross_entropy(logits[1], y[1], label_smoothing=0.1))


@pytest.mark.parametrize("name", ["all_ignored_mean", "empty_batch"])
def test_edge_torch_has_nan_for_the_mean_of_nothing_and_we_have_zero(loss, vectors, name):
    case = edge(vectors, name)
    assert math.isnan(case["loss"])
    logits = number(case["inputs"]["logits"]).reshape(-1, 3)
    y = torch.tensor(case["inputs"]["target"], dtype=torch.long)
    assert loss(logits, SoftTarget(y, 0.1)).item() == 0


@pytest.mark.parametrize("name", ["negative_eps_prob", "eps_gt1"])
def test_edge_an_epsilon_outside_the_range_is_always_an_error(vectors, name):
    """torch takes a negative one for vote targets, and ignores it for labels."""
    case = edge(vectors, name)
    with pytest.raises(InvalidArgument, match="epsilon"):
        SoftTarget(base_of(case["inputs"]["target"]), case["params"]["label_smoothing"])


def test_edge_the_ignored_label_has_no_meaning_for_votes(loss, vectors):
    case = edge(vectors, "prob_target_ignore_index_ge0")
    logits, votes = number(case["inputs"]["logits"]), base_of(case["inputs"]["target"])
    assert "error" in case
    assert_close(loss(logits, SoftTarget(votes, 0.1), ignore_index=1), loss(logits, SoftTarget(votes, 0.1)))


def test_every_edge_has_its_test(vectors):
    assert {case["edge"] for case in vectors("torch_cross_entropy")["cases"] if "edge" in case} == {
        "neginf_nontarget_eps0", "all_ignored_sum", "single_class_K1", "ignore_index_valid_class_weight",
        "spatial_ignore", "spatial_ignore_weight", "neginf_nontarget_eps.1", "all_ignored_mean", "empty_batch",
        "negative_eps_prob", "eps_gt1", "prob_target_ignore_index_ge0",
    }  # fmt: skip


def test_timm(loss, vectors):
    for case in vectors("timm")["cases"]:
        kind = case.get("cls", case.get("fn"))
        base = base_of(case["inputs"]["target"])
        if kind == "LabelSmoothingCrossEntropy":
            agree(loss, case, SoftTarget(base, case["params"]["smoothing"]), EXACT)
        elif kind == "SoftTargetCrossEntropy":
            agree(loss, case, SoftTarget(base), EXACT)
        else:
            assert kind in {"BinaryCrossEntropy", "mixup_target"}  # binary: out of scope; mixup: below


def test_timm_mixup_targets_are_mixed_labels_smoothed(vectors):
    """timm smooths, then mixes with the flipped batch; the order does not matter."""
    cases = [case for case in vectors("timm")["cases"] if case.get("fn") == "mixup_target"]
    for case in cases:
        params = case["params"]
        one_hot = F.one_hot(base_of(case["inputs"]["target"]), params["num_classes"]).double()
        mixed = params["lam"] * one_hot + (1 - params["lam"]) * one_hot.flip(0)
        dense = SoftTarget(mixed, params["smoothing"]).dense(params["num_classes"])
        assert_close(dense, number(case["targets"]), rtol=1e-6, atol=1e-7)  # recorded in float32
    assert len(cases) == 6


def test_fairseq_new_is_exclusive_and_old_is_uniform(loss, vectors):
    for case in vectors("fairseq")["cases"]:
        params = case["params"]
        prior = "exclusive" if case["version"].startswith("HEAD") else "uniform"
        agree(
            loss,
            case,
            SoftTarget(base_of(case["inputs"]["target"]), params["epsilon"], prior),
            EXACT,
            ignore_index=-100 if params["ignore_index"] is None else params["ignore_index"],
            reduction="sum" if params["reduce"] else "none",
        )


def test_hf_label_smoother(loss, vectors):
    for case in vectors("hf_label_smoother")["cases"]:
        params = case["params"]
        logits, y = number(case["inputs"]["logits"], requires_grad=True), base_of(case["inputs"]["labels"])
        shifted, labels = (logits[:, :-1], y[:, 1:]) if params["shift_labels"] else (logits, y)
        divide = params["num_items_in_batch"]
        reduction = "mean" if divide is None else "sum"
        value = loss(shifted, SoftTarget(labels, params["epsilon"]), reduction=reduction) / (divide or 1)
        value.backward()
        if not (labels != -100).any() and divide is None:
            assert math.isnan(case["loss"])  # the mean of nothing
            assert value.item() == 0
            assert not logits.grad.any()
            continue
        assert_close(value, number(case["loss"]), **FLOAT32)
        assert_close(logits.grad, number(case["grad_logits"]), **FLOAT32)


def test_keras(loss, vectors):
    for case in vectors("keras")["cases"]:
        assert case["cls"] == "CategoricalCrossentropy"
        agree(loss, case, SoftTarget(base_of(case["inputs"]["target"]), case["params"]["label_smoothing"]), FLOAT32)


def one_hot_of(inputs):
    """Labels as vote distributions: for originals whose mean divides by the number of rows, weights or not."""
    base = base_of(inputs["target"])
    return base if base.is_floating_point() else F.one_hot(base, len(inputs["logits"][0])).double()


def test_mmpretrain(loss, vectors):
    for case in vectors("mmpretrain_label_smooth")["cases"]:
        inputs, params = case["inputs"], case["params"]
        epsilon = params["label_smooth_val"]
        if params["mode"] == "multi_label":
            continue  # binary: out of scope
        if params["mode"] == "classy_vision":
            epsilon = epsilon / (1 + epsilon)
        weight = inputs["class_weight"]
        target = SoftTarget(one_hot_of(inputs), epsilon)
        agree(
            loss,
            case,
            target,
            FLOAT32,
            class_weight=None if weight is None else number(weight),
            class_weight_mode="torch",
        )
        assert_close(target.dense(len(inputs["logits"][0])), number(case["targets"]), rtol=1e-6, atol=1e-7)


def test_composer(loss, vectors):
    for case in vectors("composer")["cases"]:
        inputs = case["inputs"]
        if inputs["target_kind"] == "index_ignored":
            continue  # wrong there: below
        weight = inputs["weight"]
        agree(
            loss,
            case,
            SoftTarget(one_hot_of(inputs), case["params"]["smoothing"]),
            FLOAT32,
            class_weight=None if weight is None else number(weight),
            class_weight_mode="torch",
        )


def test_composer_counts_ignored_rows_and_we_do_not(loss, vectors):
    cases = [case for case in vectors("composer")["cases"] if case["inputs"]["target_kind"] == "index_ignored"]
    for case in cases:
        logits, y = number(case["inputs"]["logits"]), base_of(case["inputs"]["target"])
        epsilon, counted = case["params"]["smoothing"], y != -100
        value = loss(logits, SoftTarget(y, epsilon))
        assert_close(value, loss(logits[counted], SoftTarget(y[counted], epsilon)))
        assert abs(value.item() - case["loss"]) > 1e-4
        assert number(case["grad_logits"])[~counted].any()  # theirs
    assert len(cases) == 12
