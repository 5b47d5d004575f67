"""Gradients are clipped in every precision, with fused optimizers too."""

import pytest
import torch
from pytorch_lightning import Trainer
from pytorch_lightning.plugins.precision import MixedPrecision

from smoothlab.data.batch import Batch
from smoothlab.nets import MLP
from smoothlab.smoothing import Constant, Smoother, Uniform
from smoothlab.tasks import ClassificationTask
from smoothlab.tracking.console import quiet_lightning


class OneBatch:
    """A loader of one batch."""

    sampler = batch_sampler = None

    def __len__(self):
        return 1

    def __iter__(self):
        features = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))
        yield Batch(10 * features, (features[:, 0] > 0).long(), torch.arange(32))


def of(precision):
    """Lightning replaces 16-mixed on a CPU, with a warning; as a plugin it stays, with the scaler of losses."""
    if precision != "16-mixed":
        return {"precision": precision}
    return {"plugins": [MixedPrecision(precision, "cpu", torch.amp.GradScaler("cpu", init_scale=16.0))]}


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed", "64-true"])
@pytest.mark.parametrize("parts", [1, 2])
def test_a_step_of_plain_descent_is_as_long_as_the_norm_that_is_asked_for(fused, precision, parts):
    torch.manual_seed(0)
    smoother = Smoother(Constant(0.1), Uniform())

    def descent(parameters):
        return torch.optim.SGD(parameters, lr=1.0, fused=fused)

    task = ClassificationTask(MLP(4, 2, hidden=[8]), smoother, ["no", "yes"], optimizer=descent)
    before = torch.cat([parameter.detach().double().flatten() for parameter in task.parameters()])
    with quiet_lightning():
        Trainer(
            max_epochs=1,
            accelerator="cpu",
            **of(precision),
            gradient_clip_val=0.01,
            accumulate_grad_batches=parts,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        ).fit(task, OneBatch())
    after = torch.cat([parameter.detach().double().flatten() for parameter in task.parameters()])
    assert float((after - before).norm()) == pytest.approx(0.01, rel=1e-3)
