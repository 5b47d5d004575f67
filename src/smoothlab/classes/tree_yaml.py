"""Class trees in YAML."""

from __future__ import annotations

from typing import Any

import yaml

from smoothlab.classes.unique_pairs import unique_pairs
from smoothlab.yaml_limits import load_yaml


def load_tree(text: str) -> Any:
    """Nested names.

    Raises:
        ValueError, TypeError, RecursionError: it is no such YAML.
        InvalidArgument: a name stands twice below one parent.
    """
    try:
        return load_yaml(text, _UniqueKeys)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


class _UniqueKeys(yaml.SafeLoader):
    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Mappings as they are read."""
        return unique_pairs(
            [(self.construct_object(key, True), self.construct_object(value, True)) for key, value in node.value]
        )
