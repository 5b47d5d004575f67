"""Compose a command's config; a mistake in the overrides becomes one line."""

from __future__ import annotations

import difflib
import inspect
import itertools
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

from hydra import compose, initialize_config_module
from hydra.conf import HydraConf
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from smoothlab.config.allowed import ALLOWED, resolve_target
from smoothlab.config.contradictions import refuse_contradictions
from smoothlab.config.foreign_files import GuardedLoader
from smoothlab.config.loader import parse_override
from smoothlab.config.places import check_below, check_name, checked_values, path_as_typed
from smoothlab.errors import UserMistake

CONFIG_MODULE = "smoothlab.conf"
# class by module of hydra_plugins.smoothlab_plugins
PLUGINS = {"launcher": "SmoothlabLauncher", "sweeper": "SmoothlabSweeper"}
PRESETS = "experiment"  # the group whose folders are a part of its options' names
OF_MEMBERS = {"callbacks", "logger", "penalty"}  # groups whose members are objects by name; null leaves one out


@contextmanager
def _hydra(name: str) -> Iterator[None]:
    outer = GlobalHydra.instance().hydra  # a notebook may have initialised Hydra for itself
    GlobalHydra.instance().clear()
    try:
        with initialize_config_module(CONFIG_MODULE, job_name=name, version_base="1.3"):
            hydra = GlobalHydra.instance().hydra
            assert hydra is not None
            hydra.config_loader = GuardedLoader(hydra.config_loader.get_search_path())
            yield
    finally:
        GlobalHydra.instance().hydra = outer


def compose_config(name: str, overrides: Sequence[str]) -> DictConfig:
    """The config of command ``name`` with Hydra's own node, interpolations not yet resolved.

    Args:
        name: ``train``, ``evaluate`` or ``predict``.
        overrides: as on the command line, ``key=value`` or ``group=option``.

    Raises:
        UserMistake: unknown key, unknown option, wrong grammar, or a mandatory key that is missing.
    """
    with _hydra(name):
        parsed = parse_overrides(overrides)
        config = _composed(name, overrides, parsed)
        _refuse_new_top_level_keys(name, parsed)
    late = "code" in config and OmegaConf.is_interpolation(config, "code")
    with _resolvable(config) if late else nullcontext():
        code = OmegaConf.select(config, "code")
    if not isinstance(code, str | None):
        raise UserMistake(f"code = {code!r}: expected a Python file or a folder with some")
    return config


def _composed(name: str, overrides: Sequence[str], parsed: list[Override]) -> DictConfig:
    """What Hydra composes. All that it raises, TypeError and KeyError too, comes from what the user wrote."""
    try:
        return compose(name, overrides=list(overrides), return_hydra_config=True)
    except UserMistake:
        raise
    except Exception as error:
        raise _explain(name, parsed, error) from None


def check_overrides(name: str, overrides: Sequence[str]) -> None:
    """Refuse wrong overrides where the config itself is not needed; a mandatory key may be missing."""
    for job in expand_sweep(overrides):
        compose_config(name, job)


