"""The model that a run left: raw rows in, probabilities out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from smoothlab.calibration.decision import Decision
from smoothlab.config.allowed import ALLOWED_FROM_RUN, add_code
from smoothlab.data import Encoder, encoder_from_state
from smoothlab.errors import UserMistake
from smoothlab.kinds import KINDS
from smoothlab.models.checkpoint import KEY, load_weights, odd_content, read_checkpoint
from smoothlab.models.making import make_net
from smoothlab.models.translator import Translator
from smoothlab.rundir.directory import existing_run
from smoothlab.scoring.calibrating import afterwards_of


class Model:
    """A trained net with the encoder of its raw columns.

    Args:
        net: maps encoded features to logits.
        encoder: maps raw rows to encoded features.
        class_names: names in the order of the logits.
        kind: of its task, one of :data:`smoothlab.kinds.KINDS`: what the logits mean.
        calibrator: maps logits to calibrated ones, or None.
        decision: chooses the predicted class, or None: the most probable one.
    """

    def __init__(
        self,
        net: nn.Module,
        encoder: Encoder,
        class_names: list[str],
        kind: str = "classification",
        calibrator: nn.Module | None = None,
        decision: Decision | None = None,
    ) -> None:
        self.net = net.eval()
        self.encoder = encoder
        self.class_names = class_names
        self.kind = kind
        self.calibrator = None if calibrator is None else calibrator.eval()
        self.decision = decision
        self.notes: list[str] = []  # of the last prediction

    def logits(self, frame: pd.DataFrame, *, batch_size: int = 4096, where: str = "table") -> Tensor:
        """Logits ``(rows, classes)`` on the CPU, calibrated where there is a calibrator.

        Raises:
            UserMistake: a column is missing or a cell is not a finite number.
        """
        return torch.cat([self.logits_of(part) for part in self.encoder.encode_parts(frame, batch_size, where=where)])

    def logits_of(self, features: Tensor) -> Tensor:
        """Logits ``(rows, classes)`` of encoded features, calibrated where there is a calibrator."""
        dtype = next((weight.dtype for weight in self.net.parameters()), torch.float32)
        with torch.inference_mode():
            logits: Tensor = self.net(_as(dtype, features))
            return logits if self.calibrator is None else self.calibrator(logits)

    def predict(self, frame: pd.DataFrame, *, batch_size: int = 4096, where: str = "table") -> pd.DataFrame:
        """What is predicted and the probability of each class, a row for each row of ``frame``, with its index.

        The columns are ``prediction`` and ``prob_<class>``; of several labels a sample, ``pred_<label>`` (0 or 1) and
        ``prob_<label>``.

        Args:
            frame: raw rows with the columns of training; the label is not needed, other columns are ignored.
            batch_size: rows that go through the net at once.
            where: what to call the table in an error.
        """
        logits = self.logits(frame, batch_size=batch_size, where=where)
        table = KINDS[self.kind].table(logits, self.class_names, self.decision)
        table.index = frame.index
        return table


def _as(dtype: torch.dtype, features: Tensor) -> Tensor:
    """Features of the net's kind of numbers; whole numbers, such as token ids, stay what they are."""
    return features.to(dtype) if features.is_floating_point() else features


def load_run(path: str | Path, *, checkpoint: str = "best", code: str | None = None) -> Model | Translator:
    """The model of a run directory; see :func:`smoothlab.models.loading.load`."""
    return model_from(run_checkpoint(path, checkpoint), add_code(code))


def checkpoint_path(path: str | Path, checkpoint: str) -> Path:
    """The checkpoint file of a run that ``best``, ``last`` or a path names."""
    run = existing_run(path)
    named = {"best": run.best_checkpoint, "last": run.last_checkpoint}
    chosen = named.get(checkpoint, Path(checkpoint))
    if not chosen.is_file():
        raise UserMistake(f"checkpoint = {checkpoint!r}: {chosen} does not exist; has the run finished an epoch?")
    return chosen


def run_checkpoint(path: str | Path, checkpoint: str) -> dict[str, Any]:
    """The content of a run's checkpoint; see ``read_checkpoint``.

    Args:
        path: the run directory.
        checkpoint: ``best``, ``last``, or the path of a checkpoint file, which may be another run's.

    Raises:
        UserMistake: it cannot be read, or in place of the run's own file another run's stands there.
    """
    file = checkpoint_path(path, checkpoint)
    content = read_checkpoint(file)
    made_by = content[KEY].get("identity")
    try:
        run = existing_run(path).read_status().get("identity")
    except UserMistake:  # damaged, and no matter of the checkpoint
        run = None
    if checkpoint in ("best", "last") and None not in (made_by, run) and made_by != run:
        raise UserMistake(
            f"{file}: a checkpoint of another run (identity {str(made_by)[:8]}; this run's is {str(run)[:8]}); "
            f"to use it, name it: checkpoint={file}"
        )
    return content


def model_from(content: dict[str, Any], code: tuple[str, ...] = ()) -> Model | Translator:
    """The model in a checkpoint's content."""
    with odd_content():
        return _model_from(content, code)


def _model_from(content: dict[str, Any], code: tuple[str, ...]) -> Model | Translator:
    ours = content[KEY]
    encoder = encoder_from_state(ours["encoder"])
    name = ours.get("kind", "classification")
    if name not in KINDS:
        raise UserMistake(f"the checkpoint's kind of task is {name!r}: expected one of {', '.join(KINDS)}")
    kind = KINDS[name]
    allowed = (*ALLOWED_FROM_RUN, *code)
    net = make_net(ours["config"], kind, len(ours["class_names"]), encoder.net_arguments, allowed, restoring=True)
    weights = {
        name.removeprefix("net."): value for name, value in content["state_dict"].items() if name.startswith("net.")
    }
    load_weights(net, weights)
    if kind.decodes:
        settings = ours["config"]["task"]
        options = {name: settings[name] for name in ("beam_size", "length_penalty") if name in settings}
        return Translator(net, encoder, list(ours["class_names"]), **options)
    after = afterwards_of(ours)
    return Model(net, encoder, list(ours["class_names"]), name, after.calibrator, after.decision)
