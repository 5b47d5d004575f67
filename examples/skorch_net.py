"""A net of skorch: python examples/skorch_net.py (pip install skorch)"""

import numpy as np
import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback

from smoothlab import SmoothCrossEntropy
from smoothlab.metrics import ece


class Steps(Callback):
    def on_batch_end(self, net, training=False, **rest):
        if training:
            net.criterion_.step()

    def on_epoch_end(self, net, **rest):
        net.criterion_.end_epoch()


labels = np.arange(600) % 3
features = (np.random.default_rng(0).normal(size=(600, 5)) + labels[:, None]).astype(np.float32)
net = NeuralNetClassifier(torch.nn.Linear(5, 3), criterion=SmoothCrossEntropy(0.1), max_epochs=5, callbacks=[Steps()])
net.set_params(predict_nonlinearity=lambda logits: torch.softmax(logits, dim=1), verbose=0, lr=0.1)
net.fit(features, labels)
print({"ece": ece(net.predict_proba(features), labels, from_logits=False)})