def all_groups(path: Sequence[str] = ()) -> dict[str, list[str]]:
    """Every config group of ours with its options; ``path`` sets hydra.searchpath."""
    with _hydra("train"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        return groups(hydra.config_loader, path=path)


def split_options(words: Sequence[str]) -> tuple[list[str], bool]:
    """Overrides, and whether ``-m`` asks for a sweep.

    Raises:
        UserMistake: an option that is not known, or one without its value.
    """
    overrides, many = [], False
    for word in translate_config_dir(words):
        if word in ("-m", "--multirun"):
            many = True
        elif re.match(r"--[+~]*[A-Za-z_][\w/.@:]*=", word):  # as agents of sweeps write an override
            overrides.append(word[2:])
        elif word.startswith("-"):
            key = f"; a key and its value are one word, {word}=..." if re.fullmatch(r"--[A-Za-z_][\w.]*", word) else ""
            raise UserMistake(f"{word}: no such option; options: -m, --config-dir, --cfg, --help, --hydra-help{key}")
        else:
            overrides.append(word)
    return overrides, many


def translate_config_dir(words: Sequence[str]) -> list[str]:
    """``--config-dir <folder>`` as the override that the compose API knows; everything else as it is.

    Raises:
        UserMistake: no such folder.
    """
    translated, rest = [], list(words)
    while rest:
        word = rest.pop(0)
        if word.split("=")[0] in ("-cd", "--config-dir"):
            folder = word.split("=", 1)[1] if "=" in word else (rest.pop(0) if rest else "")
            if not folder or not Path(folder).is_dir():
                raise UserMistake(f"--config-dir {folder!r}: no such folder")
            translated.append(f"hydra.searchpath=[{quoted(f'file://{Path(folder).resolve()}')}]")
        else:
            translated.append(word)
    return translated


def quoted(text: str | Path) -> str:
    """A text as Hydra's grammar takes it, whatever it holds."""
    return "'" + str(text).replace("\\", "\\\\").replace("'", "\\'") + "'"


def no_sweep(name: str, words: Sequence[str]) -> list[str]:
    """Overrides of a command that runs once."""
    overrides, many = split_options(words)
    if many:
        raise UserMistake(f"-m: smoothlab {name} runs once; sweeps are for train")
    return overrides


def run_job(config: DictConfig, task: Callable[[DictConfig], Any]) -> Any:
    """Run ``task`` as Hydra runs an application: directory, ``.hydra/``, callbacks; errors come through.

    Args:
        config: composed, with Hydra's own node.
        task: gets the config without that node.
    """
    from hydra._internal.callbacks import Callbacks
    from hydra.core.utils import run_job as hydra_run_job
    from hydra.types import HydraContext

    caught: list[Exception] = []

    def keep_error(task_config: DictConfig) -> Any:
        try:
            return task(task_config)
        except Exception as error:  # raised again below: Hydra would print a line of its own
            caught.append(error)

    with _hydra("train"):
        context = HydraContext(config_loader=GlobalHydra.instance().config_loader(), callbacks=Callbacks(config))
        ending = hydra_run_job(
            task_function=keep_error,
            config=config,
            job_dir_key="hydra.run.dir",
            job_subdir_key=None,
            hydra_context=context,
            configure_logging=False,
        )
    if caught:
        raise caught[0]
    return ending.return_value


def multirun(name: str, overrides: Sequence[str], task: Callable[[DictConfig], Any]) -> Exception | None:
    """Let Hydra's sweeper and launcher run ``task`` for each job; returns the first job's error, if any."""
    register_plugins()
    with _hydra(name):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        try:
            hydra.multirun(
                config_name=name, task_function=task, overrides=list(overrides), with_log_configuration=False
            )
        except OmegaConfBaseException as error:  # such as of a variable that is not set
            return UserMistake(f"{error.full_key or 'hydra'}: {str(error).splitlines()[0]}")
        except Exception as error:  # the runs have reported their own
            return error
    return None


@contextmanager
def hydra_launcher(name: str, overrides: Sequence[str], task: Callable[[DictConfig], Any]) -> Iterator[Any]:
    """Hydra's launcher as the overrides choose it, ready to launch ``task`` for jobs of command ``name``."""
    from hydra._internal.callbacks import Callbacks
    from hydra.core.plugins import Plugins
    from hydra.types import HydraContext, RunMode

    register_plugins()
    with _hydra(name):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        config = hydra.compose_config(
            config_name=name, overrides=list(overrides), run_mode=RunMode.MULTIRUN, with_log_configuration=False
        )
        context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(config))
        yield Plugins.instance().instantiate_launcher(hydra_context=context, task_function=task, config=config)


def register_plugins() -> None:
    """Make Hydra know our plugins, which it does not find by itself in an editable install."""
    import importlib

    from hydra.core.plugins import Plugins

    for module, name in PLUGINS.items():
        Plugins.instance().register(getattr(importlib.import_module(f"hydra_plugins.smoothlab_plugins.{module}"), name))


