"""Encoders of raw data, made again from what a checkpoint holds."""

from __future__ import annotations

import importlib
from typing import Any

from smoothlab.errors import UserMistake

# By the kind that a state names: module and class, imported when they are asked for.
ENCODERS = {
    "synthetic": ("smoothlab.data.synthetic.encoder", "SyntheticEncoder"),
    "image": ("smoothlab.data.images.encoder", "ImageEncoder"),
    "table": ("smoothlab.data.table.encoder", "TableEncoder"),
    "text": ("smoothlab.data.text.encoder", "TextEncoder"),
    "translation": ("smoothlab.data.parallel.encoder", "ParallelEncoder"),
}


def encoder_from_state(state: dict[str, Any]) -> Any:
    """The encoder that a checkpoint describes.

    Raises:
        UserMistake: of a kind that this version does not know.
    """
    if state.get("kind") not in ENCODERS:
        raise UserMistake(
            f"the checkpoint's encoder is of the kind {state.get('kind')!r}; known: {', '.join(ENCODERS)}"
        )
    module, name = ENCODERS[state["kind"]]
    return getattr(importlib.import_module(module), name).from_state(state)
