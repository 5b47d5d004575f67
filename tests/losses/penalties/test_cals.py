"""CALS against the published numbers and their course over epochs, and against its formulas by another road."""

from __future__ import annotations

import math

import pytest
import torch
from ranks import on_ranks
from torch.testing import assert_close

from smoothlab import InvalidArgument, SoftTarget
from smoothlab.losses.penalties import AugmentedLagrangian, ClassMargin, MarginPenalty, augmented_lagrangian
from smoothlab.smoothing import ClassInfo

EXACT = {"rtol": 1e-8, "atol": 1e-14}
FUNCTIONS = ("phr", "p2", "p3")


def number(values, **options):
    return torch.tensor(values, dtype=torch.float64, **options)


def rows_of(penalty, logits):
    return penalty(logits, SoftTarget(torch.zeros(logits.shape[:-1], dtype=torch.long)))


def validation(penalty, *batches):
    for logits in batches:
        penalty.validate(logits, torch.zeros(len(logits), dtype=torch.long))
    penalty.end_validation()


def draw(n, classes, seed=0, scale=4.0):
    return torch.randn(n, classes, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * scale


def penalty_of(params):
    return AugmentedLagrangian(
        margin=params["margin"],
        function=params["penalty"],
        multiplier_min=params["lambd_min"],
        multiplier_max=params["lambd_max"],
        multiplier_every=params["lambd_step"],
        rho_min=params["rho_min"],
        rho_max=params["rho_max"],
        rho_every=max(params["rho_step"], 0),
        growth=params["gamma"],
        tolerance=params["tao"],
        normalize=params["normalize"],
    )


def bound(penalty, classes):
    penalty.bind(ClassInfo([str(k) for k in range(classes)], [1] * classes))
    return penalty


@pytest.mark.parametrize("published", [True, False], ids=["bound", "by its first validation"])
def test_published_numbers_over_the_epochs(vectors, published):
    cases = vectors("cals")["cases"]
    assert {case["params"]["penalty"] for case in cases} == set(FUNCTIONS)
    for case in cases:
        penalty = penalty_of(case["params"])
        if published:
            bound(penalty, case["params"]["num_classes"])
        for epoch in case["epochs"]:
            logits = number(epoch["train_logits"], requires_grad=True)
            value = rows_of(penalty, logits).mean()
            value.backward()
            assert_close(value.item(), epoch["penalty"], **EXACT)
            assert_close(logits.grad, number(epoch["grad_logits"]), **EXACT)
            if penalty.kept:
                assert_close(penalty.kept["multipliers"], number(epoch["lambd_before"]), **EXACT)
                assert_close(penalty.kept["rho"], number(epoch["rho_before"]), **EXACT)
            validation(penalty, *map(number, epoch["val_logits_batches"]))
            assert_close(penalty.kept["multipliers"], number(epoch["lambd_after"]), **EXACT)
            assert_close(penalty.kept["rho"], number(epoch["rho_after"]), **EXACT)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_its_derivative_is_that_of_its_value(function):
    h = torch.linspace(-2, 3, 51, dtype=torch.float64).requires_grad_()
    value, derivative = augmented_lagrangian.FUNCTIONS[function](h, number(0.3), number(0.7))
    value.sum().backward()
    assert_close(derivative, h.grad)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_multiplier_becomes_the_mean_of_the_clipped_derivatives(function):
    logits = draw(50, 4)
    penalty = AugmentedLagrangian(3.0, function, multiplier_min=0.3, multiplier_max=2.0, rho_min=0.7, normalize=False)
    validation(penalty, logits)
    derivatives = derivatives_by_hand(function, logits, 3.0, 0.3, 0.7)
    assert (derivatives < 0.3).any()
    assert (derivatives > 2.0).any()
    assert_close(penalty.kept["multipliers"], derivatives.clamp(0.3, 2.0).mean(0))


def derivatives_by_hand(function, logits, margin, multiplier, rho):
    rows = []
    for z in logits.tolist():
        row = []
        for logit in z:
            h = max(z) - logit - margin
            if function == "phr":
                row.append(max(multiplier + rho * h, 0.0))
            elif h < 0:
                row.append(multiplier / (1 - rho * h) ** 2)
            else:
                row.append(multiplier + 2 * multiplier * rho * h + (rho**2 * h**2 / 2 if function == "p2" else 0))
        rows.append(row)
    return number(rows)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_its_value_by_hand(function):
    multiplier, rho, margin = 0.3, 0.7, 2.0
    (row,) = rows_of(
        AugmentedLagrangian(margin, function, multiplier_min=multiplier, rho_min=rho, normalize=True),
        number([[5.0, 4.0, -3.0]]),
    )
    expected = []
    for h in (-1.0, (1 - margin) / margin, (8 - margin) / margin):
        x = multiplier + rho * h
        if function == "phr":
            expected.append((max(x, 0) ** 2 - multiplier**2) / (2 * rho))
        elif h < 0:
            expected.append(multiplier * h / (1 - rho * h))
        else:
            cube = rho**2 * h**3 / 6 if function == "p2" else 0
            expected.append(multiplier * h + multiplier * rho * h**2 + cube)
    assert row.item() == pytest.approx(sum(expected) / 3, rel=1e-12)


def test_batches_of_any_size_teach_the_same():
    logits = draw(13, 4)
    whole, parts = AugmentedLagrangian(1.0), AugmentedLagrangian(1.0)
    validation(whole, logits)
    validation(parts, logits[:1], logits[1:9], logits[9:9], logits[9:])
    assert_close(whole.kept, parts.kept)


def shard(rank, kind, bounds, masks):
    """What a rank has learned after two validations, of which it saw the rows between its bounds."""
    penalty = bound(kind(margin=1.0), 4)
    for seed in (0, 1):
        logits = draw(13, 4, seed)
        if masks:
            logits[seed : seed + 6, 2] = -math.inf
        low, high = bounds[rank]
        if high > low:
            penalty.validate(logits[low:high], torch.zeros(high - low, dtype=torch.long))
        penalty.end_validation()
    return {name: value.tolist() for name, value in penalty.kept.items()}


@pytest.mark.parametrize("kind", [AugmentedLagrangian, ClassMargin])
def test_ranks_with_uneven_shards_learn_what_one_process_learns(kind):
    """The original averages the ranks' means, so that a sample of a small shard counts more."""
    alone = shard(0, kind, [(0, 13)], True)
    for bounds in ([(0, 3), (3, 13)], [(0, 13), (0, 0)]):
        for learned in on_ranks(shard, kind, bounds, True):
            for name, value in alone.items():
                assert learned[name] == pytest.approx(value, rel=1e-12), name


@pytest.mark.parametrize("kind", [AugmentedLagrangian, ClassMargin])
def test_a_masked_class_teaches_nothing_and_the_others_the_same(kind):
    logits, left = draw(20, 5), [0, 1, 3, 4]
    logits[:, 2] = -math.inf
    masked, alone = kind(margin=1.0), kind(margin=1.0)
    for seed in (0, 1):
        validation(masked, logits + seed * logits.masked_fill(logits == -math.inf, 0))
        validation(alone, logits[:, left] * (1 + seed))
    name = "multipliers" if kind is AugmentedLagrangian else "weights"
    assert_close(masked.kept[name][left], alone.kept[name])
    assert masked.kept[name][2] == {"multipliers": 1e-6, "weights": 0.1}[name]
    assert_close(rows_of(masked, logits), rows_of(alone, logits[:, left]))


def test_a_class_that_is_masked_in_some_samples_learns_from_the_others():
    logits = draw(12, 4)
    some = logits.clone()
    some[:5, 2] = -math.inf
    for kind, name in ((AugmentedLagrangian, "multipliers"), (ClassMargin, "scores")):
        masked, others = kind(margin=1.0), kind(margin=1.0)
        validation(masked, some)
        validation(others, logits[5:])
        assert_close(masked.kept[name][2], others.kept[name][2])


def test_rho_grows_where_a_violation_follows_none():
    """A constraint that was met counts as 0 then, so that any violation is a growth, and none is no growth."""
    met, violated = number([[0.5, 0.0, 0.5]]), number([[0.0, -1.2, 0.0]])
    penalty = AugmentedLagrangian(1.0, rho_every=1)
    rho = []
    for logits in (met, met * 0.9, violated, violated):
        validation(penalty, logits)
        rho.append(penalty.kept["rho"][1].item())
    assert rho == pytest.approx([1, 1, 1.2, 1.44])


def test_updates_come_every_so_many_validations():
    penalty = AugmentedLagrangian(1.0, multiplier_every=2, rho_every=3, tolerance=0.5)
    course = []
    for _ in range(6):
        validation(penalty, draw(9, 3))
        course.append((penalty.kept["multipliers"][0].item(), penalty.kept["rho"][0].item()))
    multipliers, rho = zip(*course, strict=True)
    assert multipliers[0] == 1e-6 < multipliers[1] == multipliers[2] < multipliers[3]
    assert rho == pytest.approx((1, 1, 1.2, 1.2, 1.2, 1.44))


def test_rho_stays_where_it_is_told_to():
    penalty = AugmentedLagrangian(1.0, rho_every=0)
    for _ in range(4):
        validation(penalty, draw(9, 3))
    assert penalty.kept["rho"].tolist() == [1.0] * 3


def test_a_validation_without_samples_changes_no_multiplier():
    for penalty in (bound(AugmentedLagrangian(1.0), 3), bound(ClassMargin(margin=1.0), 3)):
        before = [value.clone() for name, value in penalty.kept.items() if name != "validations"]
        penalty.end_validation()
        assert_close([value for name, value in penalty.kept.items() if name != "validations"], before)


def test_what_was_learned_in_inference_mode_serves_in_training():
    """Lightning validates in inference mode, and autograd refuses tensors that were made in it."""
    for penalty in (AugmentedLagrangian(1.0), ClassMargin(margin=1.0)):
        with torch.inference_mode():
            validation(penalty, draw(9, 3))
        logits = draw(4, 3).requires_grad_()
        rows_of(penalty, logits).sum().backward()
        assert logits.grad.any()
        validation(penalty, draw(9, 3))


def test_logits_of_another_number_of_classes_than_was_learned_are_an_error():
    for penalty in (AugmentedLagrangian(), ClassMargin()):
        bound(penalty, 3)
        with pytest.raises(InvalidArgument, match="logits = '4 classes': expected 3, as were learned"):
            rows_of(penalty, draw(2, 4))


def test_before_any_validation_the_heuristic_is_the_margin_penalty():
    logits = draw(6, 4)
    assert_close(rows_of(ClassMargin(0.3, 1.5), logits), rows_of(MarginPenalty(0.3, 1.5), logits))


def test_the_heuristic_s_weights_follow_their_scores():
    """Scores by hand: means of weight * max(0, distance - margin); one class rises, one falls, one stays."""
    first, second = number([[0.0, -4.0, -5.0, -6.0]]), number([[0.0, -8.0, -2.0, -6.2]])
    penalty = ClassMargin(weight=0.5, margin=1.0, growth=1.1, tolerance=1.1)
    validation(penalty, first)
    assert_close(penalty.kept["scores"], 0.5 * number([0, 3, 4, 5]))
    assert penalty.kept["weights"].tolist() == [0.5] * 4
    validation(penalty, second)
    assert_close(penalty.kept["scores"], 0.5 * number([0, 7, 1, 5.2]))
    assert_close(penalty.kept["weights"], number([0.5, 0.5 * 1.1, 0.5 / 1.1, 0.5]))


@pytest.mark.parametrize(
    ("kind", "setting"),
    [
        (AugmentedLagrangian, {"margin": 0}),
        (AugmentedLagrangian, {"function": "relu"}),
        (AugmentedLagrangian, {"multiplier_min": 0}),
        (AugmentedLagrangian, {"multiplier_max": 1e-7}),
        (AugmentedLagrangian, {"multiplier_every": 0}),
        (AugmentedLagrangian, {"rho_min": -1}),
        (AugmentedLagrangian, {"rho_max": 0.5}),
        (AugmentedLagrangian, {"rho_every": -1}),
        (AugmentedLagrangian, {"growth": 0.9}),
        (AugmentedLagrangian, {"tolerance": 1.1}),
        (ClassMargin, {"weight": -1}),
        (ClassMargin, {"margin": math.inf}),
        (ClassMargin, {"growth": 0.9}),
        (ClassMargin, {"tolerance": 0.9}),
        (ClassMargin, {"every": 0.5}),
        (ClassMargin, {"weight_min": -1}),
        (ClassMargin, {"weight_max": 0}),
    ],
)
def test_a_setting_out_of_range_is_an_error(kind, setting):
    with pytest.raises(InvalidArgument, match=next(iter(setting))):
        kind(**setting)
