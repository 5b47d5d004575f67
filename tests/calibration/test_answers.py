"""Several labels a sample: one calibrator for all answers."""

import pytest
import torch

from smoothlab import InvalidArgument
from smoothlab.calibration import EachAnswer, Isotonic, Temperature


def answers(rows, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(rows, 4, generator=generator, dtype=torch.float64)
    return 3 * logits, torch.bernoulli(torch.sigmoid(logits), generator=generator)


def test_one_temperature_for_the_answers_about_all_labels():
    logits, labels = answers(2000, 0)
    calibrator = EachAnswer(Temperature()).fit(logits, labels)
    assert calibrator.summary()["temperature"] == pytest.approx(3.0, rel=0.05)
    torch.testing.assert_close(calibrator(logits), logits / calibrator.inner.temperature)


def test_unknown_and_masked_answers_do_not_count():
    logits, labels = answers(300, 1)
    labels[:, 1] = -1
    logits[:, 2] = -torch.inf
    calibrator = EachAnswer(Temperature()).fit(logits, labels)
    known = EachAnswer(Temperature()).fit(logits[:, [0, 3]], labels[:, [0, 3]])
    assert calibrator.summary() == known.summary()
    assert bool((calibrator(logits)[:, 2] == -torch.inf).all())


def test_a_curve_for_all_answers_calibrates_them():
    calibrator = EachAnswer(Isotonic()).fit(*answers(2000, 2))
    logits, labels = answers(2000, 3)
    binary = torch.nn.functional.binary_cross_entropy_with_logits
    assert binary(calibrator(logits), labels) < binary(logits, labels) - 0.1


def test_labels_of_another_shape_are_refused():
    with pytest.raises(InvalidArgument, match="labels = "):
        EachAnswer(Temperature()).fit(torch.zeros(3, 4), torch.zeros(3))
