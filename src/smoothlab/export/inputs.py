"""What goes into an exported graph: numbers and codes, made of raw rows outside it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor, nn

Arrays = dict[str, np.ndarray]


class Inputs(ABC):
    """The border between what a graph holds and what stands beside it.

    A graph takes tensors of numbers only (torch.export has no text), so that words become codes, and texts tokens,
    before it; missing values, scaling, one-hot features and embeddings are inside.

    Args:
        encoder: of the run.

    Attributes:
        names: of the graph's inputs, in their order.
    """

    names: tuple[str, ...]

    def __init__(self, encoder: Any) -> None:
        self.encoder = encoder

    @abstractmethod
    def read(self, frame: pd.DataFrame, *, where: str = "table") -> Arrays:
        """The graph's inputs for raw rows, by name.

        Raises:
            UserMistake: a column is missing, or a cell is one that its column cannot hold.
        """

    @abstractmethod
    def graph(self) -> nn.Module:
        """From the inputs, in the order of ``names``, to the features of the net."""

    @abstractmethod
    def trial(self, rows: int, seed: int) -> tuple[Arrays, Tensor]:
        """Some made-up rows as the graph's inputs, and the features that the run's own encoder makes of them."""

    def dynamic(self) -> dict[str, tuple[int, ...]]:
        """Which dimensions of each input may have any size: the first, unless a subclass says more."""
        return dict.fromkeys(self.names, (0,))


def signature(arrays: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Name, type and shape of some inputs, for the metadata; what may have any size is None."""
    return [
        {"name": name, "dtype": str(array.dtype), "shape": [None, *array.shape[1:]]} for name, array in arrays.items()
    ]
