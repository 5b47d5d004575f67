"""timm's models, task, optimizer and schedule: python examples/timm_loop.py (pip install timm)"""

import torch
from timm import create_model
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.task import ClassificationTask

from smoothlab import SmoothCrossEntropy, Smoother
from smoothlab.metrics import ece, nll
from smoothlab.smoothing import Cosine, Uniform

torch.manual_seed(0)
labels = torch.arange(96) % 3
images = torch.randn(96, 3, 32, 32) * 0.5 + torch.eye(3)[labels][:, :, None, None]
model = create_model("test_convnext2", num_classes=3)
criterion = SmoothCrossEntropy(Smoother(Cosine(start=0.0, end=0.2), Uniform()), total_steps=12)
task = ClassificationTask(model, criterion, verbose=False)
optimizer = create_optimizer_v2(model, opt="adamw", lr=1e-3)
schedule, epochs = create_scheduler_v2(optimizer, num_epochs=4, step_on_epochs=False, updates_per_epoch=3)
for update, batch in enumerate(torch.arange(96).split(32) * epochs):
    optimizer.zero_grad()
    task(images[batch], labels[batch])["loss"].backward()
    optimizer.step()
    criterion.step()
    schedule.step_update(update + 1)
logits = model.eval()(images).detach()
print({"nll": nll(logits, labels, from_logits=True), "ece": ece(logits, labels, from_logits=True)})
