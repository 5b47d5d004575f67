"""Small synthetic worlds for tests, and their rows."""

from __future__ import annotations

from typing import Any

from smoothlab.data.synthetic import ClassConditional, Domain, Labelling, OrdinalThreshold, SyntheticRows

NEEDED: dict[str, Any] = {"features": 3, "categories": [3, 2], "imbalance": 3.0, "drift": 0.0, "seed": 5}


def conditional(**changes: Any) -> ClassConditional:
    """Four classes that overlap."""
    return ClassConditional(**(NEEDED | {"classes": 4, "separation": 1.2, "depth": 1} | changes))


def ordinal(**changes: Any) -> OrdinalThreshold:
    """Four grades."""
    return OrdinalThreshold(**(NEEDED | {"classes": 4, "separation": 2.0} | changes))


def rows_of(domain: Domain, rows: int = 2000, **changes: Any) -> SyntheticRows:
    """Rows of all splits; the labels are clean, or as ``changes`` say."""
    labels = {"noise": "none", "noise_rate": 0.2, "sources": 1, "readers": 1}
    given = {name: changes.pop(name, value) for name, value in labels.items()}
    options = {"label": "first", "noisy": ("train", "val"), "seed": 7} | changes
    counts = {"train": rows, "val": 100, "test": 200} | options.pop("counts", {})
    return SyntheticRows(domain, Labelling(domain.num_classes, **given), counts, **options)


WORLDS = {
    "class_conditional": conditional,
    "drifting": lambda: conditional(drift=2.0),
    "tree": lambda: conditional(classes=8, depth=3),
    "ordinal": ordinal,
    "drifting_ordinal": lambda: ordinal(drift=3.0),
    "numbers_only": lambda: conditional(categories=[]),
    "two_classes": lambda: conditional(classes=2),
    "two_grades": lambda: ordinal(classes=2),
}
