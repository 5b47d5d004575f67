"""The device of the tests marked ``gpu``, which `make gpu` runs: CUDA, or with SMOOTHLAB_GPU=cpu the CPU."""

from __future__ import annotations

import os

import pytest
import torch


@pytest.fixture(scope="session")
def device():
    if os.environ.get("SMOOTHLAB_GPU") == "cpu":
        return "cpu"
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    return "cuda"
