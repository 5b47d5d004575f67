"""AdaFocal against the published numbers and their course over epochs, and its bins against numpy's."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from ranks import on_ranks
from torch.testing import assert_close

from smoothlab import InvalidArgument, SoftTarget, soft_cross_entropy
from smoothlab.losses import AdaFocal, Focal
from smoothlab.losses.confidence_sketch import CELLS, ConfidenceSketch

EXACT = {"rtol": 1e-8, "atol": 1e-12}


def number(values, **options):
    return torch.tensor(values, dtype=torch.float64, **options)


def draw(n, classes=5, seed=0, scale=3.0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, classes, dtype=torch.float64, generator=generator) * scale
    return logits, torch.randint(classes, (n,), generator=generator)


def loss_of(params):
    return AdaFocal(
        params["num_bins"],
        rate=params["adafocal_lambda"],
        gamma=params["adafocal_gamma_initial"],
        switch=params["adafocal_switch_pt"],
        gamma_min=params["adafocal_gamma_min"],
        gamma_max=params["adafocal_gamma_max"],
    )


def edges_that_fit(loss, logits, target, value):
    """The recorded cases do not say the edges of their bins: find those that give the recorded value."""
    p = logits.detach().softmax(-1).gather(-1, target.base.unsqueeze(-1)).squeeze(-1).sort().values
    between = torch.cat([p.new_zeros(1), (p[1:] + p[:-1]) / 2, p.new_ones(1)])
    for edges in itertools.combinations_with_replacement(between, loss.num_bins - 1):
        loss.kept["edges"] = torch.stack(edges) if edges else p.new_zeros(0)
        if loss(logits.detach(), target).sum().item() == pytest.approx(value, rel=1e-10):
            yield loss.kept["edges"]


def test_published_numbers_over_the_updates(vectors):
    """Their edges are found by the value of the first loss; its gradient and what comes after must agree with them."""
    for case in vectors("adafocal")["cases"]:
        loss, target = loss_of(case["params"]), SoftTarget(torch.tensor(case["inputs"]["target"]))
        edges = None
        for update in case["sequence"]:
            loss.follow(number(update["val_calibration_gap_per_bin"]))
            assert_close(loss.kept["gammas"], number(update["gammas"]), **EXACT)
            logits = number(case["inputs"]["logits"], requires_grad=True)
            if edges is None:
                edges = next(edges_that_fit(loss, logits, target, update["loss"]))
            loss.kept["edges"] = edges
            value = loss(logits, target).sum()
            value.backward()
            assert_close(value, number(update["loss"]), **EXACT)
            assert_close(logits.grad, number(update["grad_logits"]), **EXACT)


def by_hand(logits, q, gammas, edges):
    """The formula, number by number."""
    rows = []
    for z, weights in zip(logits.tolist(), q.tolist(), strict=True):
        total = sum(math.exp(logit) for logit in z)
        row = 0.0
        for logit, weight in zip(z, weights, strict=True):
            p = math.exp(logit) / total
            gamma = gammas[sum(edge <= p for edge in edges)]
            factor = (1 - p) ** gamma if gamma > 0 else (1 + p) ** -gamma
            row -= weight * factor * math.log(p)
        rows.append(row)
    return number(rows)


@pytest.mark.parametrize("epsilon", [0.0, 0.3])
def test_each_class_has_the_gamma_of_its_own_probability(epsilon):
    logits, labels = draw(40)
    loss = AdaFocal(3)
    loss.kept |= {"gammas": number([1.5, -1.2, 0.3]), "edges": number([0.2, 0.6])}
    target = SoftTarget(labels, epsilon)
    assert_close(loss(logits, target), by_hand(logits, target.dense(5), [1.5, -1.2, 0.3], [0.2, 0.6]))


def test_plain_labels_are_as_good_as_their_one_hot_form():
    """The first look at one class a row, the second at all."""
    logits, labels = draw(40)
    loss = AdaFocal(3)
    loss.kept |= {"gammas": number([1.5, -1.2, 0.3]), "edges": number([0.2, 0.6])}
    gradients = []
    for base in (labels, torch.nn.functional.one_hot(labels, 5).double()):
        z = logits.clone().requires_grad_()
        loss(z, SoftTarget(base)).sum().backward()
        gradients.append(z.grad)
    assert_close(*gradients)


def test_a_probability_on_an_edge_is_in_the_bin_above_it():
    logits = torch.zeros(1, 2, dtype=torch.float64)  # p = 1/2
    loss = AdaFocal(2)
    loss.kept |= {"gammas": number([1.0, 3.0]), "edges": number([0.5])}
    target = SoftTarget(torch.tensor([0]))
    assert loss(logits, target).item() == pytest.approx(0.5**3 * math.log(2))
    loss.validate(torch.tensor([[0.0, 0.0], [1.0, 0.0]], dtype=torch.float64), torch.tensor([0, 0]))
    loss.end_validation()  # the edge is the second sample: each bin has one
    second = 1 / (1 + math.exp(-1))
    assert_close(loss.kept["edges"], number([second]))
    assert_close(loss.kept["gammas"], number([math.exp(0.5 - 1), 3 * math.exp(second - 1)]))


def test_before_any_validation_it_is_the_focal_loss():
    logits, labels = draw(20)
    target = SoftTarget(labels, 0.1)
    assert_close(AdaFocal(7, gamma=2.0)(logits, target), Focal(2.0)(logits, target))
    assert_close(AdaFocal(7, gamma=0.0)(logits, target), soft_cross_entropy(logits, target, reduction="none"))


def test_gamma_switches_its_sign_below_the_switch_and_stays_within_its_bounds():
    loss = AdaFocal(4, gamma_max=5.0)
    loss.kept["gammas"] = number([0.25, -0.25, 4.0, -1.9])
    loss.follow(number([-0.3, 0.3, 1.0, -1.0]))
    assert loss.kept["gammas"].tolist() == [-0.2, 0.2, 5.0, -2.0]


def exact_bins(logits, labels, num_bins):
    """Edges between order statistics as in the published code, gaps and sizes, with all samples at hand."""
    p = logits.softmax(-1)
    confidence, hit = p.amax(-1).numpy(), (p.argmax(-1) == labels).numpy()
    n = len(labels)
    edges = np.interp(np.linspace(0, n, num_bins + 1), np.arange(n), np.sort(confidence))[1:-1]
    place = np.searchsorted(edges, confidence, side="right")
    gaps = [
        confidence[place == b].mean() - hit[place == b].mean() if (place == b).any() else 0 for b in range(num_bins)
    ]
    return edges, np.array(gaps), np.bincount(place, minlength=num_bins)


@pytest.mark.parametrize(("n", "num_bins"), [(60, 15), (91, 15), (7, 3), (4, 15), (1, 2), (50, 1)])
def test_where_no_two_confidences_share_a_cell_the_bins_are_exact(n, num_bins):
    # one sample in every fortieth cell, from 0.5 up
    rest = 0.5 * 2 ** -(torch.arange(n, dtype=torch.float64) * 40 / 256)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    logits = torch.stack([torch.log1p(-rest), rest.log()], -1)[order]
    labels = torch.randint(2, (n,), generator=torch.Generator().manual_seed(1))
    edges, gaps, counts = exact_bins(logits, labels, num_bins)
    loss = AdaFocal(num_bins, switch=0.0)
    loss.validate(logits, labels)
    loss.end_validation()
    assert_close(loss.kept["edges"], torch.from_numpy(edges))
    assert_close(loss.kept["gammas"], torch.from_numpy(np.exp(gaps)))
    if n % num_bins == 0:
        assert set(counts) == {n // num_bins}  # the original leaves the least confident sample out of all of them


def test_in_general_an_edge_is_off_by_less_than_a_256th_of_its_distance_to_one():
    for seed, scale in enumerate((0.5, 3.0, 8.0)):
        logits, labels = draw(20_000, seed=seed, scale=scale)
        edges, gaps, _ = exact_bins(logits, labels, 15)
        sketch = ConfidenceSketch(ConfidenceSketch.empty())
        sketch.add(logits, labels)
        ours, ours_gaps = sketch.equal_mass(15)
        assert (np.abs(ours.numpy() - edges) <= (1 - edges) / 256).all()
        assert np.abs(ours_gaps.numpy() - gaps).max() < 0.01


def test_a_model_that_is_always_sure_has_one_cell_and_no_nan():
    loss = AdaFocal(15)
    loss.validate(torch.tensor([[1e4, 0.0]]).expand(10, 2), torch.tensor([0, 1]).repeat(5))
    loss.end_validation()
    assert loss.kept["edges"].tolist() == [1.0] * 14
    assert_close(loss.kept["gammas"], number([1.0] * 14 + [math.exp(0.5)]))


def test_its_state_has_a_fixed_size():
    loss = AdaFocal(15)
    loss.validate(*draw(1000))
    sizes = {name: value.numel() for name, value in (loss.kept | loss.validated).items()}
    assert sizes == {"gammas": 15, "edges": 14, "count": CELLS, "confidence": CELLS, "hits": CELLS}


def test_ignored_labels_and_nan_count_nowhere_and_of_votes_the_most_voted_counts():
    logits, labels = draw(30)
    plain, other = AdaFocal(3), AdaFocal(3)
    plain.validate(logits, labels)
    plain.end_validation()
    lost = torch.full((1, 5), math.nan, dtype=torch.float64)
    other.validate(torch.cat([logits, logits[:4], lost]), torch.cat([labels, torch.tensor([-100, -1, 5, 9, 0])]))
    other.end_validation()
    assert_close(other.kept, plain.kept)
    other = AdaFocal(3)
    other.validate(logits, 0.6 * torch.nn.functional.one_hot(labels, 5).double() + 0.08)
    other.end_validation()
    assert_close(other.kept, plain.kept)


def test_a_validation_without_samples_changes_nothing():
    loss = AdaFocal(3)
    before = {name: value.clone() for name, value in loss.kept.items()}
    loss.end_validation()
    assert_close(loss.kept, before)


def test_what_was_learned_in_inference_mode_serves_in_training():
    loss, (logits, labels) = AdaFocal(3), draw(20)
    with torch.inference_mode():
        loss.validate(logits, labels)
        loss.end_validation()
    logits.requires_grad_()
    loss(logits, SoftTarget(labels, 0.1)).sum().backward()
    assert logits.grad.isfinite().all()


def shard(rank, bounds):
    loss = AdaFocal(5)
    for seed in (0, 1):
        logits, labels = draw(200, seed=seed)
        low, high = bounds[rank]
        loss.validate(logits[low:high], labels[low:high])
        loss.end_validation()
    return {name: value.tolist() for name, value in loss.kept.items()}


def test_ranks_with_uneven_shards_learn_what_one_process_learns():
    alone = shard(0, [(0, 200)])
    for learned in on_ranks(shard, [(0, 37), (37, 200)]):
        for name, value in alone.items():
            assert learned[name] == pytest.approx(value, rel=1e-12), name


@pytest.mark.parametrize(
    "setting",
    [
        {"num_bins": 0},
        {"num_bins": 2.5},
        {"rate": -1},
        {"gamma": 21},
        {"gamma": -3},
        {"switch": math.nan},
        {"gamma_min": 1},
        {"gamma_max": -1},
    ],
)
def test_a_setting_out_of_range_is_an_error(setting):
    with pytest.raises(InvalidArgument, match=next(iter(setting))):
        AdaFocal(**setting)
