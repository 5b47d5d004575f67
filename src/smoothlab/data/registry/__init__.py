"""Public data sets: one index of addresses, checksums and licences; files are fetched on demand and checked."""

from smoothlab.data.registry.fetching import fetch
from smoothlab.data.registry.index import PublicFile, PublicSet, find_set, public_sets
from smoothlab.data.registry.reading import public_set

__all__ = ["PublicFile", "PublicSet", "fetch", "find_set", "public_set", "public_sets"]
