"""Readers, noise and sources change labels as they say."""

import numpy as np
import pytest
import torch
from synthetic_worlds import conditional, rows_of

from smoothlab.data.synthetic import Labelling
from smoothlab.errors import InvalidArgument

ROWS = 40_000


@pytest.mark.parametrize("noise", ["symmetric", "pair"])
def test_labels_change_with_the_rate_and_to_the_classes_that_the_noise_names(noise):
    clean, noisy = (
        rows_of(conditional(), ROWS, noise=kind).batch("train", 0, ROWS, truth=False) for kind in ("none", noise)
    )
    assert torch.equal(clean.features, noisy.features)
    moved = torch.zeros(4, 4).index_put((clean.labels, noisy.labels), torch.ones(ROWS), accumulate=True)
    moved /= moved.sum(1, keepdim=True)
    other = torch.full((4, 4), 1 / 3).fill_diagonal_(0) if noise == "symmetric" else torch.eye(4).roll(1, 1)
    torch.testing.assert_close(moved, 0.8 * torch.eye(4) + 0.2 * other, atol=0.012, rtol=0)


@pytest.mark.parametrize("noise", ["symmetric", "pair"])
@pytest.mark.parametrize("sources", [1, 3])
def test_the_posterior_of_noisy_labels_and_that_of_the_classes_are_both_right(noise, sources):
    rows = rows_of(conditional(), ROWS, noise=noise, noise_rate=0.3, sources=sources)
    batch = rows.batch("train", 0, ROWS, truth=True)
    classes = torch.from_numpy(rows.frame("train", 0, ROWS)["class"].str[-1].astype(int).to_numpy() - 1)
    for labels, name in ((batch.labels, "posterior"), (classes, "clean_posterior")):
        p = batch.metadata[name].double()
        for k in range(4):
            for members in p[:, k].argsort().tensor_split(8):
                claimed = p[members, k]
                error = (claimed * (1 - claimed)).sum().sqrt() / len(members)
                assert abs((labels[members] == k).double().mean() - claimed.mean()) < 4.5 * error
    assert (batch.labels != classes).double().mean() == pytest.approx(0.3, abs=0.01)


def test_splits_without_noise_are_judged_by_the_classes_themselves():
    rows = rows_of(conditional(), noise="pair", counts={"test": 2000})
    test = rows.batch("test", 0, 2000, truth=True)
    assert "clean_posterior" not in test.metadata
    assert rows.frame("test", 0, 2000)["label"].equals(rows.frame("test", 0, 2000)["class"].rename("label"))
    assert "clean_posterior" in rows.batch("train", 0, 10, truth=True).metadata


def test_sources_err_at_rates_from_none_to_twice_the_mean():
    rows = rows_of(conditional(), ROWS, noise="symmetric", noise_rate=0.25, sources=3)
    frame, source = rows.frame("train", 0, ROWS), rows.batch("train", 0, ROWS, truth=False).metadata["source"]
    wrong = (frame["label"] != frame["class"]).to_numpy()
    for label, rate in enumerate((0.0, 0.25, 0.5)):
        assert wrong[source.numpy() == label].mean() == pytest.approx(rate, abs=0.012)
        assert (source == label).double().mean() == pytest.approx(1 / 3, abs=0.01)


@pytest.mark.parametrize("noise", ["none", "symmetric"])
def test_the_expectation_of_the_votes_is_the_posterior(noise):
    """Averaged over rows by their posterior, shares of votes are what the posterior is; so is their variance."""
    rows = rows_of(conditional(), ROWS, noise=noise, readers=5, label="votes")
    batch = rows.batch("train", 0, ROWS, truth=True)
    votes, p = batch.labels.double(), batch.metadata["posterior"].double()
    torch.testing.assert_close(votes.sum(1), torch.ones(ROWS, dtype=torch.double), atol=1e-6, rtol=0)
    for k in range(4):
        for members in p[:, k].argsort().tensor_split(10):
            claimed = p[members, k]
            spread = (claimed * (1 - claimed)).sum().sqrt() / len(members) / 5**0.5
            assert abs(votes[members, k].mean() - claimed.mean()) < 4.5 * spread
    expected = (p * (1 - p) / 5).sum()
    assert float((votes - p).square().sum()) == pytest.approx(float(expected), rel=0.03)


def test_agreement_is_the_share_of_the_most_frequent_answer():
    rows = rows_of(conditional(), readers=5, label="votes")
    batch = rows.batch("train", 0, 500, truth=False)
    torch.testing.assert_close(batch.metadata["agreement"], batch.labels.amax(1))
    assert set(np.round(batch.metadata["agreement"].numpy() * 5).astype(int)) <= {2, 3, 4, 5}
    first = rows_of(conditional(), readers=5).batch("train", 0, 500, truth=False)
    assert first.labels.dtype == torch.int64
    assert (batch.labels.gather(1, first.labels.unsqueeze(1)) > 0).all()  # the first reader is one of the five
    assert "agreement" not in rows_of(conditional()).batch("train", 0, 5, truth=False).metadata


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"noise_rate": 1.0, "noise": "pair"}, r"noise_rate = 1.0: expected a number in \[0, 1\)"),
        ({"noise_rate": 0.6, "noise": "pair", "sources": 2}, r"noise_rate = 0.6: expected a number in \[0, 0.5\]"),
        ({"noise": "instance"}, "noise = 'instance': expected none, symmetric or pair"),
        ({"readers": 0}, "readers = 0"),
        ({"sources": 0}, "sources = 0"),
    ],
)
def test_arguments_out_of_range_are_named(changes, message):
    arguments = {"noise": "none", "noise_rate": 0.2, "sources": 1, "readers": 1} | changes
    with pytest.raises(InvalidArgument, match=message):
        Labelling(4, **arguments)


def test_votes_need_readers():
    with pytest.raises(InvalidArgument, match="readers = 1: expected at least 2"):
        rows_of(conditional(), label="votes")
