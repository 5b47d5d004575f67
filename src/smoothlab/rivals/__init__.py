"""Models that the owner of a table would use in place of a net: fitted at once, kept as tensors like a net."""

from smoothlab.rivals.boosting import Boosting
from smoothlab.rivals.logistic_regression import LogisticRegression
from smoothlab.rivals.one_against_rest import OneAgainstRest
from smoothlab.rivals.other_boosting import CatBoost, LightGBM, OtherBoosting, XGBoost
from smoothlab.rivals.rival import Rival
from smoothlab.rivals.rows import Rows

__all__ = [
    "Boosting",
    "CatBoost",
    "LightGBM",
    "LogisticRegression",
    "OneAgainstRest",
    "OtherBoosting",
    "Rival",
    "Rows",
    "XGBoost",
]
