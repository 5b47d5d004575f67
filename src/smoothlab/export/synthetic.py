"""Synthetic domains: a table whose numbers are features as they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
from torch import Tensor

from smoothlab.data.synthetic.encoder import SyntheticEncoder
from smoothlab.data.table.numeric import NumericColumn
from smoothlab.export.inputs import Arrays, Inputs
from smoothlab.export.table import TableGraph


class SyntheticInputs(Inputs):
    """``numbers`` float64 and ``codes`` int64, the places of words."""

    def __init__(self, encoder: SyntheticEncoder) -> None:
        super().__init__(encoder)
        self.names = (*(["numbers"] if encoder.numeric else []), *(["codes"] if encoder.words else []))

    def read(self, frame: pd.DataFrame, *, where: str = "table") -> Arrays:
        """See :class:`Inputs`."""
        numbers, codes = self.encoder.cells(frame, where=where)
        arrays = {"numbers": numbers, "codes": codes}
        return {name: arrays[name] for name in self.names}

    def graph(self) -> TableGraph:
        """See :class:`Inputs`."""
        numbers = [NumericColumn(name, 0.0, 1.0) for name in self.encoder.numeric]
        lengths = [len(words) for words in self.encoder.words.values()]
        one_hot = [(place, code) for place, length in enumerate(lengths) for code in range(length)]
        return TableGraph(numbers, one_hot, [], 0, range(len(numbers) + len(one_hot)))

    def trial(self, rows: int, seed: int) -> tuple[Arrays, Tensor]:
        """See :class:`Inputs`."""
        generator = np.random.default_rng(seed)
        columns: dict[str, np.ndarray] = {name: 2 * generator.standard_normal(rows) for name in self.encoder.numeric}
        columns |= {name: generator.choice(words, rows) for name, words in self.encoder.words.items()}
        frame = pd.DataFrame(columns)
        return self.read(frame), self.encoder.encode(frame)
