"""What a config file may say that others may have written: a preset of a ``--config-dir``, say.

The files of smoothlab, of Hydra and of its installed plugins are code as any other. A file that comes in by the search
path is data: it chooses among what is there; it starts no program, reads no environment, and writes where runs are.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from hydra.core.default_element import ResultDefault
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import GrammarParseError, OmegaConfBaseException
from omegaconf.grammar_parser import OmegaConfGrammarParser, parse

from smoothlab.config.allowed import resolve_target
from smoothlab.config.loader import CachingLoader, Repository, is_foreign
from smoothlab.errors import UserMistake

# Keys of Hydra's own node that a foreign file may set. Not among them: what starts programs (callbacks, logging
# factories, a launcher's `setup`), what changes the environment (job.env_set), where a run writes (run.dir).
HYDRA_KEYS = {
    "hydra.verbose",
    "hydra.help",
    "hydra.sweep.dir",  # below output_root, as compose checks
    *(f"hydra.launcher.{key}" for key in ("n_jobs", "name")),
    # the resources of a job of submitit's
    *(
        f"hydra.launcher.{key}"
        for key in (
            *("timeout_min", "cpus_per_task", "gpus_per_node", "gpus_per_task", "tasks_per_node", "nodes", "mem_gb"),
            *("mem_per_gpu", "mem_per_cpu", "cpus_per_gpu", "gres", "partition", "qos", "account", "constraint"),
            *("exclude", "array_parallelism", "max_num_timeout", "signal_delay_s", "comment"),
        )
    ),
    *(
        f"hydra.sweeper.{key}"
        for key in (
            *("n_trials", "params", "sampler", "sampler_options", "objectives", "pruner", "pruner_options", "seed"),
            *("storage", "retry_failed", "batch_size", "n_jobs", "direction", "study_name", "max_batch_size"),
        )
    ),
}
# Resolvers that look at the config alone.
RESOLVERS = {"hydra", "now", "oc.select", "oc.dict.keys", "oc.dict.values"}
# The classes that Hydra's node may name, by key: their kind, and the packages that they come from.
PLUGINS = {
    "hydra.launcher": ("hydra.plugins.launcher.Launcher", ("hydra_plugins",)),
    "hydra.sweeper": ("hydra.plugins.sweeper.Sweeper", ("hydra_plugins",)),
    "hydra.sweeper.sampler": ("optuna.samplers.BaseSampler", ("optuna.samplers",)),
    "hydra.sweeper.pruner": ("optuna.pruners.BasePruner", ("optuna.pruners",)),
    "hydra.callbacks": ("hydra.experimental.callback.Callback", ("hydra.experimental.callbacks",)),
}
HYDRAS_OWN = {
    "hydra.launcher": "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
    "hydra.sweeper": "hydra._internal.core_plugins.basic_sweeper.BasicSweeper",
}


class _Repository(Repository):
    """Configs by name, each checked when it is read: its list of defaults is resolved at once."""

    def load_config(self, config_path: str) -> ConfigResult | None:
        loaded = super().load_config(config_path)
        if loaded is not None and is_foreign(loaded):
            _check_interpolations(loaded, config_path)
        return loaded


class GuardedLoader(CachingLoader):
    """Hydra's loader of configs, which refuses what a foreign file must not say, before any of it takes effect.

    Raises:
        UserMistake: on loading; one line with the file, the key and the reason.
    """

    repository_class = _Repository

    def _load_single_config(self, default: ResultDefault, repo: Any) -> ConfigResult:
        loaded = super()._load_single_config(default, repo)
        if is_foreign(loaded):
            _check_keys(loaded, default.config_path)
        return loaded

    def check(self, config: DictConfig) -> None:
        """Refuse classes that are no plugins of Hydra's, and parameters of a sweep that do what a file must not."""
        _check_plugins(config)
        _check_params(config)


def _file(loaded: ConfigResult, name: str | None) -> str:
    return f"{str(loaded.path).removeprefix('file://')}/{str(name).removesuffix('.yaml')}.yaml"


def _check_keys(loaded: ConfigResult, name: str | None) -> None:
    """No own code, and of Hydra's node only ``HYDRA_KEYS``; the content stands where its package puts it."""
    for key, value in _leaves(OmegaConf.to_container(loaded.config, resolve=False)):
        if key == "code" and value is not None:
            raise UserMistake(
                "code: own code is named on the command line, not in a config file that others may have written"
            )
        if _is_hydras(key) and not any(key == known or key.startswith(known + ".") for known in HYDRA_KEYS):
            raise UserMistake(
                f"{_file(loaded, name)}: {key}: not allowed in a file, which others may have written; give it on the "
                "command line"
            )
        if key.startswith("hydra.launcher.") and not re.fullmatch(r"[\w.,:=+-]*", str(value)):
            raise UserMistake(  # it becomes a line of a shell script
                f"{_file(loaded, name)}: {key} = {value!r}: expected a number or a word in a file, which others may "
                "have written; give other texts on the command line"
            )


