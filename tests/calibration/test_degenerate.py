"""Every public calibrator and conformal set on degenerate data: a number in every cell, or an error that names it."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from smoothlab import InvalidArgument, calibration
from smoothlab.calibration import (
    APS,
    RAPS,
    Beta,
    Calibrator,
    ConformalSets,
    Dirichlet,
    EachAnswer,
    Histogram,
    Isotonic,
    LogitNormalisation,
    MatrixScaling,
    Split,
    Temperature,
    Unsmooth,
    VectorScaling,
)

MAKERS = {
    Beta: Beta,
    Dirichlet: lambda: Dirichlet(0.01),
    EachAnswer: lambda: EachAnswer(Temperature()),
    Histogram: Histogram,
    Isotonic: Isotonic,
    LogitNormalisation: LogitNormalisation,
    MatrixScaling: lambda: MatrixScaling(0.01),
    Temperature: Temperature,
    Unsmooth: lambda: Unsmooth(0.1),
    VectorScaling: lambda: VectorScaling(0.01),
}
SLOW = {Dirichlet, MatrixScaling, VectorScaling}  # with K numbers or K * K to fit
SETS = {Split: Split, APS: APS, RAPS: lambda alpha, by_class: RAPS(alpha, by_class, penalty=0.05, free=2)}
KINDS = ("equal", "equal_rows", "certain", "ties", "drawn", "small")


@st.composite
def tables(draw, sizes=(1, 2, 3, 20, 1000), counts=(0, 1, 2, 5, 30)):
    size, n = draw(st.sampled_from(sizes)), draw(st.sampled_from(counts))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(KINDS))
    logits = torch.randn(n, size, generator=generator, dtype=torch.float64)
    logits = {
        "equal": torch.zeros_like(logits),
        "equal_rows": logits[:1].expand(n, size).clone(),
        "certain": logits * 1000,
        "ties": logits.round(),
        "drawn": logits * 3,
        "small": logits * 1e-3,
    }[kind]
    labels = torch.randint(size, (n,), generator=generator) if draw(st.booleans()) else torch.zeros(n, dtype=torch.long)
    return logits.to(draw(st.sampled_from([torch.float32, torch.float64]))), labels


def test_no_public_calibrator_or_set_is_left_out():
    public = [getattr(calibration, name) for name in calibration.__all__]
    classes = {member for member in public if inspect.isclass(member) and not inspect.isabstract(member)}
    assert {public_class for public_class in classes if issubclass(public_class, Calibrator)} == {*MAKERS, Calibrator}
    assert {public_class for public_class in classes if issubclass(public_class, ConformalSets)} == {
        *SETS,
        ConformalSets,
    }


@pytest.mark.parametrize("kind", MAKERS, ids=lambda kind: kind.__name__)
@given(tables())
def test_a_calibrator_gives_distributions_or_an_error_that_names_the_argument(kind, table):
    logits, labels = table
    if kind in SLOW:
        logits, labels = logits[:8, :4], labels[:8] % 4
    truth = torch.nn.functional.one_hot(labels, logits.shape[1]).double() if kind is EachAnswer else labels
    try:
        after = MAKERS[kind]().fit(logits, truth)(logits)
    except InvalidArgument:
        few = {LogitNormalisation: 3}.get(kind, 1 if kind is EachAnswer else 2)
        assert not len(labels) or logits.shape[1] < few or (kind is Beta and logits.shape[1] != 2)
        return
    assert after.shape == logits.shape
    assert after.dtype == logits.dtype
    assert bool(after.isfinite().all())


@given(tables(sizes=(2, 3, 20), counts=(1, 2, 5, 30)))
def test_a_temperature_is_as_good_as_any_of_a_grid(table):
    logits, labels = table
    if bool((logits.gather(1, labels[:, None])[:, 0] == logits.amax(1)).all()):  # no optimum: see Temperature
        return
    fitted = Temperature().fit(logits, labels)
    nll = torch.nn.functional.cross_entropy
    least = min(float(nll(logits.double() / t, labels)) for t in np.geomspace(0.05, 20, 41))
    # Of logits that tell no more than chance, T stays where all classes are equally likely to four digits.
    slack = 1e-4 if least >= math.log(logits.shape[1]) else 1e-6 * max(1.0, least)
    assert float(nll(fitted(logits.double()), labels)) <= least + slack


@given(tables(sizes=(2, 3, 20), counts=(1, 2, 5, 30)))
def test_a_histogram_gives_groups_their_rates(table):
    """As many bins as samples: each group of equal probabilities is a bin, less those that are joined at the middle."""
    logits, labels = table
    calibrated = Histogram(num_bins=10_000, floor=0).fit(logits, labels)(logits).double().softmax(1)
    p = torch.softmax(logits.double(), 1).numpy()
    rates = np.empty_like(p)
    for k in range(p.shape[1]) if p.shape[1] > 2 else [1]:  # two classes have one curve, of the second
        log_odds = np.log(p[:, k] + 1e-300) - np.log(1 - p[:, k] + 1e-10)
        near = (np.abs(log_odds[:, None] - log_odds) <= 1e-6).astype(np.float64)
        rates[:, k] = near @ (labels.numpy() == k) / near.sum(1)
    if p.shape[1] == 2:
        rates[:, 0] = 1 - rates[:, 1]
    rates = np.maximum(rates, 1e-12)
    np.testing.assert_allclose(calibrated.numpy(), rates / rates.sum(1, keepdims=True), atol=1e-6)


@given(tables(sizes=(2,), counts=(1, 2, 5, 30)))
def test_an_isotonic_curve_is_scikit_learns(table):
    logits, labels = table
    logits = logits.clamp(-20, 20)
    calibrated = Isotonic(floor=0).fit(logits, labels)(logits).double().softmax(1)[:, 1].numpy()
    p = torch.softmax(logits.double(), 1)[:, 1].numpy().round(12)
    expected = IsotonicRegression(y_min=0, y_max=1).fit(p, labels.numpy()).predict(p)
    np.testing.assert_allclose(calibrated, expected, atol=1e-5)


@pytest.mark.parametrize("by_class", [False, True])
@pytest.mark.parametrize("kind", SETS, ids=lambda kind: kind.__name__)
@given(tables(), st.sampled_from([0.05, 0.2, 0.5]))
def test_sets_are_those_of_the_definition_or_an_error_that_names_the_argument(kind, by_class, table, alpha):
    logits, labels = table
    try:
        sets = SETS[kind](alpha, by_class).fit(logits, labels).sets(logits)
    except InvalidArgument:
        assert not len(labels) or logits.shape[1] < 2
        return
    if logits.abs().max() > 20:  # where 1 - p rounds to 1: see test_conformal
        return
    p = torch.softmax(logits.double(), 1).numpy()
    score = np.empty_like(p)
    for i, row in enumerate(p):
        for rank, k in enumerate(np.argsort(-row, kind="stable")):
            price = 0.05 * max(0, rank - 1) if kind is RAPS else 0
            score[i, k] = 1 - row[k] if kind is Split else row[row > row[k]].sum() + row[k] + price
    own = score[np.arange(len(labels)), labels.numpy()]
    if kind is not Split and len(np.unique(p.round(12))) < p.size:  # the order of equal classes is the sort's
        return
    for k in range(p.shape[1]):
        known = np.sort(own[labels.numpy() == k] if by_class else own)
        rank = math.ceil((len(known) + 1) * (1 - alpha) - 1e-9)
        most = known[rank - 1] if rank <= len(known) else math.inf
        expected = (score[:, k] <= most + 1e-9) | (p.argmax(1) == k)
        close = np.abs(score[:, k] - most) < 2e-9
        assert (sets[:, k].numpy() == expected)[~close].all()
