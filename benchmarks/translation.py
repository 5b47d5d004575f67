"""Smoothing strategies for English to German (Multi30k) at equal cost: the same net, steps and seed for each.

    SMOOTHLAB_DATA_MIRROR=<folder> python benchmarks/translation.py run [--arms none standard] [--seeds 0]
    python benchmarks/translation.py table

A shortened run for a CPU: a small net and a few epochs, from which nobody learns how good translation gets, but which
strategy does what. Each arm is `smoothlab train experiment=translation/multi30k` in a process of its own, on one
thread; its results stay in build/translation, so that an interruption loses nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PARTS = ROOT / "build" / "translation"
SHORT = (
    *("net.width=128", "net.hidden=256", "net.encoder_blocks=2", "net.decoder_blocks=2", "net.dropout=0.1"),
    *("data.vocab_size=4000", "data.batch_tokens=2048", "optimizer.lr=0.003", "trainer.max_epochs=8"),
    *("logger=csv", "threads=1", "progress=none"),
)
ARMS: dict[str, tuple[str, ...]] = {
    "none": ("smoothing=none",),
    "standard": ("smoothing=standard",),
    "unigram": ("smoothing=standard", "smoothing/prior=class_frequency"),
    "gradual": ("smoothing=gradual",),
    "conditional": ("smoothing=conditional",),
    "neighbours": ("smoothing=standard", "smoothing/prior=neighbours"),
    "zipf": ("smoothing=standard", "smoothing/prior=zipf"),
    "confidence penalty": ("smoothing=none", "penalty=confidence"),
}
SHOWN = ("bleu", "chrf", "perplexity", "nll", "accuracy", "ece", "confidence_gap", "sequence_spearman")


def place(arm: str, seed: int) -> Path:
    """The file of an arm's result."""
    return PARTS / f"{arm.replace(' ', '_')}-{seed}.json"


def run(arm: str, seed: int, extra: list[str]) -> None:
    """Train an arm, unless it has a result."""
    path = place(arm, seed)
    if path.is_file():
        return
    folder = PARTS / "runs" / path.stem
    words = ["experiment=translation/multi30k", *SHORT, *ARMS[arm], f"seed={seed}", f"hydra.run.dir={folder}", *extra]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "smoothlab", "train", *words], check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    content: dict[str, Any] = {
        "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "test": results["metrics"]["test"],
        "intervals": results["uncertainty"]["test"]["intervals"],
        "signature": results["uncertainty"]["test"]["signatures"]["bleu"],
        "words": words,
    }
    part = path.with_suffix(f".{os.getpid()}")
    part.write_text(json.dumps(content, indent=1), encoding="utf-8")
    part.replace(path)
    print(
        arm,
        seed,
        f"{content['cpu_seconds']:.0f} s",
        {name: round(content["test"][name], 4) for name in SHOWN},
        flush=True,
    )


def table() -> str:
    """The results in Markdown."""
    lines = [
        f"| smoothing | seed | CPU seconds | {' | '.join(SHOWN)} |",
        f"|{'---|' * (len(SHOWN) + 3)}",
    ]
    for arm in ARMS:
        for path in sorted(PARTS.glob(f"{arm.replace(' ', '_')}-*.json")):
            results = json.loads(path.read_text(encoding="utf-8"))
            shown = []
            for name in SHOWN:
                low_high = results["intervals"].get(name)
                value = f"{results['test'][name]:.4g}"
                shown.append(f"{value} ({low_high[0]:.4g} to {low_high[1]:.4g})" if name == "bleu" else value)
            lines.append(
                f"| {arm} | {path.stem.rsplit('-', 1)[1]} | {results['cpu_seconds']:.0f} | {' | '.join(shown)} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Run arms, or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["run", "table"])
    parser.add_argument("extra", nargs="*", help="overrides of every arm")
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    arguments = parser.parse_args()
    if arguments.verb == "table":
        print(table())
        return
    (PARTS / "runs").mkdir(parents=True, exist_ok=True)
    for seed in arguments.seeds:
        for arm in arguments.arms:
            run(arm, seed, arguments.extra)


if __name__ == "__main__":
    main()
