"""Fit a model that stands in a net's place, and leave what a training leaves: a checkpoint and rows of metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from smoothlab.config.build import call
from smoothlab.data.batch import joined
from smoothlab.data.module import DataModule
from smoothlab.models.checkpoint import FORMAT, KEY, AtomicCheckpointIO
from smoothlab.rivals import Rival, Rows
from smoothlab.rundir.directory import RunDirectory
from smoothlab.tasks.task import WEIGHT
from smoothlab.training.preparing import Prepared


def fit_rival(prepared: Prepared, run: RunDirectory, loggers: Sequence[Any]) -> int:
    """Fit the model of a run to its training rows, stopped or chosen by its validation rows.

    Args:
        prepared: whose task has a :class:`smoothlab.rivals.Rival` for a net.
        run: gets the checkpoint.
        loggers: get a row a round.

    Returns:
        The number of rounds.

    Raises:
        UserMistake: the rows cannot be fitted.
    """
    rival, seed = prepared.task.net, int(prepared.config["seed"])
    assert isinstance(rival, Rival)
    train = rows_of(prepared.data, "train", weighted=True)
    val = rows_of(prepared.data, "val")
    with threadpool_limits(torch.get_num_threads()):  # of OpenMP and BLAS: runs beside this one need theirs
        history = call(rival.fit, "model", train, val, seed=seed)
    for number, nll in enumerate(history):
        for logger in loggers:
            logger.log_metrics({"val/nll": nll, "epoch": number}, step=number + 1)
    content: dict[str, Any] = {
        "epoch": rival.best_round,
        "global_step": len(history),
        "state_dict": prepared.task.state_dict(),
        KEY: {"format": FORMAT, "config": prepared.config, "identity": prepared.identity},
    }
    prepared.task.on_save_checkpoint(content)
    AtomicCheckpointIO().save_checkpoint(content, run.best_checkpoint)
    return len(history)


def rows_of(data: DataModule, split: str, *, weighted: bool = False) -> Rows:
    """All samples of a split, with the weights that a training gives them where that is asked for."""
    batch = joined(list(data.loader(split)))
    weights = batch.metadata.get(WEIGHT) if weighted else None
    if data.label_kind == "multilabel":
        return Rows(batch.features, batch.labels.numpy(), None if weights is None else weights.double().numpy())
    return Rows.of(batch.features, batch.labels, weights)
