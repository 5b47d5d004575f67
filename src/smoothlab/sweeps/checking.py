"""The configs of a sweep's runs, checked before the first one starts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from smoothlab.rundir.identity import in_order


def check_configs(configs: Sequence[Mapping[str, Any]], on_this_machine: bool) -> None:
    """Refuse runs that cannot start; those that differ in seeds alone are checked once.

    Args:
        configs: resolved.
        on_this_machine: whether the runs find the devices of this machine, not those of others.

    Raises:
        UserMistake: something in a config is wrong.
    """
    from smoothlab.training.devices import without_devices
    from smoothlab.training.loggers import check_loggers
    from smoothlab.training.preparing import check_config, check_seed

    alike: set[str] = set()
    for config in configs:
        check_seed(config["seed"])
        if (kind := _but_for_seeds(config)) in alike:
            continue
        alike.add(kind)
        checked = check_config(dict(config) if on_this_machine else without_devices(config))
        check_loggers(config, checked.parts.allowed)


def _but_for_seeds(config: Mapping[str, Any]) -> str:
    """A config without what makes it another run of the same kind."""
    data = {
        key: value for key, value in config["data"].items() if key not in ("shuffle_seed", "split_seed", "row_seed")
    }
    return json.dumps(in_order({**config, "seed": None, "data": data}))
