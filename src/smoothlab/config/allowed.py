"""Which `_target_` a config may name, judged by what the name resolves to."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Union

from smoothlab import own_code
from smoothlab.errors import UserMistake

OURS = tuple(
    f"smoothlab.{room}"
    for room in ("calibration", "data", "losses", "metrics", "nets", "rivals", "smoothing", "tasks", "tracking")
)
TEACHER = "smoothlab.models.teacher"  # reads a run's checkpoint, safely
# Of other packages, only these kinds of classes: their functions and their other classes can reach any module.
KINDS = {
    "torch.nn": ("torch.nn.Module",),
    "torch.optim": ("torch.optim.Optimizer", "torch.optim.lr_scheduler.LRScheduler"),
    "pytorch_lightning": (
        "pytorch_lightning.Callback",
        "pytorch_lightning.Trainer",
        "pytorch_lightning.loggers.Logger",
        "pytorch_lightning.profilers.Profiler",
        "pytorch_lightning.strategies.DDPStrategy",
        "pytorch_lightning.strategies.FSDPStrategy",
    ),
    "torchmetrics": ("torchmetrics.Metric",),
}
ALLOWED = (*OURS, TEACHER, *KINDS)
# What a run directory or a checkpoint, which may come from elsewhere, may name.
ALLOWED_FROM_RUN = (*(room for room in OURS if room != "smoothlab.tracking"), "torch.nn", "torch.optim")


EXPECTED = (
    f"a function or class of {', '.join(OURS)}, a torch.nn module, an optimizer, a scheduler, a metric or one of "
    "Lightning's classes (own code comes in with code=<file>)"
)


def resolve_target(
    target: str, allowed: tuple[str, ...], *, key: str = "_target_", expected: str = EXPECTED
) -> Callable[..., Any]:
    """The class or function that ``target`` names.

    A prefix test on the text alone can be walked around (``torch.nn.functional.torch.load`` begins with ``torch.nn``),
    so the object's own ``__module__`` and ``__qualname__`` must begin with an allowed prefix too. That is not enough
    for packages that are not ours, which have functions that call whatever they are given: from those, only classes
    of the kinds that a config needs (``KINDS``) are taken.

    Args:
        target: dotted path.
        allowed: prefixes, whole components.
        key: the config key, for the error.
        expected: what may stand there, for the error.

    Raises:
        UserMistake: the target is not found or not allowed.
    """
    refusal = UserMistake(f"{key} = {target!r}: not allowed; a target is {expected}")
    if not _begins(target, allowed) or any(part.startswith("_") for part in target.split(".")):
        raise refusal
    function: Callable[..., Any] = _locate(target, key)
    if not (inspect.isclass(function) or (inspect.isfunction(function) and "." not in function.__qualname__)):
        raise refusal
    if not _begins(f"{function.__module__}.{function.__qualname__}", allowed):
        raise refusal
    package = next((package for package in KINDS if _begins(function.__module__ + ".", (package,))), None)
    if package is not None:
        kinds = tuple(_locate(kind, key) for kind in KINDS[package])
        if not (inspect.isclass(function) and issubclass(function, kinds)):
            raise refusal
    return function


def _begins(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name.startswith(prefix + ".") for prefix in prefixes)


def _locate(target: str, key: str) -> Any:
    parts = target.split(".")
    if not all(part.isidentifier() for part in parts):
        raise UserMistake(f"{key} = {target!r}: expected a dotted name such as torch.optim.SGD")
    for length in range(len(parts) - 1, 0, -1):
        try:
            member: Any = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError as error:
            name = error.name or ""
            if ".".join(parts[:length]).startswith(name):
                continue  # the last parts may be a class and its member
            raise UserMistake(f"{key} = {target!r}: needs the package {name!r}, which is not installed") from None
        except Exception as error:  # own code can raise anything, a SyntaxError to begin with
            raise UserMistake(f"{key} = {target!r}: importing it failed ({type(error).__name__}: {error})") from error
        for position, part in enumerate(parts[length:], start=length):
            if not hasattr(member, part):
                near = difflib.get_close_matches(part, [name for name in dir(member) if name[0] != "_"], n=1)
                hint = f"; nearest: {'.'.join(parts[:position])}.{near[0]}" if near else ""
                raise UserMistake(f"{key} = {target!r}: {'.'.join(parts[:position])} has no {part!r}{hint}")
            member = getattr(member, part)
        return member
    raise UserMistake(f"{key} = {target!r}: no module {parts[0]!r}")


def add_code(code: str | None) -> tuple[str, ...]:
    """Make a user's file or folder importable; returns the prefixes that it adds to the allow-list.

    Raises:
        UserMistake: nothing there, or no Python code.
    """
    if code is None:
        return ()
    path = Path(code).resolve()
    if path.is_file() and path.suffix == ".py":
        folder = path.parent
        names: tuple[str, ...] = (path.stem,)
    elif path.is_dir():
        folder = path
        names = tuple(
            sorted(
                child.stem
                for child in path.iterdir()
                if (child.suffix == ".py" or (child / "__init__.py").is_file()) and child.stem.isidentifier()
            )
        )
    else:
        raise UserMistake(f"code = {code!r}: expected a Python file or a folder with some")
    if not names:
        raise UserMistake(f"code = {code!r}: the folder holds no Python module")
    for name in names:
        spec = None if name in sys.modules else importlib.util.find_spec(name)
        known = sys.modules.get(name)
        origin = getattr(known, "__file__", None) if known else (spec.origin if spec else None)
        ours = origin is None or Path(origin).resolve().is_relative_to(folder) or name in own_code.folders
        if name in sys.stdlib_module_names or not ours:
            raise UserMistake(f"code = {code!r}: the module name {name!r} is taken; rename the file")
    for name in [name for name in sys.modules if name.split(".")[0] in {*own_code.folders, *names}]:
        del sys.modules[name]  # an earlier file of this name, or an earlier state of this one
    for old in {*own_code.folders.values()} - {str(folder)}:
        while old in sys.path:
            sys.path.remove(old)
    own_code.folders.clear()
    own_code.folders.update(dict.fromkeys(names, str(folder)))
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
        own_code.added.add(str(folder))
    importlib.invalidate_caches()
    return names


def code_fingerprint(code: str | None) -> str:
    """A hash of the Python files that ``code`` names; empty without any. It is part of a run's identity."""
    if code is None:
        return ""
    path = Path(code)
    files = [path] if path.is_file() else sorted(path.rglob("*.py"))
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def check_targets(config: Any, allowed: tuple[str, ...], *, at: str = "") -> None:
    """Check every ``_target_`` below ``config`` and the arguments beside it, without calling anything.

    Args:
        config: plain values.
        allowed: prefixes that targets may begin with.
        at: key of ``config`` itself.

    Raises:
        UserMistake: a target is refused, has no such argument, or gets a value of a wrong type.
    """
    for key, node in nodes_of(config, at):
        target = node.get("_target_")
        if target is None:
            continue
        function = resolve_target(str(target), allowed, key=f"{key}._target_")
        _check_arguments(function, node, key)