def _leaves(node: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping) and node:
        for key, value in node.items():
            yield from _leaves(value, f"{at}.{key}" if at else str(key))
    else:
        yield at, node


def _is_hydras(key: str) -> bool:
    return re.match(r"hydra([./@]|$)", key) is not None


def _check_params(config: DictConfig) -> None:
    """A sweep's parameters are overrides, and most are written in files."""
    params = OmegaConf.select(config, "hydra.sweeper.params")
    try:
        values = OmegaConf.to_container(params, resolve=True) if isinstance(params, DictConfig) else {}
    except OmegaConfBaseException as error:
        raise UserMistake(f"hydra.sweeper.params: {str(error).splitlines()[0]}") from None
    assert isinstance(values, dict)
    for key, value in values.items():
        check_override(str(key), value, where="hydra.sweeper.params")


def check_override(key: str, value: Any, *, where: str) -> None:
    """Refuse an override in a config file that would do what the file itself must not.

    Args:
        key: of the override, with its sign.
        value: of the override, plain and resolved.
        where: it stands, for the error.

    Raises:
        UserMistake: it names own code, sets Hydra's node, or reads the environment.
    """
    bare = key.lstrip("+~")
    resolvers = {name for text in (key, *_texts(value)) for name in _resolvers(text)}
    if bare.split("@")[0] == "code" or _is_hydras(bare) or resolvers - RESOLVERS:
        raise UserMistake(
            f"{where}: {key} = {str(value)[:60]!r}: not allowed among the overrides of a config file, which others may "
            "have written; give it on the command line"
        )


def _check_interpolations(loaded: ConfigResult, name: str) -> None:
    """No resolver but ``RESOLVERS``: others read the environment, or make interpolations out of text."""
    texts = list(_texts(OmegaConf.to_container(loaded.config, resolve=False)))
    for default in loaded.defaults_list or []:
        texts += [text for text in vars(default).values() if isinstance(text, str)]
    for text in texts:
        for resolver in _resolvers(text):
            if resolver not in RESOLVERS:
                raise UserMistake(
                    f"{_file(loaded, name)}: {text!r}: a file, which others may have written, must not use the "
                    f"resolver {resolver!r}; give the value on the command line"
                )


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from (*_texts(key), *_texts(value))
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)
    elif isinstance(node, str):
        yield node


def _resolvers(text: str) -> Iterator[str]:
    """The names of the resolvers in a text, as written: one that is put together from others is no known name."""
    if "${" not in text:
        return
    try:
        waiting = [parse(re.sub(r"\\+\$", "$", text))]  # one that is escaped here may be resolved by whoever reads on
    except GrammarParseError:  # no interpolation that OmegaConf takes
        yield text
        return
    while waiting:
        node = waiting.pop()
        if isinstance(node, OmegaConfGrammarParser.InterpolationResolverContext):
            yield node.resolverName().getText()
        waiting += getattr(node, "children", None) or []


def _check_plugins(config: DictConfig) -> None:
    """Whoever names a class in Hydra's node, also on the command line: only Hydra's plugins, each in its place."""
    callbacks = config.hydra.callbacks or {}
    for name in callbacks:
        if not isinstance(callbacks[name], DictConfig) or "_target_" not in callbacks[name]:
            raise UserMistake(f"hydra.callbacks.{name} = {callbacks[name]}: expected a mapping with _target_")
    for key, node in _nodes(config.hydra, "hydra"):
        if "_target_" not in node or node["_target_"] == HYDRAS_OWN.get(key):
            continue
        place = "hydra.callbacks" if key.startswith("hydra.callbacks.") else key
        if place not in PLUGINS:
            raise UserMistake(f"{key}._target_: not allowed; classes stand in {', '.join(PLUGINS)}")
        kind, rooms = PLUGINS[place]
        target = str(node["_target_"])
        plugin = resolve_target(target, rooms, key=f"{key}._target_", expected=f"a class of {' or '.join(rooms)}")
        module, name = kind.rsplit(".", 1)
        if not (inspect.isclass(plugin) and issubclass(plugin, getattr(importlib.import_module(module), name))):
            raise UserMistake(f"{key}._target_ = {target!r}: expected a {name.removeprefix('Base').lower()} of Hydra's")


def _nodes(node: DictConfig, at: str) -> Iterator[tuple[str, DictConfig]]:
    yield at, node
    for key in node:
        child = node._get_node(key)
        if isinstance(child, DictConfig) and not child._is_none() and not child._is_missing():
            yield from _nodes(child, f"{at}.{key!s}")
