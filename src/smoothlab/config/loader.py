"""Hydra's loader of configs for many compositions: those that choose the same options are put together once."""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra._internal.config_repository import CachingConfigRepository
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobRuntime
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict

from smoothlab.errors import UserMistake

INSTALLED = ("pkg://smoothlab.conf", "pkg://hydra", "structured://")  # pkg://hydra_plugins too

# For the life of the process, as pickles: each reader gets nodes of its own, which may be changed.
_files: dict[tuple[str, ...], bytes] = {}
_chosen: dict[tuple[Any, ...], bytes] = {}


@lru_cache(maxsize=4096)
def parse_override(text: str) -> Override:
    """An override as Hydra's grammar has it, for the life of the process: all share it, so it stays as it is.

    Raises:
        HydraException: it is none.
    """
    return OverridesParser.create().parse_override(text)


class Repository(CachingConfigRepository):
    """Configs by name: installed files are read once in a process, foreign ones are noted with their state."""

    def __init__(self, delegate: Any) -> None:
        super().__init__(delegate)
        self.foreign: set[tuple[Path, int, int]] = set()

    def load_config(self, config_path: str) -> ConfigResult | None:
        """As Hydra's."""
        cached = f"config_path={config_path}"
        place = (*(str(source) for source in self.get_sources()), config_path)
        if cached not in self.cache and place in _files:
            self.cache[cached] = pickle.loads(_files[place])  # noqa: S301 - made by _keep
        new = cached not in self.cache
        loaded = super().load_config(config_path)
        if new and loaded is not None and not is_foreign(loaded):
            _keep(_files, place, loaded)
        elif new:  # there or not yet there
            folders = [source.path for source in self.get_sources() if source.scheme() == "file"]
            self.foreign |= {_state(Path(folder, ConfigSource._normalize_file_name(config_path))) for folder in folders}
        return loaded


class CachingLoader(ConfigLoaderImpl):
    """A loader that composes each choice of options once, and sets the values on a copy, as Hydra sets them."""

    repository_class = Repository
    _searchpath: list[str] | None = None  # of _repository_there

    def _parse_overrides_and_create_caching_repo(self, config_name: Any, overrides: Any) -> Any:
        parsed = OverridesParser.create().parse_overrides(overrides=overrides)
        self._repository = self.repository_class(self.repository)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                self._process_config_searchpath(config_name, parsed, self._repository)
            except UserWarning as missing:
                raise UserMistake(f"hydra.searchpath: {missing}") from None
        return parsed, self._repository

    def _load_configuration_impl(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        parsed = [parse_override(text) for text in overrides]
        if validate_sweep_overrides:
            self.validate_sweep_overrides_legal(overrides=parsed, run_mode=run_mode, from_shell=from_shell)
        searchpath = [override for override in parsed if override.get_key_element() == "hydra.searchpath"]
        groups = self._sources(config_name, _lines(searchpath))
        choices, values = list(searchpath), list[Override]()
        for override in parsed:
            if override.is_sweep_override():
                continue
            is_value = isinstance(override.value(), dict) or not groups.group_exists(override.key_or_group)
            (values if is_value else choices).append(override)
        config = self._choose(config_name, _lines(choices), run_mode)
        known_choices = dict(config.hydra.runtime.choices)
        config.hydra.overrides.task, config.hydra.overrides.hydra = [], []
        self._apply_overrides_to_config(values, config)
        for override in parsed:
            part = config.hydra.overrides.hydra if override.is_hydra_override() else config.hydra.overrides.task
            part.append(override.input_line)
        with open_dict(config.hydra):
            config.hydra.runtime.choices.update(known_choices)
            for key in config.hydra.job.env_copy:
                config.hydra.job.env_set[key] = os.environ[key]
        config.hydra.runtime.cwd = os.getcwd()
        dirname = config.hydra.job.config.override_dirname
        if any(override.is_hydra_override() for override in values):
            self.check(config)
        config.hydra.job.override_dirname = get_overrides_dirname(
            overrides=[override for override in parsed if not override.is_hydra_override()],
            kv_sep=dirname.kv_sep,
            item_sep=dirname.item_sep,
            exclude_keys=dirname.exclude_keys,
        )
        return config

    def get_group_options(
        self,
        group_name: str,
        results_filter: ObjectType | None = ObjectType.CONFIG,
        config_name: str | None = None,
        overrides: list[str] | None = None,
    ) -> list[str]:
        """As Hydra's, from one look at the search path."""
        options: list[str] = self._sources(config_name, overrides or []).get_group_options(group_name, results_filter)
        return options

    def _sources(self, config_name: str | None, searchpath: list[str]) -> Any:
        """The repository of a search path that some overrides set."""
        if not searchpath:
            return self.repository
        if searchpath != self._searchpath:
            self._repository_there = self._parse_overrides_and_create_caching_repo(config_name, searchpath)[1]
            self._searchpath = searchpath
        return self._repository_there

    def _choose(self, config_name: str | None, choices: list[str], run_mode: RunMode) -> DictConfig:
        """The config of some options, before any value is set."""
        sources = [str(place) for place in self.get_search_path().get_path()]
        key = (*sources, config_name, run_mode, JobRuntime().get("name"), *choices)
        if key in _chosen:
            config, foreign = pickle.loads(_chosen[key])  # noqa: S301 - made by _keep
            if all(_state(file) == (file, *state) for file, *state in foreign):
                assert isinstance(config, DictConfig)
                return config
        config = super()._load_configuration_impl(config_name, choices, run_mode, validate_sweep_overrides=False)
        self.check(config)
        _keep(_chosen, key, (config, self._repository.foreign))
        return config

    def check(self, config: DictConfig) -> None:
        """Refuse a config for what Hydra's own node says in it; here nothing."""


def _keep(pickles: dict[Any, bytes], key: Any, content: Any) -> None:
    with suppress(pickle.PicklingError):  # in a job of submitit's, Hydra's plugins are imported a second time
        pickles[key] = pickle.dumps(content)


def is_foreign(loaded: ConfigResult) -> bool:
    """Whether a config is no file of smoothlab, Hydra or an installed plugin."""
    return not str(loaded.path).startswith(INSTALLED)


def _state(file: Path) -> tuple[Path, int, int]:
    """A file's time of change and size; zeros where it is gone."""
    try:
        state = file.stat()
    except OSError:
        return file, 0, 0
    return file, state.st_mtime_ns, state.st_size


def _lines(overrides: Iterable[Override]) -> list[str]:
    return [str(override.input_line) for override in overrides]
