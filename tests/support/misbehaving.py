"""A net that comes in by `code=`: a linear map whose training goes wrong as its seed says, while `sick` exists."""

import os
import resource
import signal
import time
from pathlib import Path

import torch


class Net(torch.nn.Linear):
    """Goes wrong in its first training step with some seeds: raises (3 to 5), is killed (6), gives NaN (7).

    While a file `slow` exists, each training step waits. While a file `full` exists, seed 1 can write no file of more
    than 4 KiB from its fourth step on, the last of its second epoch.
    """

    def __init__(self, in_features, num_classes):
        self.seed = torch.initial_seed()
        self.steps = 0
        super().__init__(in_features, num_classes)

    def forward(self, features):
        logits = super().forward(features)
        self.steps += self.training
        if self.training and self.steps == 4 and self.seed == 1 and Path("full").exists():
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        if self.training and Path("slow").exists():
            time.sleep(0.1)
        if not self.training or not Path("sick").exists():
            return logits
        if self.seed in (3, 4, 5):
            raise RuntimeError(f"seed {self.seed} does not want to")
        if self.seed == 6:
            os.kill(os.getpid(), signal.SIGKILL)
        return logits * float("nan") if self.seed == 7 else logits
