"""Sets that come with scikit-learn: no file of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from smoothlab.data import sources


def breast_cancer(paths: Mapping[str, Path]) -> pd.DataFrame:
    """See :func:`smoothlab.data.breast_cancer`."""
    return sources.breast_cancer()


def wine_cultivars(paths: Mapping[str, Path]) -> pd.DataFrame:
    """See :func:`smoothlab.data.wine_cultivars`."""
    return sources.wine_cultivars()
