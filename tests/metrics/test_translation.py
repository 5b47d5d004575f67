"""BLEU and its companions beside sacrebleu's own, and what is left of predictions that are too many to keep."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from smoothlab import InvalidArgument, metrics
from smoothlab.metrics import ClassificationMetrics
from smoothlab.metrics.prediction import ReducedPrediction, reduce_rows
from smoothlab.metrics.summary import BY_CLASS, OF_PREDICTED, metrics_of_predicted
from smoothlab.metrics.translation import TranslationQuality

WORDS = ["ein", "Mann", "mit", "rotem", "Hut", "fährt", "auf", "dem", "Rad", "durch", "Stadt", "und", "singt", "."]


def sentences(seed=0, count=60):
    random = np.random.default_rng(seed)
    references = [" ".join(random.choice(WORDS, random.integers(3, 14))) for _ in range(count)]
    translations = [
        " ".join(
            random.choice(WORDS) if random.random() < 0.2 else word
            for word in reference.split()[: random.integers(3, 16)]
        )
        for reference in references
    ]
    return translations, references


@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("tokenize", ["13a", "char"])
def test_scores_are_those_of_sacrebleu(lowercase, tokenize):
    library = pytest.importorskip("sacrebleu.metrics")
    translations, references = sentences()
    translations[3] = references[3].upper()
    quality = TranslationQuality(translations, references, lowercase, tokenize)
    bleu = library.BLEU(lowercase=lowercase, tokenize=tokenize)
    assert quality.metrics()["bleu"] == pytest.approx(bleu.corpus_score(translations, [references]).score, abs=1e-9)
    chrf = library.CHRF(lowercase=lowercase).corpus_score(translations, [references]).score
    assert quality.metrics()["chrf"] == pytest.approx(chrf)
    single = library.BLEU(lowercase=lowercase, tokenize=tokenize, effective_order=True)
    assert quality.sentence_bleu[5] == pytest.approx(single.sentence_score(translations[5], [references[5]]).score)
    assert f"tok:{tokenize}" in quality.signature["bleu"]
    assert ("case:lc" in quality.signature["bleu"]) is lowercase
    assert quality.exact[3] == float(lowercase)


def test_perfect_translations_get_a_hundred_and_empty_ones_nothing():
    _, references = sentences()
    perfect = TranslationQuality(references, references).metrics()
    assert perfect == pytest.approx({"bleu": 100.0, "chrf": 100.0, "exact_match": 1.0, "length_ratio": 1.0})
    nothing = TranslationQuality([""] * len(references), references).metrics()
    assert nothing == {"bleu": 0.0, "chrf": 0.0, "exact_match": 0.0, "length_ratio": 0.0}


def test_intervals_hold_the_estimate_and_narrow_with_the_number_of_sentences():
    few, many = (TranslationQuality(*sentences(1, count)) for count in (30, 300))
    widths = []
    for quality in (few, many):
        low, high = quality.intervals(resamples=200)["bleu"]
        assert low < quality.metrics()["bleu"] < high
        widths.append(high - low)
    assert widths[0] > 1.8 * widths[1]
    assert few.intervals(resamples=50, seed=3) == few.intervals(resamples=50, seed=3)


def test_part_of_the_sentences_is_a_set_of_its_own():
    translations, references = sentences()
    part = TranslationQuality(translations, references).part([0, 4, 7])
    assert (
        part.metrics()
        == TranslationQuality([translations[i] for i in (0, 4, 7)], [references[i] for i in (0, 4, 7)]).metrics()
    )


def test_bad_arguments_are_refused():
    with pytest.raises(InvalidArgument, match="translations = 1"):
        TranslationQuality(["a"], ["a", "b"])
    with pytest.raises(InvalidArgument, match="at least 1"):
        TranslationQuality([], [])
    with pytest.raises(InvalidArgument, match="tokenize = 'words'"):
        TranslationQuality(["a"], ["a"], tokenize="words")


@pytest.mark.parametrize("classes", [3, 500])
def test_reduced_predictions_give_the_metrics_of_whole_ones(classes):
    random = torch.Generator().manual_seed(classes)
    logits = 3 * torch.randn(400, classes, generator=random, dtype=torch.float64)
    labels = torch.where(
        torch.rand(400, generator=random) < 0.6, logits.argmax(1), torch.randint(classes, (400,), generator=random)
    )
    reduced_rows = reduce_rows(logits, labels, from_logits=True)
    assert reduced_rows.pop("predicted").tolist() == logits.argmax(1).tolist()
    reduced = ReducedPrediction(**reduced_rows)
    whole = metrics.classification_metrics(logits, labels, from_logits=True)
    values = metrics_of_predicted(reduced, 15)
    assert values == pytest.approx({name: whole[name] for name in OF_PREDICTED}, abs=1e-12)
    assert set(whole) - set(values) == set(BY_CLASS)
    names = ("nll", "ece", "aurc")
    of_whole = metrics.bootstrap(logits, labels, from_logits=True, metrics=names, resamples=20)
    of_reduced = metrics.bootstrap(reduced, None, from_logits=True, metrics=names, resamples=20)
    for name in names:
        assert of_reduced[name].low == pytest.approx(of_whole[name].low, abs=1e-9)
    assert reduced.part(slice(0, 7)).nll.tolist() == reduced.nll[:7].tolist()


def test_streaming_without_classes_counts_what_it_counts_with_them():
    random = np.random.default_rng(0)
    logits, labels = random.normal(size=(300, 40)), random.integers(0, 40, 300)
    small, whole = (ClassificationMetrics(40, by_class=chosen) for chosen in (False, True))
    for metric in (small, whole):
        metric.update(logits[:100], labels[:100])
        metric.update(logits[100:], labels[100:])
    assert small.compute() == {name: value for name, value in whole.compute().items() if name not in BY_CLASS}
    assert small.sums.numel() < whole.sums.numel() / 10
    with pytest.raises(InvalidArgument, match="expected 40 classes"):
        small.update(logits[:, :5], labels % 5)
    assert list(ClassificationMetrics(40, by_class=False)._running().metrics()) == list(OF_PREDICTED)  # of nothing
