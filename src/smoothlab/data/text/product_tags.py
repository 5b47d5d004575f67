"""PriceRunner's titles with several tags each: the category with its groups, and attributes by rules of ours."""

from __future__ import annotations

import pandas as pd

from smoothlab.data.registry import public_set

SEPARATOR = ";"
# Attributes by group: a product has one where one of its titles, in any shop, holds one of the words.
ATTRIBUTES = {
    "Colour": {
        "White": r"white",
        "Black": r"black",
        "Steel": r"silver|stainless|inox|steel",
        "Grey": r"gr[ea]y|graphite|anthracite",
        "Red": r"red",
        "Blue": r"blue",
        "Gold": r"gold",
    },
    "Build": {"Built in": r"integrated|built[- ]?in|built[- ]under", "Freestanding": r"freestanding"},
    "Feature": {
        "Frost free": r"frost[- ]free",
        "Ultra HD": r"4k|uhd|ultra hd",
        "Smart": r"smart",
        "Dual SIM": r"dual sim",
        "SIM free": r"sim[- ]free|unlocked",
    },
}


def product_tags() -> pd.DataFrame:
    """Columns ``title``, ``tags`` (names with ";" between them) and ``product``; every tag's groups are tags too.

    The tags are made by us: a category's come with the file, those of ``ATTRIBUTES`` from the titles that all shops
    give a product. Many a title lacks the word for what the product has, so that a tag is often likely and not certain.
    """
    frame = public_set("pricerunner")
    assert isinstance(frame, pd.DataFrame)
    tags = frame["path"].str.split(" > ")
    tags = [list(parts) for parts in tags]
    titles = frame["title"].str.lower()
    for group, attributes in ATTRIBUTES.items():
        for name, words in attributes.items():
            named = titles.str.contains(rf"\b(?:{words})\b", regex=True)
            for row in named.groupby(frame["product"]).transform("any").to_numpy().nonzero()[0]:
                tags[row] += [name] if group in tags[row] else [group, name]
    return pd.DataFrame(
        {"title": frame["title"], "tags": [SEPARATOR.join(parts) for parts in tags], "product": frame["product"]}
    )
