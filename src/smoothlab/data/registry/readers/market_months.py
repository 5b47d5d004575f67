"""S&P 500 by month: will the index rise, from what was known before?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from smoothlab.data.table.reading import read_table

ZERO_IS_MISSING = ["Dividend", "Earnings", "Consumer Price Index", "Long Interest Rate", "PE10"]
REPORTED = 6  # months until dividends and earnings, which the file interpolates between quarters, are surely known
PUBLISHED = 2  # months until a consumer price index is published
# The label is the change over the month after the next one. The file's older prices are averages of a month, so that
# the change from this month to the next is partly known from this month alone (Working, Econometrica 1960).
SKIPPED = 1


def market_months(paths: Mapping[str, Path]) -> pd.DataFrame:
    """A row a month: ``month``, features that are known at its end, and ``direction``, up or down.

    ``direction`` is that of the price between one and two months later. Every feature of a row is made from the months
    up to it, with the delay of its publication; the first year and the last two months have no row.
    """
    path = next(path for name, path in paths.items() if name.endswith(".csv"))
    raw = read_table(path).sort_values("Date", ignore_index=True)
    raw[ZERO_IS_MISSING] = raw[ZERO_IS_MISSING].mask(raw[ZERO_IS_MISSING] == 0)
    price, index, rate = raw["SP500"], raw["Consumer Price Index"], raw["Long Interest Rate"]
    change = np.log(price).diff()
    frame = pd.DataFrame({"month": raw["Date"]})
    for months in (1, 3, 6, 12):
        frame[f"return_{months}"] = np.log(price).diff(months)
    frame["volatility"] = change.rolling(12).std()
    frame["below_high"] = np.log(price / price.rolling(12).max())
    frame["dividend_yield"] = raw["Dividend"].shift(REPORTED) / price
    frame["earnings_yield"] = raw["Earnings"].shift(REPORTED) / price
    frame["pe10"] = raw["PE10"].shift(REPORTED)
    frame["inflation"] = np.log(index).diff(12).shift(PUBLISHED)
    frame["interest"] = rate
    frame["interest_change"] = rate.diff(12)
    later = price.shift(-SKIPPED - 1) - price.shift(-SKIPPED)
    frame["direction"] = np.where(later > 0, "up", "down")
    return frame[later.notna() & frame["volatility"].notna()].reset_index(drop=True)
