"""Files that others hand over as an installed package, such as weights; none of the package's code runs."""

from __future__ import annotations

import importlib.util
from pathlib import Path

WEIGHTS = (".safetensors", ".pth", ".pt", ".bin")


def files_of_package(name: str) -> list[Path] | None:
    """The files of an installed package in the order of their names; None where no package of that name is there.

    Args:
        name: under which the package is imported, without a dot.
    """
    try:
        spec = importlib.util.find_spec(name) if name.isidentifier() else None
    except ValueError:  # a module without a place, such as __main__
        spec = None
    places = list(spec.submodule_search_locations or ()) if spec else []
    if not places:
        return None
    return [file for place in places for file in sorted(Path(place).rglob("*")) if file.is_file()]


def weights_of_package(name: str) -> list[Path]:
    """Those of its files that hold weights, by their endings."""
    return [file for file in files_of_package(name) or () if file.suffix in WEIGHTS]
