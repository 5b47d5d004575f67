"""Kinds of task by name: what logits mean, and so how they are scored, calibrated, stored and read again."""

from smoothlab.kinds.classification import Classification
from smoothlab.kinds.kind import Kind
from smoothlab.kinds.multilabel import Multilabel
from smoothlab.kinds.ordinal import Ordinal, Thresholds
from smoothlab.kinds.translation import Translation

KINDS: dict[str, Kind] = {kind.name: kind for kind in (Classification(), Multilabel(), Translation(), Ordinal())}

__all__ = ["KINDS", "Classification", "Kind", "Multilabel", "Ordinal", "Thresholds", "Translation"]
