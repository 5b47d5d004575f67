"""Sets hold the label as often as promised, by the finite-sample quantile."""

import io
import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from smoothlab import InvalidArgument
from smoothlab.calibration import APS, RAPS, Split, sets_from_state
from smoothlab.calibration.conformal import conformal_quantile

KINDS = {
    "split": Split,
    "aps": APS,
    "raps": lambda alpha, by_class=False: RAPS(alpha, by_class, penalty=0.05, free=2),
}


@pytest.mark.parametrize("by_class", [False, True])
@pytest.mark.parametrize("rows", [25, 100])
@pytest.mark.parametrize("name", sorted(KINDS))
def test_the_coverage_is_at_least_what_was_promised_on_average_over_200_splits(drawn, name, rows, by_class):
    alpha, splits = 0.2, 200
    logits, labels = drawn(200 * splits // 10, 4, seed=0, factor=3.0)  # over-confident: the promise does not need it
    generator = torch.Generator().manual_seed(1)
    covered = []
    for _ in range(splits):
        order = torch.randperm(len(labels), generator=generator)
        fitted, new = order[:rows], order[rows : rows + 500]
        sets = KINDS[name](alpha, by_class).fit(logits[fitted], labels[fitted]).sets(logits[new])
        covered.append(float(sets.gather(1, labels[new].unsqueeze(1)).double().mean()))
    error = np.std(covered, ddof=1) / np.sqrt(splits)
    assert np.mean(covered) >= 1 - alpha - 3 * error
    if name == "split" and not by_class:  # whose sets are rarely empty, and so not filled: at most 1 / (n + 1) more
        assert np.mean(covered) <= 1 - alpha + 1 / (rows + 1) + 3 * error


def test_the_usual_quantile_without_the_correction_would_fall_short():
    """Of 5 scores and alpha 0.2, a new score is above the 4th smallest with probability 1/3, above the 5th 1/6."""
    generator = np.random.default_rng(0)
    draws = torch.from_numpy(generator.random((4000, 6)))
    ours = np.mean([float(row[5]) <= conformal_quantile(row[:5], 0.2) for row in draws])
    usual = np.mean([float(row[5]) <= float(torch.quantile(row[:5], 0.8)) for row in draws])
    assert ours == pytest.approx(5 / 6, abs=0.02)
    assert usual < 0.8


def test_the_quantile_by_hand():
    scores = torch.tensor([0.5, 0.1, 0.4, 0.2, 0.3, 0.9, 0.8, 0.7, 0.6])
    assert conformal_quantile(scores, 0.1) == pytest.approx(0.9)  # the 9th of 9: (9 + 1) * 0.9 exactly
    assert conformal_quantile(scores, 0.5) == pytest.approx(0.5)
    assert conformal_quantile(scores, 0.05) == np.inf
    assert conformal_quantile(scores[:0], 0.1) == np.inf


def test_the_scores_by_hand():
    p = torch.tensor([[0.2, 0.5, 0.3]], dtype=torch.float64)

    def score(sets):
        return sets.scores(p.log())[..., 0]

    torch.testing.assert_close(score(Split(0.1)), 1 - p)
    torch.testing.assert_close(score(APS(0.1)), torch.tensor([[1.0, 0.5, 0.8]], dtype=torch.float64))
    priced = score(RAPS(0.1, penalty=0.1, free=1))
    torch.testing.assert_close(priced, torch.tensor([[1.2, 0.5, 0.9]], dtype=torch.float64))


def exact_sets(name, powers, labels, new, alpha, by_class):
    """The sets by definition in fractions, of probabilities that are powers of 2 over their sum.

    What is left of the mass, or of 1, is known to nine digits: that is what equal means.
    """

    def scores(row):
        """Of each class the score, and how far a score may be above it to be equal."""
        parts = [Fraction(2) ** power for power in row]
        total, order = sum(parts), sorted(range(len(row)), key=lambda k: -row[k])
        if name == "split":
            return [(1 - part / total, part / total / 10**9) for part in parts]
        masses, left = [None] * len(row), Fraction(1)
        for rank, k in enumerate(order):
            left -= parts[k] / total
            masses[k] = 1 - left + (Fraction(0.05) * max(0, rank + 1 - 2) if name == "raps" else 0), left / 10**9
        return masses

    def quantile(known):
        rank = math.ceil((len(known) + 1) * (1 - alpha) - 1e-9)
        return sum(sorted(known)[rank - 1]) if rank <= len(known) else math.inf

    every = [(scores(row)[label], label) for row, label in zip(powers.tolist(), labels.tolist(), strict=True)]
    most = [quantile([s for s, label in every if label == k or not by_class]) for k in range(powers.shape[1])]
    rows = [[s <= q for (s, _), q in zip(scores(row), most, strict=True)] for row in new.tolist()]
    return torch.tensor(rows).scatter(1, new.argmax(1, keepdim=True), True)


@pytest.mark.parametrize("by_class", [False, True])
@pytest.mark.parametrize("scale", [2, 60])
@pytest.mark.parametrize("name", sorted(KINDS))
def test_over_confident_logits_get_the_sets_that_unrounded_scores_give(drawn, name, scale, by_class):
    logits, labels = drawn(80, 5, seed=5)
    powers = (logits * scale).round().long() + torch.randperm(5, generator=torch.Generator().manual_seed(0))
    logits = powers.double() * math.log(2)
    sets = KINDS[name](0.2, by_class).fit(logits[:60], labels[:60]).sets(logits[60:])
    assert sets.equal(exact_sets(name, powers[:60], labels[:60], powers[60:], 0.2, by_class))
    if not by_class and name != "aps":
        assert not bool(sets.all(1).any())


def test_class_conditional_sets_cover_a_rare_class_that_common_sets_give_up():
    generator = torch.Generator().manual_seed(0)

    def draw(rows):
        labels = (torch.rand(rows, generator=generator) < 0.1).long()
        score = torch.randn(rows, generator=generator) + labels - 2.0
        return torch.stack([torch.zeros(rows), score], 1), labels

    logits, labels = draw(3000)
    new, truth = draw(3000)
    rare = truth == 1

    def coverage(by_class):
        sets = Split(0.1, by_class).fit(logits, labels).sets(new)
        return float(sets[rare, 1].double().mean())

    assert coverage(False) < 0.5
    assert coverage(True) > 0.86


def test_a_class_without_enough_samples_is_in_every_set(drawn):
    logits, labels = drawn(50, 3, seed=2)
    common = labels < 2
    sets = Split(0.1, class_conditional=True).fit(logits[common], labels[common]).sets(logits)
    assert bool(sets[:, 2].all())


def test_no_set_is_empty():
    logits = torch.tensor([[9.0, 0.0]]).repeat(30, 1)
    sets = Split(0.3).fit(logits, torch.zeros(30, dtype=torch.long)).sets(torch.tensor([[0.1, 0.0]]))
    assert sets.tolist() == [[True, False]]


@pytest.mark.parametrize("name", sorted(KINDS))
def test_the_state_survives_a_checkpoint(drawn, name):
    logits, labels = drawn(60, 3, seed=3)
    fitted = KINDS[name](0.1, True).fit(logits, labels)
    file = io.BytesIO()
    torch.save(fitted.to_state(), file)
    file.seek(0)
    again = sets_from_state(torch.load(file, weights_only=True))
    assert again.sets(logits).equal(fitted.sets(logits))
    assert again.settings() == fitted.settings()


@pytest.mark.parametrize("alpha", [0, 1, -0.1, "a", True])
def test_another_alpha_is_refused(alpha):
    with pytest.raises(InvalidArgument, match="alpha = "):
        Split(alpha)


def test_sets_before_fit_say_so():
    with pytest.raises(InvalidArgument, match=r"fit\(\) before sets\(\)"):
        Split(0.1).sets(torch.zeros(1, 3))


def test_a_state_whose_scores_tied_is_refused():
    state = Split(0.1).fit(torch.zeros(30, 2), torch.zeros(30, dtype=torch.long)).to_state()
    with pytest.raises(InvalidArgument, match="format 2"):
        sets_from_state(state | {"format": 1, "thresholds": torch.zeros(2)})
