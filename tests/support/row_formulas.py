"""The documented formulas of losses and penalties, row by row in float64 numpy, for tests against them.

Each takes logits z (K,) without masked classes, a target q (K,) and the label y of a row, and gives a number.
"""

from __future__ import annotations

import numpy as np


def log_softmax(z):
    shifted = z - z.max()
    return shifted - np.log(np.exp(shifted).sum())


def cross_entropy(z, q, y):
    return -(q * log_softmax(z)).sum()


def binary_cross_entropy(z, q, y):
    """Of K labels on their own, their mean."""
    return (np.logaddexp(0, z) - q * z).mean()


def focal(gamma):
    def row(z, q, y):
        log_p = log_softmax(z)
        return -(q * (-np.expm1(log_p)) ** gamma * log_p).sum()

    return row


def sample_dependent_focal(z, q, y):
    log_p = log_softmax(z)
    gamma = np.where(np.exp(log_p) < 0.2, 5.0, 3.0)
    return -(q * (-np.expm1(log_p)) ** gamma * log_p).sum()


def dual_focal(gamma):
    def row(z, q, y):
        log_p = log_softmax(z)
        p = np.exp(log_p)
        below = np.array([max(p[p < p_k], default=0.0) for p_k in p])
        return -(q * (-np.expm1(log_p) + below) ** gamma * log_p).sum()

    return row


def poly1(coefficient):
    def row(z, q, y):
        log_p = log_softmax(z)
        return (q * (coefficient * -np.expm1(log_p) - log_p)).sum()

    return row


def logit_norm(temperature):
    def row(z, q, y):
        return cross_entropy(z / (max(np.sqrt((z**2).sum()) + 1e-7, 1e-2) * temperature), q, y)

    return row


def two_branches(alpha):
    """Of the tree {first, others: {all but the first}}, with weights that are not divided by their sum."""

    def row(z, q, y):
        log_p, near, far = log_softmax(z), np.exp(-alpha), np.exp(-2 * alpha)
        total = -near * q[0] * log_p[0]
        if len(z) > 1:
            top = z[1:].max()
            branch = top + np.log(np.exp(z[1:] - top).sum()) - z.max() - np.log(np.exp(z - z.max()).sum())
            total += (q[1:] * (-near * branch + far * (branch - log_p[1:]))).sum()
        return total

    return row


def forward_correction(rate):
    def row(z, q, y):
        others = len(z) - 1
        log_p = log_softmax(z)
        if not others:
            return 0.0
        return -(q * np.log((1 - rate) * np.exp(log_p) - rate / others * np.expm1(log_p))).sum()

    return row


def backward_correction(rate):
    def row(z, q, y):
        k = len(z)
        if k == 1:
            return 0.0
        transition = np.full((k, k), rate / (k - 1))
        np.fill_diagonal(transition, 1 - rate)
        return -(np.linalg.solve(transition.T, q) * log_softmax(z)).sum()

    return row


def bi_tempered(t1, t2):
    """With the normaliser by bisection."""

    def row(z, q, y):
        def powers(level):
            return (1 + (1 - t2) * (z - level)) ** (1 / (1 - t2))  # t2 > 1

        low, high = z.max(), z.max() + (len(z) ** (t2 - 1) - 1) / (t2 - 1) + 1
        for _ in range(200):
            middle = (low + high) / 2
            low, high = (middle, high) if powers(middle).sum() > 1 else (low, middle)
        p = powers(low)
        logs = [(x ** (1 - t1) - 1) / (1 - t1) for x in (q + 1e-10, p)]
        return (q * (logs[0] - logs[1]) - (q ** (2 - t1) - p ** (2 - t1)) / (2 - t1)).sum()

    return row


def symmetric(floor):
    def row(z, q, y):
        log_p = log_softmax(z)
        return -((q * log_p).sum() + (np.exp(log_p) * np.log(q + floor)).sum()) / 2

    return row


def virtual_teacher(share, temperature, right=0.99):
    def row(z, q, y):
        v = right * q + (1 - right) * (1 - q) / max(len(z) - 1, 1)
        log_t = log_softmax(v / temperature)
        log_p = log_softmax(z)
        return (1 - share) * -(q * log_p).sum() + share * (np.exp(log_t) * (log_t - log_p)).sum()

    return row


def self_distillation(share, temperature):
    """With a teacher whose logits are half of the model's."""

    def row(z, q, y):
        log_t, log_s = log_softmax(z / 2 / temperature), log_softmax(z / temperature)
        distance = temperature**2 * (np.exp(log_t) * (log_t - log_s)).sum()
        return (1 - share) * cross_entropy(z, q, y) + share * distance

    return row


def confidence(weight):
    def row(z, q, y):
        log_p = log_softmax(z)
        return weight * (np.exp(log_p) * log_p).sum()

    return row


def margin(weight, size):
    def row(z, q, y):
        return weight * np.maximum(0, z.max() - z - size).mean()

    return row


def max_suppression(weight):
    def row(z, q, y):
        return weight * (z.max() - z.mean())

    return row


def logit_penalty(weight):
    def row(z, q, y):
        return weight * (z**2).sum() / 2

    return row


def acls(weight, size):
    def row(z, q, y):
        top = int(z.argmax())
        others = np.delete(z, top)
        below = (np.maximum(0, z[top] - others - size) ** 2).sum() / max(len(others), 1)
        return weight * (max(0, z[top] - size) ** 2 + 0.1 * below)

    return row


def cpc(label_weight, other_weight):
    def cost(x):
        return np.logaddexp(0, -x)

    def of_label(z, y):
        k, others = len(z), np.delete(z, y)
        if k == 1:
            return 0.0
        total = label_weight * cost(z[y] - others).sum() / (k - 1)
        if k > 2:
            pairs = others[:, None] - others
            total += other_weight * cost(pairs).sum() / 2 / ((k - 1) * (k - 2))
        return total

    def row(z, q, y):
        return sum(q[k] * of_label(z, k) for k in np.flatnonzero(q))

    return row


def augmented_lagrangian(size, multiplier):
    """``phr``, with rho 1, before anything was learned."""

    def row(z, q, y):
        x = np.maximum(0, multiplier + (z.max() - z - size) / size)
        return ((x**2 - multiplier**2) / 2).mean()

    return row


def zipf(weight):
    def row(z, q, y):
        if len(z) < 2:
            return 0.0
        ranks = np.array([1 + (z > z_k).sum() for z_k in z])
        shares = np.delete(1 / ranks, y)
        shares = shares / shares.sum()
        return weight * (shares * (np.log(shares) - log_softmax(np.delete(z, y)))).sum()

    return row
