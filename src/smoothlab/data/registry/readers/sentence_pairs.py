"""Multi30k: sentences in two languages, a line a sentence."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

LANGUAGES = ("en", "de")
SPLITS = {"train": "train", "val": "val", "test": "test_2016_flickr"}


def sentence_pairs(paths: Mapping[str, Path]) -> dict[str, pd.DataFrame]:
    """Tables ``train``, ``val`` and ``test`` with the columns ``en`` and ``de``."""
    return {
        split: pd.DataFrame({language: _lines(paths[f"{stem}.{language}.gz"]) for language in LANGUAGES})
        for split, stem in SPLITS.items()
    }


def _lines(path: Path) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        return [line.strip() for line in file]
