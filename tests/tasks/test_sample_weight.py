"""A row's sample weight multiplies its loss, and the loss of a step is divided by the weights' sum."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from smoothlab import InvalidArgument, Smoother
from smoothlab.data import Batch
from smoothlab.losses import Focal, Mixup
from smoothlab.losses.penalties import ConfidencePenalty
from smoothlab.smoothing import Constant, Half, MultilabelSmoother, Uniform
from smoothlab.tasks import ClassificationTask, MultilabelTask

WEIGHTS = torch.tensor([0.0, 1.0, 2.0, 3.0])


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def task(kind=ClassificationTask, **options):
    smoother = Smoother(Constant(0.1), Uniform())
    if kind is MultilabelTask:
        smoother = MultilabelSmoother(Constant(0.1), Half())
    return kind(nn.Identity(), smoother, ["a", "b", "c"], optimizer=torch.optim.SGD, **options)


def batch(labels: torch.Tensor, weights: torch.Tensor | None = WEIGHTS) -> Batch:
    metadata = {} if weights is None else {"sample_weight": weights}
    return Batch(drawn(4, 3), labels, torch.arange(4), metadata)


def test_the_sum_is_that_of_weighted_rows():
    labels = torch.tensor([0, 1, 2, 0])
    _, loss, _ = task().terms(batch(labels))
    rows = F.cross_entropy(drawn(4, 3), labels, label_smoothing=0.1, reduction="none")
    assert_close(loss, (rows * WEIGHTS).sum())


@pytest.mark.parametrize("kind", [ClassificationTask, MultilabelTask])
@pytest.mark.parametrize("own_loss", [False, True])
def test_whole_weights_count_as_copies(kind, own_loss):
    options = {"penalties": {"confidence": ConfidencePenalty(0.1)}}
    if own_loss:
        options["loss"] = Focal(2.0)
    labels = torch.tensor([0, 1, 2, 0])
    if kind is MultilabelTask:
        labels = torch.tensor([[1.0, 0, -1], [0, 1, 1], [0, 0, 0], [1, 1, -1]])
    with_weights, copied = batch(labels), batch(labels, None).take(torch.tensor([1, 2, 2, 3, 3, 3]))
    weighted, repeated = task(kind, **options).terms(with_weights), task(kind, **options).terms(copied)
    assert_close(weighted[1], repeated[1])
    assert_close(weighted[2]["confidence"], repeated[2]["confidence"])


def test_a_mixture_has_no_weight():
    with pytest.raises(InvalidArgument, match="a mixture of weighted rows has no weight"):
        task(mixing=Mixup(alpha=1.0, num_classes=3)).terms(batch(torch.tensor([0, 1, 2, 0])))
