"""How columns become features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from smoothlab.data.parts.keys import check_choice, check_least
from smoothlab.data.table.scaling import Scaling
from smoothlab.data.table.texts import TextEncoding

Categories = Literal["one_hot", "codes"]


@dataclass(frozen=True)
class Encoding:
    """What becomes of numbers, categories, empty cells and texts; see ``conf/data/part/encoding.yaml``."""

    scaling: Scaling = "standard"
    categories: Categories = "one_hot"
    rare: int = 5
    missing: bool = True
    text_encoding: TextEncoding = "tfidf"
    text_features: int = 256

    def __post_init__(self) -> None:
        check_choice("scaling", self.scaling, Scaling)
        check_choice("categories", self.categories, Categories)
        check_choice("text_encoding", self.text_encoding, TextEncoding)
        check_least("rare", self.rare, 1)
        check_least("text_features", self.text_features, 1)
