"""The temperature is at the optimum, also where published code does not get there or where there is none."""

import pytest
import torch
from scipy.optimize import minimize_scalar

from smoothlab.calibration import Temperature


def nll(logits, labels, temperature):
    return float(torch.nn.functional.cross_entropy(logits / temperature, labels))


def fitted(logits, labels, sample_weight=None) -> float:
    return float(Temperature().fit(logits, labels, sample_weight).temperature)


def test_the_optimum_of_every_published_set(vectors):
    cases = vectors("temperature_scaling")["cases"]
    assert len(cases) >= 4
    for case in cases:
        logits = torch.tensor(case["inputs"]["logits"], dtype=torch.float64)
        labels = torch.tensor(case["inputs"]["target"])
        fitted_temperature = fitted(logits, labels)
        assert fitted_temperature == pytest.approx(case["optimum_T"], abs=1e-6), case["name"]
        assert nll(logits, labels, fitted_temperature) <= case["nll_at_optimum"] + 1e-12


@pytest.mark.parametrize("factor", [0.02, 0.3, 1.0, 28.0, 900.0])
def test_a_search_over_the_whole_range_finds_nothing_better(drawn, factor):
    logits, labels = drawn(200, 3, seed=1, factor=factor)
    fitted_temperature = fitted(logits, labels)
    best = minimize_scalar(lambda log: nll(logits, labels, 10**log), bounds=(-3, 4), options={"xatol": 1e-10})
    assert nll(logits, labels, fitted_temperature) <= best.fun + 1e-10
    assert fitted_temperature == pytest.approx(10**best.x, rel=1e-4)


def test_scaled_logits_have_a_scaled_temperature(drawn):
    logits, labels = drawn(100, 4, seed=2)
    assert fitted(1e3 * logits, labels) == pytest.approx(1e3 * fitted(logits, labels), rel=1e-6)
    assert fitted(logits + 1e4, labels) == pytest.approx(fitted(logits, labels), rel=1e-6)


def test_all_right_becomes_more_certain_with_more_samples_and_never_fully():
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 2.0]], dtype=torch.float64)
    labels = torch.tensor([0, 1, 2])
    top = []
    for copies in (1, 10, 100):
        calibrator = Temperature().fit(logits.repeat(copies, 1), labels.repeat(copies))
        top.append(float(torch.softmax(calibrator(logits), 1).max()))
    assert 0.5 < top[0] < top[1] < top[2] < 1 - 1e-4
    # One even sample beside n right ones: (n + 1/3) / (n + 1) of the labels are where the model points.
    assert top == pytest.approx([(3 * n + 1 / 3) / (3 * n + 1) for n in (1, 10, 100)], abs=1e-6)


def test_logits_worse_than_chance_become_even_and_keep_their_order():
    logits = torch.tensor([[3.0, 0.0], [0.0, 2.0]], dtype=torch.float64)
    calibrator = Temperature().fit(logits, torch.tensor([1, 0]))
    assert torch.softmax(calibrator(logits), 1).max() < 0.501
    assert calibrator(logits).argmax(1).tolist() == [0, 1]


def test_equal_logits_and_a_single_sample_are_taken():
    assert fitted(torch.ones(5, 3), torch.tensor([0, 1, 2, 0, 1])) == 1.0
    assert fitted(torch.tensor([[1.0, 0.0]]), torch.tensor([0])) > 0


def test_masked_classes_count_for_nothing(drawn):
    logits, labels = drawn(100, 3, seed=3)
    masked = torch.cat([logits, torch.full((100, 1), -torch.inf, dtype=torch.float64)], 1)
    assert fitted(masked, labels) == pytest.approx(fitted(logits, labels), rel=1e-9)
