"""A net that comes in by `code=`: in its third training step it does to the disk what its variable says."""

import os
import resource
import shutil
from pathlib import Path

import torch


class Net(torch.nn.Linear):
    """Removes the outputs (HOSTILE=remove), or lets no file grow above 3 kB (HOSTILE=limit)."""

    steps = 0

    def __init__(self, in_features, num_classes):
        super().__init__(in_features, num_classes)

    def forward(self, features):
        self.steps += self.training
        if self.training and self.steps == 3:
            if os.environ.get("HOSTILE") == "remove":
                shutil.rmtree(Path("outputs"))
            if os.environ.get("HOSTILE") == "limit":
                resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
        return super().forward(features)
