"""The meter's means are those of the samples, and it finds the first step that went wrong."""

import math

import pytest
import torch

from smoothlab.tasks.loss_meter import READ_EVERY, LossMeter


def test_means_weigh_samples_not_batches():
    meter = LossMeter()
    meter.add(torch.tensor(8.0), 4, 0.5, 0.1, 0)
    meter.add(torch.tensor(1.0), 1, 0.5, 0.2, 1)
    assert meter.read() is None
    summary = meter.summary()
    assert summary["train/loss"] == pytest.approx(9 / 5)
    assert summary["train/kl"] == pytest.approx(9 / 5 - 0.5)
    assert summary["smoothing/epsilon"] == pytest.approx((4 * 0.1 + 0.2) / 5)
    assert (summary["smoothing/epsilon_min"], summary["smoothing/epsilon_max"]) == (0.1, 0.2)


def test_tensors_of_epsilon_and_entropy_count_by_sample():
    meter = LossMeter()
    meter.add(torch.tensor(2.0), 2, torch.tensor([0.2, 0.4]), torch.tensor([0.0, 0.3]), 0)
    meter.add(torch.tensor(2.0), 2, torch.tensor(0.1), torch.tensor(0.1), 1)
    meter.read()
    summary = meter.summary()
    assert summary["smoothing/target_entropy"] == pytest.approx((0.2 + 0.4 + 2 * 0.1) / 4)
    assert summary["smoothing/epsilon"] == pytest.approx((0.3 + 2 * 0.1) / 4)
    assert summary["smoothing/epsilon_min"] == pytest.approx(0.0)
    assert summary["smoothing/epsilon_max"] == pytest.approx(0.3)


def test_python_and_tensor_epsilons_can_follow_each_other():
    meter = LossMeter()
    for step, epsilon in enumerate((0.1, torch.tensor([0.3]), 0.5)):
        meter.add(torch.tensor(1.0), 1, 0.0, epsilon, step)
    meter.read()
    assert meter.summary()["smoothing/epsilon_min"] == pytest.approx(0.1)
    assert meter.summary()["smoothing/epsilon_max"] == pytest.approx(0.5)


def test_a_long_epoch_is_summed_in_float64():
    meter = LossMeter()
    losses = torch.rand(3 * READ_EVERY + 7, generator=torch.Generator().manual_seed(0)) * 1e4
    for step, loss in enumerate(losses):
        assert meter.add(loss, 1, 0.0, 0.0, step) is None
    meter.read()
    assert meter.summary()["train/loss"] == pytest.approx(float(losses.double().mean()), rel=1e-12)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_the_first_bad_step_is_found(bad):
    meter = LossMeter()
    for step in range(100, 110):
        meter.add(torch.tensor(bad if step >= 104 else 1.0), 1, 0.0, 0.0, step)
    assert meter.read() == 104


def test_a_full_buffer_reports_without_waiting_for_the_epochs_end():
    meter = LossMeter()
    messages = [meter.add(torch.tensor(math.nan), 1, 0.0, 0.0, step) for step in range(READ_EVERY)]
    assert messages[-1] == 0
    assert messages[:-1] == [None] * (READ_EVERY - 1)
