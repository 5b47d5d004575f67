"""What makes tables of the files of public sets; the index names one for each set."""

from collections.abc import Callable
from typing import Any

from smoothlab.data import sources
from smoothlab.data.registry.readers.market_months import market_months
from smoothlab.data.registry.readers.phrasebank import phrasebank
from smoothlab.data.registry.readers.product_tags import product_tags
from smoothlab.data.registry.readers.product_titles import product_titles
from smoothlab.data.registry.readers.sentence_pairs import sentence_pairs
from smoothlab.data.registry.readers.tables import table, train_and_test

READERS: dict[str, Callable[..., Any]] = {
    reader.__name__: reader
    for reader in (
        market_months,
        phrasebank,
        product_tags,
        product_titles,
        sentence_pairs,
        table,
        train_and_test,
    )
}
# Sets that come with scikit-learn have no files.
READERS |= {"breast_cancer": lambda _: sources.breast_cancer(), "wine_cultivars": lambda _: sources.wine_cultivars()}

__all__ = ["READERS"]
