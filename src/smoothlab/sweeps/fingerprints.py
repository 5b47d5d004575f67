"""Identities of many configs, which differ in seeds and strategies more often than in their data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any

from smoothlab.errors import UserMistake
from smoothlab.rundir.files_read import files_read
from smoothlab.rundir.identity import in_order, run_identity

# Keys of our data modules that say nothing of what the data hold; how pairs of sentences are split, their hash tells.
ORDER = ("shuffle_seed", "batch_size", "eval_batch_size")
SPLIT = ("fold", "split_seed")
PAIRS = ("smoothlab.data.ParallelData", "smoothlab.data.SyntheticTranslation")
Config = Mapping[str, Any]
Call = Callable[..., list[str | None]]


class Fingerprints:
    """Identities of many configs; data that several of them share are read once, however they are split and ordered.

    Args:
        known: fingerprints of earlier commands; those of files are taken again as long as their sizes and times of
            change are the same. What is learned of files is added.
        call: calls a function with its argument, in this process or another one.
    """

    def __init__(self, known: MutableMapping[str, str] | None = None, call: Call | None = None) -> None:
        self._known = {} if known is None else known
        self._call = call or _here
        self._of: dict[str, str | None] = {}

    def identity(self, config: dict[str, Any]) -> str:
        """The identity of a run, by its config and the content of its data and own code."""
        self.learn([config])
        # without a fingerprint, the run itself says what is wrong with its data
        return run_identity(config, self._of[_key(config)] or "")

    def learn(self, configs: Sequence[dict[str, Any]]) -> None:
        """Read the data of some configs, each once, in one call; in none where all is known."""
        unknown: dict[str, tuple[str, dict[str, Any]]] = {}
        for config in configs:
            if (key := _key(config)) in self._of or key in unknown:
                continue
            lasting = _lasting_key(key, config)
            if lasting in self._known:
                self._of[key] = self._known[lasting]
            else:
                unknown[key] = lasting, config
        if not unknown:
            return
        hashes = self._call(fingerprints, [config for _, config in unknown.values()])
        for (key, (lasting, _)), fingerprint in zip(unknown.items(), hashes, strict=True):
            self._of[key] = fingerprint
            if lasting and fingerprint is not None:
                self._known[lasting] = fingerprint


def _here(function: Call, configs: Sequence[dict[str, Any]]) -> list[str | None]:
    return function(configs)


def fingerprints(configs: Sequence[dict[str, Any]]) -> list[str | None]:
    """A hash of the content of each config's data and own code; None where they cannot be used."""
    from smoothlab.config.allowed import code_fingerprint
    from smoothlab.config.opening import open_data

    hashes: list[str | None] = []
    for config in configs:
        try:
            hashes.append(open_data(config).fingerprint + code_fingerprint(config["code"]))
        except UserMistake:
            hashes.append(None)
    return hashes


def _key(config: Config) -> str:
    """What configs of the same data have in common, in this process."""
    target = str(config["data"].get("_target_"))
    same = (*ORDER, *(() if target in PAIRS else SPLIT)) if target.startswith("smoothlab.data.") else ()
    node = {name: value for name, value in config["data"].items() if name not in same}
    return json.dumps(in_order([node, config["code"]]))


def _lasting_key(key: str, config: Config) -> str:
    """The same for other processes; empty where it is not known which files the data come from."""
    files = files_read(config)
    return "" if files is None else hashlib.sha256(json.dumps([key, files]).encode()).hexdigest()
