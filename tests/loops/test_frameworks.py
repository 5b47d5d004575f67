"""The criterion in Lightning's and transformers' loops: their own losses on the same batch, and calibration."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

from smoothlab import SmoothCrossEntropy, Smoother
from smoothlab.errors import InvalidArgument
from smoothlab.loops import SmoothingCallback, SmoothTrainerMixin, calibration_metrics
from smoothlab.metrics import classification_metrics
from smoothlab.smoothing import Linear, Uniform


class Mine(pl.LightningModule):
    def __init__(self, criterion):
        super().__init__()
        torch.manual_seed(0)
        self.net, self.criterion, self.progress = torch.nn.Linear(3, 3), criterion, []

    def training_step(self, batch, batch_idx):
        self.progress.append(getattr(self.criterion, "progress", None))
        return self.criterion(self.net(batch[0]), batch[1])

    def validation_step(self, batch, batch_idx):
        return {"logits": self.net(batch[0]), "labels": batch[1]}

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def loader() -> DataLoader:
    labels = torch.arange(40) % 3
    return DataLoader(TensorDataset(torch.randn(40, 3, generator=torch.Generator().manual_seed(1)), labels), 10)


@pytest.mark.filterwarnings("ignore")
def test_the_callback_tells_progress_and_logs_the_calibration_of_validation():
    module = Mine(SmoothCrossEntropy(Smoother(Linear(0.0, 0.2), Uniform())))
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    trainer = pl.Trainer(max_epochs=2, accelerator="cpu", callbacks=[SmoothingCallback()], **quiet)
    trainer.fit(module, loader(), loader())
    assert module.progress == [step / 8 for step in range(8)]
    rows = loader().dataset
    expected = classification_metrics(module.net(rows.tensors[0]).detach(), rows.tensors[1], from_logits=True)
    for name in ("nll", "accuracy", "ece"):
        assert float(trainer.callback_metrics[f"val/{name}"]) == pytest.approx(expected[name], abs=1e-5)
    with pytest.raises(InvalidArgument, match="criterion"):
        pl.Trainer(max_epochs=1, accelerator="cpu", callbacks=[SmoothingCallback()], **quiet).fit(
            Mine(torch.nn.CrossEntropyLoss()), loader()
        )


@pytest.mark.filterwarnings("ignore")
def test_a_training_of_lightning_ends_with_the_weights_of_torch_s_own_smoothing():
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    ends = []
    for criterion, callbacks in (
        (SmoothCrossEntropy(0.1), [SmoothingCallback()]),
        (torch.nn.CrossEntropyLoss(label_smoothing=0.1), []),
    ):
        module = Mine(criterion)
        trainer = pl.Trainer(max_epochs=2, accelerator="cpu", callbacks=callbacks, enable_model_summary=False, **quiet)
        trainer.fit(module, loader())
        ends.append(module.net.weight)
    torch.testing.assert_close(*ends)


class Half:
    """What a Trainer is to the mixin."""

    state = SimpleNamespace(global_step=0, max_steps=10, epoch=0.0)


class Smoothed(SmoothTrainerMixin, Half):
    def __init__(self, criterion):
        self.criterion = criterion


class TinyForCausalLM(torch.nn.Module):
    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, input_ids):
        return {"logits": self.logits}


@pytest.mark.parametrize("causal", [False, True])
def test_the_loss_is_that_of_transformers_with_padding(causal):
    pytest.importorskip("transformers", reason="transformers is not installed")
    from transformers.trainer_pt_utils import LabelSmoother

    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(4, 6, 7, generator=generator), torch.randint(0, 7, (4, 6), generator=generator)
    labels[1, 3:] = -100
    trainer = Smoothed(SmoothCrossEntropy(0.1))
    trainer.next_token = causal
    model = TinyForCausalLM(logits).train()
    made = trainer.compute_loss(model, {"input_ids": None, "labels": labels})
    expected = LabelSmoother(epsilon=0.1)({"logits": logits}, labels.clone(), shift_labels=causal)
    torch.testing.assert_close(made, expected)
    counted = labels[..., 1:] if causal else labels
    whole = trainer.compute_loss(model, {"input_ids": None, "labels": labels}, num_items_in_batch=50)
    torch.testing.assert_close(whole * 50, made * (counted != -100).sum())
    loss, outputs = trainer.compute_loss(model.eval(), {"input_ids": None, "labels": labels}, return_outputs=True)
    assert outputs["logits"] is logits
    shifted = logits[..., :-1, :] if causal else logits
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(shifted.reshape(-1, 7), counted.reshape(-1)))


def test_calibration_metrics_leave_padding_out():
    logits = np.random.default_rng(0).normal(size=(3, 4, 5))
    labels = np.random.default_rng(1).integers(0, 5, size=(3, 4))
    expected = classification_metrics(logits[:2].reshape(-1, 5), labels[:2].reshape(-1), from_logits=True)
    labels[2] = -100
    assert calibration_metrics((logits, labels)) == expected
