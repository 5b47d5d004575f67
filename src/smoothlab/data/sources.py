"""Tables that come with the packages we build on: no network needed."""

from __future__ import annotations

import pandas as pd


def breast_cancer() -> pd.DataFrame:
    """Breast cancer Wisconsin (diagnostic): 569 rows, 30 numeric columns, target ``diagnosis``.

    212 malignant and 357 benign tumours, measured on digitised images of cell nuclei (Street, Wolberg and
    Mangasarian, 1993; UCI, CC BY 4.0; the copy of scikit-learn, which codes malignant as 0).
    """
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer(as_frame=True)
    frame = bunch.data.copy()
    frame["diagnosis"] = bunch.target.map(dict(enumerate(bunch.target_names)))
    return frame
