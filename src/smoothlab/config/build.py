"""From a plain config to the objects that train: checked first, then made."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from smoothlab.config.allowed import ALLOWED, check_targets, hints_of, resolve_target
from smoothlab.errors import InvalidArgument, UserMistake, reason_of


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


def _make(node: Any, key: str, allowed: tuple[str, ...], extra: Mapping[str, Any], text_keys: bool = True) -> Any:
    if isinstance(node, list):
        return [_make(item, f"{key}[{index}]", allowed, {}, text_keys) for index, item in enumerate(node)]
    if not isinstance(node, Mapping):
        return node
    if node.get("_target_") is None:
        return {
            str(name) if text_keys else name: _make(value, f"{key}.{name}", allowed, {}, text_keys)
            for name, value in node.items()
            if name not in ("_target_", "_partial_")
        }
    function = resolve_target(node["_target_"], allowed, key=f"{key}._target_")
    hints = hints_of(function)
    arguments = {
        str(name): _make(value, f"{key}.{name}", allowed, {}, not keeps_numbers(function, hints.get(str(name))))
        for name, value in node.items()
        if name not in ("_target_", "_partial_")
    }
    parameters = inspect.signature(function).parameters
    arguments |= {name: value for name, value in extra.items() if name in parameters}
    if node.get("_partial_"):
        return partial(call, function, key, **arguments)
    return call(function, key, **arguments)


def keeps_numbers(function: Callable[..., Any], hint: Any) -> bool:
    """Whether whole numbers stay whole numbers as keys of an argument's mappings.

    In YAML the key of ``{0: 2}`` is a number. It is one for what says that it takes numbers (``dict[int, int]``), and
    for other people's code that does not say. Keys of ours are names, of classes above all, and those are text.

    Args:
        function: what takes the argument.
        hint: the argument's type; None where it says none.
    """
    if _keys_are(hint, int):
        return True
    taker = function.__init__ if inspect.isclass(function) else function
    return not _keys_are(hint, str) and not f"{taker.__module__}.".startswith("smoothlab.")


def _keys_are(hint: Any, kind: type) -> bool:
    """Whether a type is, or has inside, a mapping whose keys are of this kind."""
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if inspect.isclass(origin) and issubclass(origin, Mapping) and options:
        keys = typing.get_args(options[0]) or options[:1]
        if kind in keys:
            return True
    return any(_keys_are(option, kind) for option in options)


def call(function: Callable[..., Any], at_key: str, /, *positional: Any, **arguments: Any) -> Any:
    """Call, and turn what the function says about its arguments into one line that names the key.

    Raises:
        UserMistake: the function refused an argument, or needs a package that is not installed.
    """
    from pytorch_lightning.utilities.exceptions import MisconfigurationException

    try:
        return function(*positional, **arguments)
    except InvalidArgument as error:
        raise UserMistake(f"{at_key}.{error}") from None
    except ImportError as error:
        reason = reason_of(error).split(" HINT")[0]
        raise UserMistake(f"{at_key}: needs a package that is not installed ({reason})") from error
    except (TypeError, ValueError, MisconfigurationException) as error:
        reason = reason_of(error)
        raise UserMistake(f"{at_key}: {reason}") from error
