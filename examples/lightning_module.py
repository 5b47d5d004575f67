"""A LightningModule of one's own: python examples/lightning_module.py"""

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

from smoothlab import SmoothCrossEntropy
from smoothlab.loops import SmoothingCallback


class Mine(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.net, self.criterion = torch.nn.Linear(5, 3), SmoothCrossEntropy(0.1)

    def training_step(self, batch, batch_idx):
        return self.criterion(self.net(batch[0]), batch[1])

    def validation_step(self, batch, batch_idx):
        return {"logits": self.net(batch[0]), "labels": batch[1]}  # what the callback logs the calibration of

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=0.01)


labels = torch.arange(600) % 3
loader = DataLoader(TensorDataset(torch.randn(600, 5) + labels[:, None], labels), batch_size=60)
(trainer := pl.Trainer(max_epochs=3, callbacks=[SmoothingCallback()], logger=False)).fit(Mine(), loader, loader)
print({name: float(trainer.callback_metrics[name]) for name in ("val/nll", "val/ece")})
