"""Draw every figure of docs/metrics.md: ``python docs/figures/metrics.py`` (seconds, no network).

Two sets come with scikit-learn. The third is the white-wine quality data, where the folder of public sets is
there (``../shared/data`` beside the checkout, or SMOOTHLAB_SHARED); without it, scikit-learn's wine data.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from sklearn import datasets
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional

from smoothlab.metrics import ClassificationMetrics, bootstrap, ece_bias, nll
from smoothlab.reports import figures

HERE = Path(__file__).resolve().parent
EPOCHS = 60


@dataclass(frozen=True)
class Set:
    """A real set, split for training, choosing and scoring."""

    title: str
    classes: list[str]
    train: tuple[Tensor, Tensor]
    val: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]


def split(title: str, classes: list[str], columns: np.ndarray, labels: np.ndarray) -> Set:
    """Half for training, a fifth for validation, the rest for the test, stratified, columns standardised."""
    rest, test = train_test_split(np.arange(len(labels)), test_size=0.3, stratify=labels, random_state=0)
    train, val = train_test_split(rest, test_size=2 / 7, stratify=labels[rest], random_state=0)
    mean, spread = columns[train].mean(0), columns[train].std(0)
    scaled = torch.tensor((columns - mean) / np.where(spread > 0, spread, 1), dtype=torch.float32)
    answers = torch.tensor(labels, dtype=torch.int64)
    return Set(title, classes, *((scaled[part], answers[part]) for part in (train, val, test)))


def sets() -> dict[str, Set]:
    """The three sets of the page."""
    cancer, digits = datasets.load_breast_cancer(), datasets.load_digits()
    by_name = {
        "breast_cancer": split("Breast cancer", list(cancer.target_names), cancer.data, cancer.target),
        "digits": split("Digits", [str(k) for k in range(10)], digits.data, digits.target),
    }
    shared = Path(os.environ.get("SMOOTHLAB_SHARED", HERE.parents[2] / "shared"))
    quality = shared / "data" / "ordinal" / "winequality_white" / "winequality-white.csv"
    if quality.is_file():
        table = np.genfromtxt(quality, delimiter=",", skip_header=0)
        table = table[~np.isnan(table).any(1)]  # a header, where the copy has one
        # grades 3 and 9 have 25 wines between them: too few to score, so they join their neighbours
        grades = np.clip(table[:, -1].astype(np.int64), 4, 8)
        names = ["4 or less", "5", "6", "7", "8 or more"]
        by_name["wine_quality"] = split("White wine quality", names, table[:, :-1], grades - 4)
    else:
        wine = datasets.load_wine()
        by_name["wine"] = split("Wine", list(wine.target_names), wine.data, wine.target)
    return by_name


def fit(data: Set, epsilon: float) -> tuple[Tensor, Tensor, dict[str, list[float]]]:
    """Validation logits, test logits and the validation metrics of every epoch."""
    torch.manual_seed(0)
    sizes = [data.train[0].shape[1], 128, 128, len(data.classes)]
    layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    net = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
    streaming = ClassificationMetrics(len(data.classes))
    history: dict[str, list[float]] = {}
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(data.train[1])).split(64):
            optimizer.zero_grad()
            logits, labels = net(data.train[0][batch]), data.train[1][batch]
            functional.cross_entropy(logits, labels, label_smoothing=epsilon).backward()
            optimizer.step()
        with torch.no_grad():
            streaming.update(net(data.val[0]), data.val[1])
        for name, value in streaming.compute().items():
            history.setdefault(name, []).append(value)
        streaming.reset()
    with torch.no_grad():
        return net(data.val[0]), net(data.test[0]), history


def temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature with the lowest NLL on validation data."""
    best = minimize_scalar(
        lambda log: nll(logits / np.exp(log), labels, from_logits=True), bounds=(-3, 3), method="bounded"
    )
    return float(np.exp(best.x))


def draw(name: str, data: Set, folder: Path) -> None:
    """All figures of one set, and its numbers on standard output."""
    labels = data.test[1]
    val_plain, plain, history = fit(data, 0.0)
    _, smoothed, _ = fit(data, 0.1)
    warm = temperature(val_plain, data.val[1])
    title, known = f"{data.title}, test set", {"from_logits": True}
    drawn = {
        "reliability": figures.reliability_diagram(plain, labels, title=f"{title}, no smoothing", **known),
        "reliability_smoothed": figures.reliability_diagram(
            smoothed, labels, title=f"{title}, label smoothing 0.1", **known
        ),
        "confidence": figures.confidence_histogram(plain, labels, title=title, **known),
        "classwise": figures.classwise_reliability(plain, labels, class_names=data.classes, title=title, **known),
        "risk_coverage": figures.risk_coverage_curve(plain, labels, target_risk=0.02, title=title, **known),
        "epochs": figures.calibration_over_epochs(
            range(1, EPOCHS + 1), history, title=f"{data.title}, validation, no smoothing"
        ),
        "before_after": figures.before_and_after(
            plain,
            plain / warm,
            labels,
            names=("as trained", f"temperature {warm:.2f}"),
            title=title,
            **known,
        ),
    }
    for kind, figure in drawn.items():
        figure.savefig(folder / f"{name}_{kind}.png")
    for model, logits in (("no smoothing", plain), ("smoothing 0.1", smoothed)):
        intervals = bootstrap(logits, labels, from_logits=True)
        shown = [f"{key} {i.estimate:.3f} [{i.low:.3f}, {i.high:.3f}]" for key, i in intervals.items()]
        print(f"{name}, {model}, N = {len(labels)}: " + ", ".join(shown))
        print(f"  {ece_bias(logits, labels, from_logits=True)}")


def main() -> None:
    """Draw all sets into docs/figures/metrics, or another folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=HERE / "metrics")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for name, data in sets().items():
        draw(name, data, folder)


if __name__ == "__main__":
    main()
