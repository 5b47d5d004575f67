"""The inputs of a graph that fit an encoder of raw rows."""

from __future__ import annotations

from typing import Any

from smoothlab.data.synthetic.encoder import SyntheticEncoder
from smoothlab.data.table.encoder import TableEncoder
from smoothlab.data.text import TextEncoder
from smoothlab.errors import UserMistake
from smoothlab.export.images import ImageInputs
from smoothlab.export.inputs import Inputs
from smoothlab.export.synthetic import SyntheticInputs
from smoothlab.export.table import TableInputs
from smoothlab.export.texts import TextInputs


def inputs_of(encoder: Any) -> Inputs:
    """The inputs that fit an encoder of raw rows.

    Raises:
        UserMistake: of a kind whose models are not exported.
    """
    if isinstance(encoder, TableEncoder):
        return TableInputs(encoder)
    if isinstance(encoder, SyntheticEncoder):
        return SyntheticInputs(encoder)
    if isinstance(encoder, TextEncoder):
        return TextInputs(encoder)
    if hasattr(encoder, "pixels"):  # its module needs Pillow
        return ImageInputs(encoder)
    raise UserMistake(
        f"run: its data are encoded by {type(encoder).__name__}; models of tables, images and texts are exported"
    )
