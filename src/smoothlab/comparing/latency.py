"""How fast a run's model answers: one sample at a time, and in batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from smoothlab.reports.records import RunRecord

BATCHES = (1, 256)
ROUNDS = 200  # calls of each model, taken in turn with those of the others, so that all meet the same load
WARM_UP = 10


def latency_table(records: Sequence[RunRecord]) -> pd.DataFrame:
    """Latency and throughput of the model of each arm's first run that has one, on encoded test samples.

    One thread; what encodes raw rows is the same for every arm and is left out.

    Returns:
        A row an arm: median and 95th percentile in milliseconds of a call by batch, and samples a second.
    """
    import pandas as pd
    import torch

    from smoothlab.config.opening import open_data
    from smoothlab.models.loading import load
    from smoothlab.models.model import Model

    first: dict[str, RunRecord] = {}
    for record in records:
        if "checkpoint" in record.results:
            first.setdefault(record.arm, record)
    some = next(iter(first.values()))
    data = open_data(some.config)
    loaded = {arm: load(record.path) for arm, record in first.items()}
    models = {arm: own for arm, own in loaded.items() if isinstance(own, Model)}  # a translator answers token by token
    features = data.first(max(BATCHES)).features
    repeated = features.repeat(-(-max(BATCHES) // len(features)), *([1] * (features.ndim - 1)))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rows: dict[str, dict[str, Any]] = {arm: {"arm": arm} for arm in models}
        for batch in BATCHES:
            part = repeated[:batch]
            calls = {arm: partial(model.logits_of, part) for arm, model in models.items()}
            for arm, seconds in _timed(calls).items():
                rows[arm] |= {
                    f"batch_{batch}_median_ms": float(np.median(seconds) * 1e3),
                    f"batch_{batch}_p95_ms": float(np.quantile(seconds, 0.95) * 1e3),
                    f"batch_{batch}_per_second": float(batch / np.median(seconds)),
                }
    finally:
        torch.set_num_threads(threads)
    return pd.DataFrame(list(rows.values()))


def _timed(calls: Mapping[str, Callable[..., Any]]) -> dict[str, np.ndarray]:
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(WARM_UP + ROUNDS):
        for name, function in calls.items():
            started = time.perf_counter()
            function()
            if number >= WARM_UP:
                seconds[name].append(time.perf_counter() - started)
    return {name: np.array(times) for name, times in seconds.items()}