def nodes_of(config: Any, at: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every mapping of a config with its dotted key, outer ones first."""
    if isinstance(config, Mapping):
        yield at, config
        for name, value in config.items():
            yield from nodes_of(value, f"{at}.{name}" if at else str(name))
    elif isinstance(config, list):
        for index, value in enumerate(config):
            yield from nodes_of(value, f"{at}[{index}]")


def _check_arguments(function: Callable[..., Any], node: Mapping[str, Any], key: str) -> None:
    signature = inspect.signature(function)
    hints = hints_of(function)
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values())
    for name, value in node.items():
        if name in ("_target_", "_partial_"):
            continue
        if name not in signature.parameters and not open_ended:
            near = difflib.get_close_matches(str(name), signature.parameters, n=1)
            hint = f"; nearest: {near[0]}" if near else ""
            hint += f"; ~{key}.{name} leaves out one that a preset has"
            raise UserMistake(f"{key}.{name}: {node['_target_']} has no argument {name!r}{hint}")
        nested = isinstance(value, Mapping) and "_target_" in value
        if name in hints and not nested and not fits(value, hints[name]):
            raise UserMistake(f"{key}.{name} = {value!r}: expected {describe(hints[name])}")


@lru_cache(maxsize=1024)
def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The types of a target's arguments; none where they are names that only a type checker sees."""
    try:
        return typing.get_type_hints(function.__init__ if inspect.isclass(function) else function)
    except Exception:  # types are then left to the callee
        return {}


def fits(value: Any, hint: Any) -> bool:
    """Whether a plain config value can be an argument of this type; types that YAML cannot write are not judged."""
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        writable = [option for option in options if _is_writable(option)]
        others_count = not any(option is not type(None) for option in writable) or Any in options
        return any(fits(value, option) for option in (options if others_count else writable))
    if origin is Literal:
        return value in options
    if hint is type(None):
        return value is None
    if hint is bool:
        return isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is str:
        return isinstance(value, str)
    if _is_sequence(origin):
        items = [item for item in options if item is not Ellipsis]
        return isinstance(value, list) and (len(items) != 1 or all(fits(element, items[0]) for element in value))
    return (origin or hint) not in (dict, list, tuple) or isinstance(value, origin or hint)


def _is_writable(hint: Any) -> bool:
    origin = typing.get_origin(hint)
    written = (type(None), bool, int, float, str, dict, list, tuple)
    return (origin or hint) in written or origin is Literal or _is_sequence(origin)


def _is_sequence(origin: Any) -> bool:
    return inspect.isclass(origin) and issubclass(origin, Iterable) and not issubclass(origin, Mapping)


def describe(hint: Any) -> str:
    """A type in words that fit a config."""
    origin = typing.get_origin(hint)
    if origin in (Union, types.UnionType):
        options = [option for option in typing.get_args(hint) if _is_writable(option)] or typing.get_args(hint)
        return " or ".join(dict.fromkeys(describe(option) for option in options))
    if origin is Literal:
        return " or ".join(map(str, typing.get_args(hint)))
    names = {int: "an integer", float: "a number", bool: "true or false", str: "text", type(None): "null"}
    names |= {dict: "a mapping", Mapping: "a mapping", list: "a list"}
    if hint in names or origin in (dict, Mapping):
        return names[origin or hint]
    if origin is not None:
        return f"a list of {', '.join(_plural(item) for item in typing.get_args(hint) if item is not Ellipsis)}"
    return getattr(hint, "__name__", str(hint))


def _plural(hint: Any) -> str:
    return {int: "integers", float: "numbers", str: "texts", bool: "true or false"}.get(hint, describe(hint))
