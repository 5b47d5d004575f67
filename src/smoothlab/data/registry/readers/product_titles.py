"""PriceRunner: titles of products as shops write them, in a tree of categories."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from smoothlab.data.table.reading import read_table

# The file has ten categories and no level above them; these groups are ours.
GROUPS = {
    "Fridges": "Kitchen > Cooling",
    "Freezers": "Kitchen > Cooling",
    "Fridge Freezers": "Kitchen > Cooling",
    "Dishwashers": "Kitchen > Washing",
    "Washing Machines": "Kitchen > Washing",
    "Microwaves": "Kitchen > Cooking",
    "TVs": "Electronics > Screens",
    "Mobile Phones": "Electronics > Screens",
    "Digital Cameras": "Electronics > Imaging",
    "CPUs": "Electronics > Computing",
}


def product_titles(paths: Mapping[str, Path]) -> pd.DataFrame:
    """Columns ``title``, ``category``, ``path`` (groups above the category), ``product`` (the cluster) and ``vendor``.

    Titles of one product are alike, and 4318 are equal: a split has to keep a ``product`` together.
    """
    (path,) = paths.values()
    raw = read_table(path)
    category = raw["category_label"].str.strip()
    return pd.DataFrame(
        {
            "title": raw["product_title"].astype(str),
            "category": category,
            "path": category.map(GROUPS) + " > " + category,
            "product": raw["cluster_id"].astype("int64"),
            "vendor": raw["vendor_id"].astype("int64"),
        }
    )
