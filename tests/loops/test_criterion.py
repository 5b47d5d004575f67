"""The criterion: torch's own loss with constant smoothing, progress, state, and what learns."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.nn import functional

from smoothlab import SmoothCrossEntropy, Smoother, smooth_labels
from smoothlab.errors import InvalidArgument
from smoothlab.losses import Focal
from smoothlab.smoothing import Cosine, Uniform


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (12,), generator=generator)
    labels[3] = -100
    return torch.randn(12, 4, generator=generator, requires_grad=True), labels


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_a_number_is_the_label_smoothing_of_torch(batch, reduction):
    logits, labels = batch
    made = SmoothCrossEntropy(0.1, reduction=reduction)(logits, labels)
    expected = functional.cross_entropy(logits, labels, label_smoothing=0.1, reduction=reduction)
    torch.testing.assert_close(made, expected)


def test_in_evaluation_the_labels_are_as_they_are(batch):
    logits, labels = batch
    made = SmoothCrossEntropy(0.1).eval()(logits, labels)
    torch.testing.assert_close(made, functional.cross_entropy(logits, labels))


def test_another_padding_and_labels_of_mixup(batch):
    logits, labels = batch
    labels = labels.masked_fill(labels == -100, 99)
    made = SmoothCrossEntropy(0.1, ignore_index=99)(logits, labels)
    torch.testing.assert_close(made, functional.cross_entropy(logits, labels, label_smoothing=0.1, ignore_index=99))
    mixed = torch.softmax(torch.randn(12, 4), 1)
    torch.testing.assert_close(
        SmoothCrossEntropy(0.1)(logits, mixed), functional.cross_entropy(logits, mixed, label_smoothing=0.1)
    )


def test_timm_s_loss_is_the_same(batch):
    pytest.importorskip("timm", reason="timm is not installed")
    from timm.loss import LabelSmoothingCrossEntropy

    logits, labels = batch[0], batch[1].clamp_min(0)
    torch.testing.assert_close(SmoothCrossEntropy(0.1)(logits, labels), LabelSmoothingCrossEntropy(0.1)(logits, labels))


def test_another_loss_is_a_mean_over_the_rows_that_count(batch):
    logits, labels = batch
    made = SmoothCrossEntropy(0.0, loss=Focal(0.0))(logits, labels)
    torch.testing.assert_close(made, functional.cross_entropy(logits, labels))


def test_a_schedule_follows_the_steps_and_the_state_goes_on(batch):
    logits, labels = batch

    def fresh() -> SmoothCrossEntropy:
        return SmoothCrossEntropy(Smoother(Cosine(0.0, 0.4), Uniform()), total_steps=10)

    criterion = fresh()
    start = criterion(logits, labels)
    torch.testing.assert_close(start, functional.cross_entropy(logits, labels))
    for _ in range(10):
        criterion.step()
    assert criterion.progress == 1
    end = criterion(logits, labels)
    torch.testing.assert_close(end, functional.cross_entropy(logits, labels, label_smoothing=0.4))
    again = fresh()
    again.load_state_dict(criterion.state_dict())
    assert torch.equal(again(logits, labels), end)


def test_a_strategy_that_learns_from_validation_learns(batch):
    from smoothlab.smoothing.strengths.auto import Auto

    logits, labels = batch
    counted = labels != -100
    criterion = SmoothCrossEntropy(Smoother(Auto(), Uniform()))
    before = criterion.smoother(labels).epsilon
    for _ in range(5):
        criterion(logits, labels)
        criterion.end_epoch()
        criterion.validate(20 * logits[counted], labels[counted])
        criterion.end_validation()
    assert not torch.equal(torch.as_tensor(criterion.smoother(labels).epsilon), torch.as_tensor(before))


def test_arguments_out_of_range():
    with pytest.raises(InvalidArgument, match="epsilon"):
        SmoothCrossEntropy(1.5)
    with pytest.raises(InvalidArgument, match="total_steps"):
        SmoothCrossEntropy(total_steps=0)
    with pytest.raises(InvalidArgument, match="reduction"):
        SmoothCrossEntropy(reduction="median")
    with pytest.raises(InvalidArgument, match="smoother = 'a'"):
        SmoothCrossEntropy("a")
    with pytest.raises(InvalidArgument, match="logits = 'ndarray': expected a tensor"):
        SmoothCrossEntropy()(np.ones((2, 3)), torch.zeros(2, dtype=torch.int64))


def test_a_schedule_without_an_end_is_refused_in_training(batch):
    criterion = SmoothCrossEntropy(Smoother(Cosine(0.0, 0.4), Uniform()))
    with pytest.raises(InvalidArgument, match="total_steps = None: expected a number: Cosine changes"):
        criterion(*batch)
    criterion.eval()(*batch)
    criterion.at_step(0, 10)
    criterion.train()(*batch)


def test_smoothed_labels_as_arrays():
    expected = [[0.025 + 0.9, 0.025, 0.025, 0.025], [0.025, 0.025, 0.025, 0.925]]
    made = smooth_labels([0, 3], 0.1)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, expected, atol=1e-7)
    np.testing.assert_allclose(smooth_labels(np.eye(4)[[0, 3]], 0.1), expected, atol=1e-12)
    np.testing.assert_allclose(
        smooth_labels([1], 0.3, num_classes=3, prior="exclusive"), [[0.15, 0.7, 0.15]], atol=1e-7
    )
    np.testing.assert_allclose(smooth_labels([0], 0.5, prior=[0.2, 0.8], num_classes=2), [[0.6, 0.4]], atol=1e-7)
    np.testing.assert_allclose(smooth_labels([0, 1], [0.0, 0.5]), [[1, 0], [0.25, 0.75]], atol=1e-7)
    assert smooth_labels([], 0.1, num_classes=3).shape == (0, 3)
    for wrong in (
        {"labels": [-1, 2]},
        {"labels": [3], "num_classes": 2},
        {"labels": ["a"]},
        {"labels": [0], "epsilon": 2},
    ):
        with pytest.raises(InvalidArgument):
            smooth_labels(**wrong)


ALONE = """
import sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {refused}:
            raise ImportError(name)

sys.meta_path.insert(0, Refused())
import torch
from smoothlab import Smoother, SmoothCrossEntropy, SoftTarget, smooth_labels, soft_cross_entropy
from smoothlab.metrics import ece
from smoothlab.smoothing import Cosine, Uniform

logits, labels = torch.randn(8, 3), torch.arange(8) % 3
assert SmoothCrossEntropy(Smoother(Cosine(0.0, 0.2), Uniform()))
SmoothCrossEntropy(0.1)(logits, labels), smooth_labels([0, 1]), ece(logits, labels, from_logits=True)
"""


def test_the_library_alone_needs_torch_and_numpy_only():
    refused = {
        "hydra",
        "omegaconf",
        "pytorch_lightning",
        "torchmetrics",
        "wandb",
        "pandas",
        "sklearn",
        "matplotlib",
        "rich",
    }
    made = subprocess.run([sys.executable, "-c", ALONE.format(refused=refused)], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
