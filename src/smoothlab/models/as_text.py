"""Plain values of a checkpoint as text, which JSON makes faster than torch's pickler: that asks Python about each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

NAMES = ("encoder", "config")  # thousands of numbers and names, in each checkpoint of a run the same


def with_texts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of which the large plain ones are texts, where these say the same: JSON has no tuples and no tensors."""
    return {name: _text(value) if name in NAMES else value for name, value in values.items()}


def without_texts(values: Mapping[str, Any]) -> dict[str, Any]:
    """What ``with_texts`` was given.

    Raises:
        ValueError: a text is damaged.
    """
    return {
        name: json.loads(value) if name in NAMES and isinstance(value, str) else value for name, value in values.items()
    }


def _text(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        return value
    return text if json.loads(text) == value else value
