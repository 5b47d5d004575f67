"""The posterior that synthetic rows claim is the one that their labels follow."""

import numpy as np
import pytest
import torch
from scipy.stats import norm
from synthetic_worlds import WORLDS, conditional, ordinal, rows_of

from smoothlab.data.synthetic.draws import uniforms

NORMAL = 4.5  # standard errors within which every one of some hundred comparisons is, in seeds that are not unlucky


def check_calibrated(labels: torch.Tensor, posterior: torch.Tensor) -> None:
    """In each bin of each class's probability the labels are as frequent as the probability says."""
    p = posterior.double()
    for k in range(p.shape[1]):
        hits = (labels == k).double()
        for members in p[:, k].argsort().tensor_split(12):
            claimed = p[members, k]
            error = (claimed * (1 - claimed)).sum().sqrt() / len(members)
            assert abs(hits[members].mean() - claimed.mean()) < NORMAL * error + 1e-6


@pytest.mark.parametrize("world", WORLDS)
def test_labels_are_as_frequent_as_the_posterior_says(world):
    batch = rows_of(WORLDS[world](), counts={"test": 40_000}).batch("test", 0, 40_000, truth=True)
    torch.testing.assert_close(batch.metadata["posterior"].sum(1), torch.ones(40_000))
    check_calibrated(batch.labels, batch.metadata["posterior"])


@pytest.mark.parametrize("world", ["drifting", "drifting_ordinal"])
def test_the_posterior_of_a_drifting_world_is_that_of_the_moment(world):
    """In a late slice of the time the posterior of that time is calibrated and that of the beginning is not."""
    domain = WORLDS[world]()
    time = np.full(40_000, 0.9)
    drawn = domain.draw(uniforms(3, "world", 0, 40_000, domain.draws), time)
    labels = torch.from_numpy(drawn.classes)
    check_calibrated(labels, torch.from_numpy(domain.posterior(drawn.numeric, drawn.codes, time)))
    with pytest.raises(AssertionError):
        check_calibrated(labels, torch.from_numpy(domain.posterior(drawn.numeric, drawn.codes, 0 * time)))


def test_it_is_bayes_rule_with_scipys_densities():
    domain = conditional(drift=1.5)
    batch = rows_of(domain).frame("train", 500, 520)
    words = [list(those) for those in domain.words.values()]
    for _, row in batch.iterrows():
        joint = []
        for k in range(4):
            mean = domain.means[k] + row["time"] * domain.paths[k]
            density = (
                domain.shares[k]
                * norm.pdf(row[domain.numeric_names].to_numpy(dtype=float), mean, domain.deviations[k]).prod()
            )
            for name, those, shares in zip(domain.words, words, domain.category_shares, strict=True):
                density *= shares[k, those.index(row[name])]
            joint.append(density)
        claimed = row[[f"true_{name}" for name in domain.class_names]].to_numpy(dtype=float)
        np.testing.assert_allclose(claimed, np.array(joint) / sum(joint), rtol=1e-10)


def test_labels_near_a_point_of_a_large_sample_are_as_its_posterior_says():
    """Brute force: no formula but counting, among a million rows, those that look like one row."""
    domain = conditional(features=2, categories=[2])
    drawn = domain.draw(uniforms(1, "world", 0, 1_000_000, domain.draws), np.zeros(1_000_000))
    point = np.array([[0.3, -0.4]])
    near = (np.abs(drawn.numeric - point).max(axis=1) < 0.1) & (drawn.codes[:, 0] == 1)
    assert near.sum() > 1000
    counted = np.bincount(drawn.classes[near], minlength=4) / near.sum()
    claimed = domain.posterior(point, np.array([[1]]), np.zeros(1))[0]
    errors = np.sqrt(claimed * (1 - claimed) / near.sum())
    assert (np.abs(counted - claimed) < 4 * errors + 0.004).all()  # 0.004: the posterior changes within the window


@pytest.mark.parametrize("world", ["class_conditional", "ordinal"])
def test_classes_have_the_shares_that_the_imbalance_says(world):
    domain = WORLDS[world]()
    drawn = domain.draw(uniforms(1, "world", 0, 200_000, domain.draws), np.full(200_000, 0.5))
    counted = np.bincount(drawn.classes, minlength=4) / 200_000
    np.testing.assert_allclose(counted, domain.shares, atol=0.004 if world == "class_conditional" else 0.02)
    assert domain.shares[0] / domain.shares[3] == pytest.approx(3)


def test_grades_are_cut_from_a_score_in_their_order():
    domain = ordinal()
    low, high = (np.sign(sign) * 9 * domain.weights[None] for sign in (-1, 1))
    codes, time = np.zeros((1, 2), dtype=np.int64), np.zeros(1)
    assert domain.posterior(low, codes, time).argmax() == 0
    assert domain.posterior(high, codes, time).argmax() == 3
    assert domain.class_order
    far = domain.posterior(high * 5, codes, time)
    assert (far > 0).all()  # the small probability of a middle grade is no difference of two ones
    assert far.sum() == pytest.approx(1)


def test_near_relatives_are_confused_most():
    domain = conditional(classes=9, depth=2, features=6, separation=2.5)
    batch = rows_of(domain).batch("train", 0, 2000, truth=False)
    truth = rows_of(domain).batch("train", 0, 2000, truth=True).metadata["posterior"]
    tree, k = domain.class_tree, torch.arange(9)
    assert tree is not None
    apart = tree.distances(tree.nodes(domain.class_names))
    other = truth[batch.labels == truth.argmax(1)]
    mean = torch.stack([other[other.argmax(1) == y].mean(0) for y in k])
    assert mean[apart == 1].mean() > 3 * mean[apart == 2].mean()
