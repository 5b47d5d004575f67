"""The metrics by their definitions, sample by sample in float64: slow, and written apart from what they check."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np


def scores(p):
    """Confidence and predicted class of each row."""
    return [max(row) for row in p], [int(np.argmax(row)) for row in p]


def width_bins(confidence, outcome, num_bins):
    """Lists of (confidence, outcome) by bin [b/B, (b+1)/B), 1 in the last one."""
    bins = defaultdict(list)
    for c, o in zip(confidence, outcome, strict=True):
        index = max(b for b in range(num_bins) if b / num_bins <= c)
        bins[index].append((c, o))
    return bins


def tie_groups(confidence, outcome):
    """Groups of equal confidence in rising order."""
    groups = defaultdict(list)
    for c, o in zip(confidence, outcome, strict=True):
        groups[c].append((c, o))
    return [groups[c] for c in sorted(groups)]


def mass_bins(confidence, outcome, num_bins):
    """array_split of the ranked samples, of which ties have the mean outcome."""
    samples = []
    for group in tie_groups(confidence, outcome):
        mean = sum(o for _, o in group) / len(group)
        samples += [(c, mean) for c, _ in group]
    return dict(enumerate(part.tolist() for part in np.array_split(np.array(samples), num_bins)))


def whole_bins(confidence, outcome, num_bins):
    """Tie groups whole, each in the bin in which its middle lies."""
    sizes = [len(part) for part in np.array_split(np.arange(len(confidence)), num_bins)]
    ends, bins, reached = np.cumsum(sizes), defaultdict(list), 0
    for group in tie_groups(confidence, outcome):
        middle = reached + len(group) / 2
        bins[next(b for b, end in enumerate(ends) if middle < end)] += group
        reached += len(group)
    return bins


def gaps(bins):
    """(count, |mean confidence - mean outcome|, mean outcome) of the filled bins."""
    edges = []
    for part in bins.values():
        if len(part):
            c, o = (math.fsum(x) / len(part) for x in zip(*part, strict=True))
            edges.append((len(part), abs(c - o), o))
    return edges


def expected(bins):
    """Gaps weighted by their samples."""
    sizes = gaps(bins)
    return sum(n * g for n, g, _ in sizes) / sum(n for n, _, _ in sizes)


def debiased(bins):
    """Squared gaps less what chance adds, weighted by their samples."""
    sizes = gaps(bins)
    total = sum(n for n, _, _ in sizes)
    return sum(n / total * (g**2 - o * (1 - o) / (n - 1)) for n, g, o in sizes if n > 1)


def risks(confidence, right):
    """Expected errors among the k most confident, k = 0..n."""
    errors = [0.0]
    for group in reversed(tie_groups(confidence, right)):
        rate = sum(1 - o for _, o in group) / len(group)
        errors += [errors[-1] + rate * (j + 1) for j in range(len(group))]
    return errors


def by_definition(p, y):
    """Metrics of probabilities (N, K), as lists, and labels, by name."""
    n, size = len(p), len(p[0])
    confidence, predicted = scores(p)
    right = [float(k == label) for k, label in zip(predicted, y, strict=True)]
    one_hot = [[float(k == label) for k in range(size)] for label in y]
    columns = [([row[k] for row in p], [row[k] for row in one_hot]) for k in range(size)]
    width, mass, whole = (make(confidence, right, 15) for make in (width_bins, mass_bins, whole_bins))
    f1 = []
    for k in range(size):
        hits = sum(a == b == k for a, b in zip(predicted, y, strict=True))
        seen = predicted.count(k) + list(y).count(k)
        f1 += [2 * hits / seen] if seen else []
    errors = risks(confidence, right)
    oracle = [max(0.0, k - sum(right)) for k in range(n + 1)]
    pairs = [
        (a > b) + (a == b) / 2
        for a, ra in zip(confidence, right, strict=True)
        if ra
        for b, rb in zip(confidence, right, strict=True)
        if not rb
    ]
    distance = [abs(a - b) for a, b in zip(predicted, y, strict=True)]
    chance = sum((a - b) ** 2 for a in predicted for b in y) / n
    kappa = 1 - sum(d**2 for d in distance) / chance if chance else math.nan
    reached = math.ceil(0.5 * n - 1e-9)
    fits = [k for k in range(1, n + 1) if errors[k] <= 0.3 * k + 1e-9]
    k_top = min(2, size)
    top = []
    for row, label in zip(p, y, strict=True):
        above, equal = sum(v > row[label] for v in row), sum(v == row[label] for v in row)
        top.append(min(max((k_top - above) / equal, 0), 1))
    return {
        "nll": sum(math.inf if row[label] == 0 else -math.log(row[label]) for row, label in zip(p, y, strict=True)) / n,
        "accuracy": sum(right) / n,
        "macro_f1": sum(f1) / len(f1),
        "brier": sum(sum((a - b) ** 2 for a, b in zip(*pair, strict=True)) for pair in zip(p, one_hot, strict=True))
        / n,
        "confidence_gap": (math.fsum(confidence) - sum(right)) / n,
        "ece": expected(width),
        "ece_equal_mass": expected(mass),
        "ece_classwise": sum(expected(width_bins(*pair, 15)) for pair in columns) / size,
        "mce": max(g for _, g, _ in gaps(width)),
        "ace": sum(g for _, g, _ in gaps(width)) / len(gaps(width)),
        "rmsce": math.sqrt(sum(c * g**2 for c, g, _ in gaps(width)) / n),
        "rmsce_debiased": math.sqrt(max(0, debiased(whole))),
        "rmsce_classwise_debiased": math.sqrt(max(0, sum(debiased(whole_bins(*pair, 15)) for pair in columns) / size)),
        "aurc": sum(errors[k] / k for k in range(1, n + 1)) / n,
        "excess_aurc": max(0, sum((errors[k] - oracle[k]) / k for k in range(1, n + 1)) / n),
        "augrc": (sum(errors) - errors[n] / 2) / n**2,
        "risk_at_coverage": errors[reached] / reached,
        "coverage_at_risk": max(fits, default=0) / n,
        "confidence_auroc": sum(pairs) / len(pairs) if pairs else math.nan,
        "top_k_accuracy": sum(top) / n,
        "sharpness": 1 + sum(v * math.log(v) for row in p for v in row if v) / n / math.log(size),
        "ordinal_mae": sum(distance) / n,
        "quadratic_kappa": kappa,
    }
