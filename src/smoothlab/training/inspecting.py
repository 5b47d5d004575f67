"""Look at a strategy without training: that of a config, or the one that a run used and learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import EarlyStopping

from smoothlab.config.allowed import ALLOWED_FROM_RUN, TEACHER, add_code
from smoothlab.config.opening import open_data
from smoothlab.data import encoder_from_state
from smoothlab.data.module import DataModule
from smoothlab.errors import InvalidArgument, UserMistake
from smoothlab.inspection import Inspection, LabelInspection, Probe
from smoothlab.inspection.findings import Plan, RunHistory
from smoothlab.inspection.probe import samples_of
from smoothlab.inspection.soft_targets import SoftTargets
from smoothlab.models.checkpoint import KEY, load_weights, odd_content, read_checkpoint
from smoothlab.models.model import checkpoint_path
from smoothlab.rundir.directory import RunDirectory, existing_run
from smoothlab.rundir.reading import MissingFile, read_csv
from smoothlab.smoothing import MultilabelSmoother, Neighbours
from smoothlab.training.parts import Parts
from smoothlab.training.preparing import check_config, check_seed

MISFIT = "smoothing does not fit the data"


def inspect_config(config: dict[str, Any]) -> Inspection | LabelInspection:
    """What the strategy of a config of ``train`` would do to its data.

    Args:
        config: the resolved config.

    Raises:
        UserMistake: something in the config or the data is wrong, or the strategy does not fit the data.
    """
    check_seed(config.get("seed"))
    torch.manual_seed(config["seed"])  # a part may draw its start
    checked = check_config(config)
    data = open_data(config, checked.parts.allowed)
    checked.parts.tell_classes(data)
    return _looked_at(checked.parts, data, _plan(config, checked.callbacks))


def inspect_run(path: str | Path, *, checkpoint: str = "best", code: str | None = None) -> Inspection | LabelInspection:
    """What the strategy of a run did, and what it has learned.

    Args:
        path: a run directory.
        checkpoint: ``best``, ``last``, or the path of a checkpoint file.
        code: the Python file or folder that the run was trained with, if it was.

    Raises:
        UserMistake: the run or its checkpoint cannot be used, or its data changed their classes.
    """
    run = existing_run(path)
    file = checkpoint_path(path, checkpoint)
    content = read_checkpoint(file)
    ours = content[KEY]
    config, allowed = ours["config"], (*ALLOWED_FROM_RUN, TEACHER, *add_code(code))
    with odd_content():
        encoder = encoder_from_state(ours["encoder"])
    data = open_data(config, allowed, encoder=encoder)
    if data.class_names != ours["class_names"]:
        raise UserMistake(
            f"{path}: its data now has the classes {data.class_names}, the run knows {ours['class_names']}"
        )
    plan = _plan(config, [])
    torch.manual_seed(config["seed"])
    with odd_content():
        begun, parts = Parts.of(config, allowed), Parts.of(config, allowed)
        for each in (begun, parts):
            each.tell_classes(data)
        load_weights(parts.smoother, _below(content["state_dict"], "smoother."))
    inspection = _looked_at(parts, data, plan)
    if isinstance(inspection, LabelInspection):
        return replace(inspection, run=f"{path}, epoch {int(content.get('epoch', 0))}")
    start = SoftTargets.of(begun.smoother.eval(), inspection.probe, inspection.shown_at)
    history = RunHistory(str(path), str(file), int(content.get("epoch", 0)), start, _smoothing_columns(run))
    return replace(inspection, history=history)


def _looked_at(parts: Parts, data: DataModule, plan: Plan) -> Inspection | LabelInspection:
    """An inspection that has asked the strategy everything once, so that a misfit is found here."""
    mixing = parts.mixing(data)
    beside = parts.losses if mixing is None else parts.losses | {"mixing": mixing}
    known = (data.class_names, data.class_counts, plan, beside)
    inspection: Inspection | LabelInspection
    if isinstance(parts.smoother, MultilabelSmoother):
        inspection = LabelInspection.of(parts.smoother, samples_of(data), *known)
    else:
        options = {
            "mixed": mixing is not None,
            "whole_sequences": _looks_around(getattr(parts.smoother, "prior", None)),
        }
        probe = Probe.of(samples_of(data), len(data.class_names), **options)
        inspection = Inspection(parts.smoother, probe, *known)
    try:
        _ask(inspection)
    except InvalidArgument as error:
        raise UserMistake(f"{MISFIT}: {error}") from None
    return inspection


def _looks_around(prior: Any) -> bool:
    """Whether a token's target depends on the tokens around it."""
    return isinstance(prior, Neighbours) or any(map(_looks_around, getattr(prior, "priors", {}).values()))


def _ask(inspection: Inspection | LabelInspection) -> Any:
    if isinstance(inspection, LabelInspection):
        return inspection.over_training, inspection.flow
    return inspection.targets, inspection.moments, inspection.by_confidence


def _plan(config: Mapping[str, Any], callbacks: Sequence[Callback]) -> Plan:
    epochs = config["trainer"].get("max_epochs") or -1
    every = config["trainer"].get("check_val_every_n_epoch") or 1
    stops = [(callback.patience + 1) * every for callback in callbacks if isinstance(callback, EarlyStopping)]
    return Plan(epochs if epochs > 0 else None, min(stops, default=None))


def _below(state: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _smoothing_columns(run: RunDirectory) -> dict[str, list[float]]:
    """The columns of metrics.csv about smoothing; empty for a run without one."""
    try:
        table = read_csv(run.metrics)
    except MissingFile:
        return {}
    names = {name.removeprefix("smoothing/"): name for name in table.columns if name.startswith("smoothing/")}
    if "epoch" not in table or not names:
        return {}
    return {"epoch": table["epoch"].tolist()} | {short: table[name].tolist() for short, name in names.items()}
