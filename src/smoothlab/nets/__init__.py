"""Small reference nets; anything else comes in by its `_target_`."""

from smoothlab.nets.mlp import MLP

__all__ = ["MLP"]
