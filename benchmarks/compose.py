"""CPU time of composing a run's config: Hydra's own loader beside the one that keeps what the options chose.

python benchmarks/compose.py    rounds of both in turn, and their ratio; benchmarks/results/compose.md has the figures
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

from hydra import compose, initialize_config_module
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra

from smoothlab.config.compose import compose_config, plain
from smoothlab.config.foreign_files import GuardedLoader
from smoothlab.config.repeated import compose_jobs

ROUNDS = 15
JOBS = 300


def milliseconds(loader: type[ConfigLoaderImpl], overrides: Sequence[str]) -> float:
    """CPU time of one composition with Hydra's node."""
    with initialize_config_module("smoothlab.conf", job_name="train", version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        hydra.config_loader = loader(hydra.config_loader.get_search_path())
        start = time.process_time()
        compose("train", overrides=list(overrides), return_hydra_config=True)
        return 1e3 * (time.process_time() - start)


def main() -> None:
    """Print the medians, and the median of the ratios of pairs."""
    milliseconds(GuardedLoader, ["experiment=medical"])
    pairs, whole = [], []
    for seed in range(ROUNDS):
        overrides = ["experiment=medical", f"seed={seed}", f"optimizer.lr={10**-3 * (seed + 1)}"]
        pairs.append((milliseconds(ConfigLoaderImpl, overrides), milliseconds(GuardedLoader, overrides)))
        start = time.process_time()
        plain(compose_config("train", overrides))
        whole.append(1e3 * (time.process_time() - start))
    hydras, ours = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(cached / anew for anew, cached in pairs)
    print(f"Hydra's loader {hydras:.1f} ms, ours {ours:.1f} ms, ratio {ratio:.3f} (median of {ROUNDS} pairs)")
    print(f"a run's config, checked, resolved and plain: {statistics.median(whole):.1f} ms")
    start = time.process_time()
    compose_jobs("train", [["experiment=medical", f"seed={seed}"] for seed in range(JOBS)])
    each = 1e3 * (time.process_time() - start) / JOBS
    print(f"each of {JOBS} configs of a sweep over seeds, resolved and plain: {each:.2f} ms")


if __name__ == "__main__":
    main()
