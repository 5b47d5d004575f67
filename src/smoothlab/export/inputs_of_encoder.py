"""The inputs of a graph that fit an encoder of raw rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from smoothlab.data import Encoder
from smoothlab.errors import UserMistake
from smoothlab.export.images import ImageInputs
from smoothlab.export.inputs import Inputs
from smoothlab.export.synthetic import SyntheticInputs
from smoothlab.export.table import TableInputs
from smoothlab.export.texts import PretrainedTextInputs, TextInputs

INPUTS: dict[str, Callable[[Any], Inputs]] = {
    "table": TableInputs,
    "arrays": TableInputs,
    "synthetic": SyntheticInputs,
    "text": TextInputs,
    "pretrained_text": PretrainedTextInputs,
    "image": ImageInputs,
}


def inputs_of(encoder: Encoder) -> Inputs:
    """The inputs that fit an encoder of raw rows.

    Raises:
        UserMistake: of a kind whose models are not exported.
    """
    if encoder.kind in INPUTS:
        return INPUTS[encoder.kind](encoder)
    raise UserMistake(
        f"run: its data are encoded by {type(encoder).__name__}; models of tables, images and texts are exported"
    )
