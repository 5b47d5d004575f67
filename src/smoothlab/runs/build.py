"""From a plain config to the objects that train: checked first, then made."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from smoothlab.errors import InvalidArgument, UserMistake
from smoothlab.runs.targets import ALLOWED, check_targets, resolve_target


def build(node: Any, key: str, *, allowed: tuple[str, ...] = ALLOWED, **extra: Any) -> Any:
    """Make the object that a config node describes, its children first.

    ``hydra.utils.instantiate`` is not used: it calls whatever the text of a target leads to, and wraps an error of the
    called class in three lines that do not name the key.

    Args:
        node: plain values; a mapping with ``_target_`` becomes a call, with ``_partial_: true`` a partial call; a
            mapping that is empty or has no target becomes what its values become.
        key: where the node stands, for errors.
        allowed: prefixes that targets may begin with.
        extra: further arguments, objects that YAML cannot hold; those that the target does not take are left out.

    Raises:
        UserMistake: a target is refused, or an argument has a wrong value.
    """
    check_targets(node, allowed, at=key)
    return _make(node, key, allowed, extra)


def _make(node: Any, key: str, allowed: tuple[str, ...], extra: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_make(item, f"{key}[{index}]", allowed, {}) for index, item in enumerate(node)]
    if not isinstance(node, Mapping):
        return node
    arguments = {
        str(name): _make(value, f"{key}.{name}", allowed, {})
        for name, value in node.items()
        if name not in ("_target_", "_partial_")
    }
    if node.get("_target_") is None:
        return arguments
    function = resolve_target(node["_target_"], allowed, key=f"{key}._target_")
    parameters = inspect.signature(function).parameters
    arguments |= {name: value for name, value in extra.items() if name in parameters}
    if node.get("_partial_"):
        return partial(call, function, key, **arguments)
    return call(function, key, **arguments)


def call(function: Callable[..., Any], at_key: str, /, *positional: Any, **arguments: Any) -> Any:
    """Call, and turn what the function says about its arguments into one line that names the key.

    Raises:
        UserMistake: the function refused an argument.
    """
    from pytorch_lightning.utilities.exceptions import MisconfigurationException

    try:
        return function(*positional, **arguments)
    except InvalidArgument as error:
        raise UserMistake(f"{at_key}.{error}") from None
    except (TypeError, ValueError, MisconfigurationException) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserMistake(f"{at_key}: {reason}") from error
