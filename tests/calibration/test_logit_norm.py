"""Logit normalisation restores the order of confidences, and is left out where it would not."""

import pytest
import torch

from smoothlab import InvalidArgument
from smoothlab.calibration import LogitNormalisation
from smoothlab.calibration.logit_norm import aurc, normalised
from smoothlab.calibration.observed import Observed
from smoothlab.metrics import aurc as reference


def suppressed(rows, seed):
    """Logits whose size tells nothing and whose direction tells all: the size is drawn apart."""
    generator = torch.Generator().manual_seed(seed)
    direction = torch.nn.functional.normalize(torch.randn(rows, 6, generator=generator, dtype=torch.float64))
    labels = torch.multinomial(torch.softmax(6 * direction, 1), 1, generator=generator).squeeze(1)
    return direction * torch.empty(rows, 1, dtype=torch.float64).uniform_(1, 20, generator=generator), labels


def test_it_restores_an_order_that_the_size_of_the_logits_hides():
    logits, labels = suppressed(1500, 0)
    new, truth = suppressed(1500, 1)
    calibrator = LogitNormalisation().fit(logits, labels)
    assert calibrator.summary()["order"] is not None
    before, after = (reference(values, truth, from_logits=True) for values in (new, calibrator(new)))
    assert after < 0.95 * before
    assert calibrator(new).argmax(1).equal(new.argmax(1))


def test_the_aurc_is_that_of_the_metrics_with_and_without_ties(drawn):
    logits, labels = drawn(200, 4, seed=0)
    for values in (logits, logits.round()):
        assert aurc(values, Observed.of(values, labels)) == pytest.approx(reference(values, labels, from_logits=True))


def test_no_order_is_worse_than_the_plain_one_on_the_fitted_samples(drawn):
    logits, labels = drawn(500, 3, seed=1)
    calibrator = LogitNormalisation().fit(logits, labels)
    observed = Observed.of(logits, labels)
    assert aurc(calibrator(logits), observed) <= aurc(logits / calibrator.temperature, observed) + 1e-12


def test_the_norm_by_hand():
    logits = torch.tensor([[5.0, 2.0, -1.0], [1.0, 1.0, 1.0]], dtype=torch.float64)
    expected = torch.tensor([[3.0, 0.0, -3.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    expected[0] /= 2 * 3.0
    torch.testing.assert_close(normalised(logits, 1), expected)
    assert normalised(1e30 * logits.float(), 8)[0].norm(8).item() == pytest.approx(1.0)


def test_two_classes_have_no_order_to_restore():
    with pytest.raises(InvalidArgument, match="at least three classes"):
        LogitNormalisation().fit(torch.zeros(2, 2), torch.tensor([0, 1]))


@pytest.mark.parametrize("orders", [[], [0], [1.5], 2, [True]])
def test_other_orders_are_refused(orders):
    with pytest.raises(InvalidArgument, match="orders = "):
        LogitNormalisation(orders)
