"""Financial PhraseBank: sentences, their sentiment, and how many annotators agreed on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

# From the loosest file to the strictest, with the share of annotators that the file's sentences have at least.
FILES = {
    "Sentences_50Agree.txt": 0.5,
    "Sentences_66Agree.txt": 0.66,
    "Sentences_75Agree.txt": 0.75,
    "Sentences_AllAgree.txt": 1.0,
}


def phrasebank(paths: Mapping[str, Path]) -> pd.DataFrame:
    """Columns ``sentence``, ``sentiment`` and ``agreement``, a row a line of the loosest file.

    The files are nested: a line's agreement is that of the strictest file that has it; a line that is there twice is
    met once by each line of a stricter file. A line that is no ``sentence@sentiment`` (one of AllAgree was overwritten
    by a number) is left out.
    """
    (loosest, least), *stricter = FILES.items()
    rows = _lines(paths[loosest])
    agreement = [least] * len(rows)
    for name, share in stricter:
        left = Counter(_lines(paths[name]))
        for place, row in enumerate(rows):
            if left[row]:
                left[row] -= 1
                agreement[place] = share
    frame = pd.DataFrame(rows, columns=["sentence", "sentiment"])
    frame["agreement"] = agreement
    return frame


def _lines(path: Path) -> list[tuple[str, str]]:
    """Pairs of sentence and sentiment; the last @ separates them, and the text is Latin-1."""
    pairs = []
    for line in path.read_text(encoding="latin-1").splitlines():
        sentence, separator, sentiment = line.rpartition("@")
        if separator:
            pairs.append((sentence.strip(), sentiment.strip()))
    return pairs