def is_list(override: str) -> bool:
    """Whether an override gives several values, or a range of them."""
    return parse_overrides([override])[0].is_sweep_override()


def typed_value(overrides: Sequence[str], key: str) -> Any:
    """The value that overrides give a key, the last one of several; None where none gives a single one."""
    typed = [word for word in overrides if word.lstrip("+").partition("=")[0] == key]
    override = parse_overrides(typed[-1:])[0] if typed else None
    return None if override is None or override.is_sweep_override() else override.value()


def expand_sweep(overrides: Sequence[str]) -> list[list[str]]:
    """Each job's overrides, for lists of values as Hydra's basic sweeper reads them.

    Where ``smoothing`` is listed with ``none`` among its options, its keys are those of the other options, and there is
    one job without smoothing for all of their values.
    """
    choices = []
    for override in parse_overrides(overrides):
        if override.is_sweep_override():
            key = override.get_key_element()
            try:
                choices.append([f"{key}={value}" for value in override.sweep_string_iterator()])
            except HydraException as error:
                reason = str(error).splitlines()[0]
                raise UserMistake(
                    f"{override.input_line}: expected a list of values, such as {key}=1,2 ({reason})"
                ) from None
        else:
            choices.append([str(override.input_line)])
    listed = any("smoothing=none" in values for values in choices if len(values) > 1)
    jobs: list[list[str]] = []
    for job in itertools.product(*choices):
        own = _without_its_keys(job) if listed and "smoothing=none" in job else list(job)
        if len(own) == len(job) or own not in jobs:
            jobs.append(own)
    return jobs


def _without_its_keys(job: Sequence[str]) -> list[str]:
    return [word for word in job if not word.lstrip("+").startswith(("smoothing.", "smoothing/"))]


def plain(config: DictConfig) -> dict[str, Any]:
    """The config as plain values, resolved, without Hydra's own node.

    Raises:
        UserMistake: a mandatory key is missing, an interpolation names nothing, a path leads out of output_root, or a
            key contradicts the option of its group.
    """
    with _resolvable(config):
        nodes = {str(key): config[key] for key in config if key != "hydra"}
        values = checked_values({key: _resolved(node) for key, node in nodes.items()})
    for group in OF_MEMBERS & values.keys():
        if isinstance(values[group], dict):  # callbacks.early_stopping=null: without it
            values[group] = {name: node for name, node in values[group].items() if node is not None}
    refuse_contradictions(values, OmegaConf.select(config, "hydra.runtime.choices") or {})
    if "output_root" in values:
        check_name(values["name"], "name")
        if isinstance(values.get("output"), str):
            check_below(Path(values["output"]), values["output_root"], "output", given=_given(config))
    return values


def _resolved(node: Any) -> Any:
    return OmegaConf.to_container(node, resolve=True, throw_on_missing=True) if OmegaConf.is_config(node) else node


def directory_of(config: DictConfig, key: str) -> Path:
    """A directory of Hydra's, ``hydra.run.dir`` or ``hydra.sweep.dir``, resolved.

    Raises:
        UserMistake: an interpolation names nothing, or a config file leads out of output_root.
    """
    with _resolvable(config):
        check_name(OmegaConf.select(config, "name"), "name")
        path, root = (path_as_typed(str(OmegaConf.select(config, each)), each) for each in (key, "output_root"))
    check_below(Path(path), root, key, given=_given(config))
    return Path(path)


def _given(config: DictConfig) -> set[str]:
    """The keys that the command line gives."""
    words: list[str] = []
    for part in ("task", "hydra"):
        listed = OmegaConf.select(config, f"hydra.overrides.{part}")
        texts: Any = OmegaConf.to_container(listed, resolve=False) if isinstance(listed, ListConfig) else []
        words += texts
    return {word.split("=", 1)[0].lstrip("+~") for word in words}


