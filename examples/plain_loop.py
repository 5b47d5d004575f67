"""A training loop of one's own: python examples/plain_loop.py"""

import torch
from torch import nn

from smoothlab import SmoothCrossEntropy, Smoother
from smoothlab.metrics import ece, nll
from smoothlab.smoothing import Cosine, Uniform

torch.manual_seed(0)
labels = torch.arange(600) % 3
features = torch.randn(600, 5) + labels[:, None]
net = nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 3))
optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
criterion = SmoothCrossEntropy(Smoother(Cosine(start=0.0, end=0.2), Uniform()), total_steps=160)

for _ in range(20):
    for batch in torch.randperm(480).split(60):
        loss = criterion(net(features[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        criterion.step()  # how far the training is
    criterion.end_epoch()  # for strategies that learn

logits = net(features[480:]).detach()
print({"nll": nll(logits, labels[480:], from_logits=True), "ece": ece(logits, labels[480:], from_logits=True)})
