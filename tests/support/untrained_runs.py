"""Run directories whose nets were never trained: what export, predict and evaluate read, at no cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml

from smoothlab.config.build import build
from smoothlab.data import encoder_from_state
from smoothlab.models.checkpoint import FORMAT, KEY


def write_run(
    path: Path,
    encoder: Any,
    net: dict[str, Any],
    class_names: list[str],
    *,
    kind: str = "classification",
    seed: int = 0,
    spread: float = 1.0,
    data: dict[str, Any] | None = None,
    smoothing: dict[str, Any] | None = None,
    **more: Any,
) -> Path:
    """A run directory with one checkpoint.

    Args:
        path: where.
        encoder: of raw rows, fitted.
        net: its config.
        class_names: in the order of the logits.
        kind: of the task.
        seed: of the weights.
        spread: what they are multiplied by.
        data: its config.
        smoothing: its config.
        more: of the checkpoint's own content.
    """
    torch.manual_seed(seed)
    made = build(net, "net", num_classes=len(class_names), **encoder_from_state(encoder.state()).net_arguments)
    with torch.no_grad():
        for tensor in made.parameters():
            tensor.add_(torch.randn_like(tensor) * 0.1).mul_(spread)  # some nets begin at 0
        for name, tensor in made.named_buffers():
            if name.endswith("running_mean"):
                tensor.normal_()
    target = {"_target_": "smoothlab.tasks.ClassificationTask", "num_bins": 15}
    config = {
        "name": "untrained",
        "seed": seed,
        "net": net,
        "data": data or {},
        "task": target,
        "smoothing": smoothing or {},
        "optimizer": {},
        "threads": 1,
    }
    ours = {
        "format": FORMAT,
        "config": config,
        "identity": "0" * 64,
        "kind": kind,
        "encoder": encoder.state(),
        "class_names": class_names,
        **more,
    }
    weights = {f"net.{name}": value for name, value in made.state_dict().items()}
    (path / "checkpoints").mkdir(parents=True)
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    torch.save({"state_dict": weights, "epoch": 0, "global_step": 0, KEY: ours}, path / "checkpoints" / "best.ckpt")
    return path