@contextmanager
def _resolvable(config: DictConfig) -> Iterator[None]:
    """Let ``${hydra:...}`` be resolved, and explain in one line what cannot be."""
    from hydra.core.hydra_config import HydraConfig

    outer = HydraConfig.instance().cfg
    try:
        if "hydra" in config:  # inside a sweep's job it is set already
            HydraConfig.instance().cfg = cast(HydraConf, config)  # as it is: set_config copies it
        yield
    except MissingMandatoryValue as error:
        raise UserMistake(f"{error.full_key!s}: missing; give it as {error.full_key!s}=...") from None
    except OmegaConfBaseException as error:
        raise UserMistake(f"{error.full_key or 'config'!s}: {str(error).splitlines()[0]}") from None
    finally:
        HydraConfig.instance().cfg = outer


def parse_overrides(overrides: Sequence[str]) -> list[Override]:
    """Overrides as Hydra reads them; they are shared, so they stay as they are.

    Raises:
        UserMistake: one is none.
    """
    parsed = []
    for text in overrides:
        if not isinstance(text, str):
            raise UserMistake(f"{text!r}: expected a text such as 'optimizer.lr=0.01'")
        try:
            parsed.append(parse_override(text))
        except HydraException as error:
            raise UserMistake(_grammar(text, str(error).splitlines()[0].strip())) from None
    return parsed


def _grammar(text: str, reason: str) -> str:
    """What is wrong with an override that Hydra's grammar does not take, and what to type in its place."""
    message = f"{text!r}: expected key=value or group=option ({reason})"
    key, equals, value = text.partition("=")
    try:
        parse_override(f"{key}={quoted(value)}")
    except HydraException:  # it is not the value
        return message
    return f"{message}; to give this text, type {_for_shell(key, value)}" if equals else message


def _for_shell(key: str, value: str) -> str:
    """An override whose value is any text, as one types it in a shell."""
    if set(value) & set('"$`\\!'):
        return shlex.quote(f"{key}={quoted(value)}")
    return f'"{key}=\\"{value}\\""' if "'" in value else f"\"{key}='{value}'\""


def groups(loader: ConfigLoader, parent: str = "", *, name: str = "train", path: Sequence[str] = ()) -> dict[str, Any]:
    """Every config group of ours with its options; ``path`` sets hydra.searchpath.

    A group below another one is a group by its path, smoothing/strength. Only the folders of experiments are no groups:
    their files are options of experiment, which is chosen with a path, experiment=finance/german_credit.
    """
    from hydra.core.object_type import ObjectType

    options_of: dict[str, list[str]] = {}
    where: dict[str, Any] = {"config_name": name, "overrides": list(path)} if path else {}
    for child in loader.get_group_options(parent, results_filter=ObjectType.GROUP, **where):
        group = f"{parent}/{child}" if parent else child
        if group in ("hydra", "data/part"):  # parts are put together by the options of data, none is chosen
            continue
        options = loader.get_group_options(group, results_filter=ObjectType.CONFIG, **where)
        below = groups(loader, group, name=name, path=path)
        if group == PRESETS:
            options = [*options, *(f"{inner}/{option}"[len(group) + 1 :] for inner in below for option in below[inner])]
            below = {}
        if options:
            options_of[group] = options
        options_of |= below
    return options_of


