"""Tables for tests: the options of conf/data/table.yaml, and files made of text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smoothlab.config.compose import compose_config, plain
from smoothlab.data import TableData


def options(**changes: Any) -> dict[str, Any]:
    """The arguments of a table as its config gives them."""
    config = plain(compose_config("train", ["data=table", "data.target=null"]))["data"]
    return {**config, **changes, "_target_": None}


@pytest.fixture
def table() -> Callable[..., TableData]:
    """A table that is set up, of a DataFrame or of a file."""

    def make(source: Any = None, **changes: Any) -> TableData:
        arguments = options(**changes)
        del arguments["_target_"]
        if isinstance(source, str | Path):
            arguments["path"] = str(source)
        elif source is not None:
            arguments["source"] = lambda: source
        data = TableData(**arguments)
        data.setup()
        return data

    return make
