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


def wine_cultivars() -> pd.DataFrame:
    """Wine: 178 wines of one region, 13 numeric columns of a chemical analysis, target ``cultivar``.

    59, 71 and 48 wines of three cultivars (Aeberhard, Coomans and de Vel, 1992; UCI, CC BY 4.0; the copy of
    scikit-learn, which calls the cultivars class_0, class_1 and class_2).
    """
    from sklearn.datasets import load_wine

    bunch = load_wine(as_frame=True)
    frame = bunch.data.copy()
    frame["cultivar"] = bunch.target.map(dict(enumerate(bunch.target_names)))
    return frame
