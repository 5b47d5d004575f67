"""PriceRunner once more: several tags a product, in a tree of departments and brands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from smoothlab.data.registry.readers.product_titles import product_titles
from smoothlab.data.table.reading import read_table

FREQUENT = 300  # titles that a brand must have to be a tag
SEPARATOR = ";"


def product_tags(paths: Mapping[str, Path]) -> pd.DataFrame:
    """Columns ``title``, ``tags`` (separated by ``;``) and ``product``.

    The tags of a product are its category, every group above it, and its brand, the first word of the product's name,
    where the brand is frequent: ``Kitchen;Kitchen/Cooling;Kitchen/Cooling/Fridges;Brand;Brand/bosch``. The groups and
    the use of the brand are ours; ``frame.attrs["hierarchy"]`` has the nodes of the tree.
    """
    (path,) = paths.values()
    titles = product_titles(paths)
    brand = read_table(path)["cluster_label"].astype(str).str.split().str[0].str.lower()
    counts = brand.value_counts()
    frequent = set(counts.index[counts >= FREQUENT])
    tags = []
    for way, name in zip(titles["path"].str.split(" > "), brand, strict=True):
        nodes = ["/".join(way[: length + 1]) for length in range(len(way))]
        tags.append(SEPARATOR.join([*nodes, *(["Brand", f"Brand/{name}"] if name in frequent else [])]))
    frame = titles[["title", "product"]].copy()
    frame["tags"] = tags
    frame.attrs["hierarchy"] = {"tags": sorted({node for word in tags for node in word.split(SEPARATOR)})}
    return frame