def _explain(name: str, overrides: list[Override], error: Exception) -> UserMistake:
    """Find the override behind a failed composition: unknown option, unknown group or key; else Hydra's first line."""
    hydra = GlobalHydra.instance().hydra
    assert hydra is not None
    path = [str(override.input_line) for override in overrides if override.key_or_group == "hydra.searchpath"]
    try:
        known_groups = groups(hydra.config_loader, name=name, path=path)
    except Exception:  # the search path itself is wrong
        return UserMistake(_reason(error))
    for override in overrides:
        if override.is_sweep_override():
            word = _for_shell(*str(override.input_line).split("=", 1))
            return UserMistake(
                f"{override.input_line}: a list of values makes a sweep; add -m, or as one value type {word}"
            )
    choices = [override for override in overrides if override.key_or_group in known_groups]
    for choice in choices:
        key, value = choice.key_or_group, choice.value()
        if value is None and not choice.is_delete():
            plain = "; write none" if "none" in known_groups[key] else ""
            return UserMistake(f"{key} = null: no such option; options: {', '.join(known_groups[key])}{plain}")
        if choice.is_delete():
            continue
        for option in value if isinstance(value, list) else [value]:
            if str(option) not in known_groups[key]:
                return UserMistake(
                    f"{key} = {'null' if option is None else option}: no such option; "
                    f"{_nearest(str(option), known_groups[key])}"
                    f"options: {', '.join(known_groups[key])}"
                )
    try:
        base = compose(name, overrides=[*path, *(str(override.input_line) for override in choices)])
    except Exception:
        base = compose(name)
    keys = _flat(base)
    for override in overrides:
        key = override.key_or_group
        if override in choices or override.is_add() or key.startswith(("hydra.", "hydra/")):
            continue
        if key not in keys:
            if _is_argument(base, key):
                return UserMistake(f"{key}: not in the config so far; +{override.input_line} adds it")
            hint = EPSILON if key == "smoothing.strength.epsilon" else _nearest(key, [*keys, *known_groups])
            return UserMistake(f"{key}: no such key; {hint}see smoothlab {name} --help")
    reason = _reason(error)
    return UserMistake(reason + (OVER_MODEL if "Could not override 'model'" in reason else ""))


OVER_MODEL = (
    " It is chosen after the presets: type model=boosting, or let the preset hold the object, model: {_target_: "
    "smoothlab.rivals.Boosting}, and override /smoothing: none"
)
EPSILON = "this strength finds it, or has it by other keys; smoothing=standard takes a number; "


def _reason(error: BaseException) -> str:
    """The first lines of an error and of what caused it, as one."""
    first = re.sub(r"\s+", " ", next(iter(str(error).strip().splitlines()), type(error).__name__))
    if isinstance(error, KeyError):
        first = f"{first} is not there"
    return f"{first} ({_reason(error.__cause__)})" if error.__cause__ else first


def _is_argument(config: DictConfig, key: str) -> bool:
    """Whether the class that stands beside ``key`` has an argument of this name."""
    parent, _, name = key.rpartition(".")
    node = OmegaConf.select(config, parent) if parent else None
    target = node.get("_target_") if isinstance(node, DictConfig) else None
    try:
        return target is not None and name in inspect.signature(resolve_target(target, ALLOWED)).parameters
    except UserMistake:
        return False


def _refuse_new_top_level_keys(name: str, overrides: list[Override]) -> None:
    """``+lr=1`` would be composed and then read by nobody."""
    if not any(override.is_add() for override in overrides):
        return
    known = {str(key) for key in compose(name)}
    for override in overrides:
        key = str(override.key_or_group)
        if override.is_add() and "/" not in key and key.split(".")[0] not in {*known, "hydra"}:
            hydra = GlobalHydra.instance().hydra
            assert hydra is not None
            if key in groups(hydra.config_loader):
                continue
            raise UserMistake(f"+{key}: nothing reads this key; {_nearest(key, _flat(compose(name)))}see --help")


def _flat(config: Any, prefix: str = "") -> list[str]:
    if not OmegaConf.is_dict(config):
        return [prefix]
    keys = [prefix] if prefix else []
    for key in config:
        inner = f"{prefix}.{key}" if prefix else str(key)
        node = config._get_node(key)
        keys += _flat(node, inner) if OmegaConf.is_dict(node) else [inner]
    return keys


def _nearest(word: str, known: Any) -> str:
    """``nearest: ...; `` or nothing. A bare name is also compared with the last part of dotted keys."""
    known = list(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if not near:
        tails = {key.rsplit(".", 1)[-1]: key for key in reversed(known)}
        near = [tails[tail] for tail in difflib.get_close_matches(word.rsplit(".", 1)[-1], tails, n=1, cutoff=0.6)]
    return f"nearest: {near[0]}; " if near else ""
