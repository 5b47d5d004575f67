"""How good translations are: BLEU, chrF and exact matches, with intervals over sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from smoothlab.errors import InvalidArgument, UserMistake
from smoothlab.metrics.inputs import Array
from smoothlab.metrics.intervals import percentile_interval

NAMES = ("bleu", "chrf", "exact_match", "length_ratio")
TOKENIZERS = ("13a", "intl", "char", "zh", "none")
ORDER = 4  # the longest n-grams of BLEU


@dataclass(frozen=True)
class TranslationQuality:
    """Translations beside one reference each; BLEU and chrF are those of sacrebleu, in [0, 100].

    BLEU of a set is made of the n-gram counts of all its sentences, so that it is no mean of the sentences' BLEU. The
    BLEU of a single sentence counts the lengths of n-grams that it has.

    Args:
        translations: N texts.
        references: N texts.
        lowercase: whether upper and lower case are one.
        tokenize: how sacrebleu cuts texts into words: ``13a`` (its default), ``intl``, ``char``, ``zh``, ``none``.

    Raises:
        InvalidArgument: different numbers of texts, no text, or no such way to cut.
        UserMistake: sacrebleu is not installed.

    Sources: Papineni et al., "BLEU", ACL 2002; Popović, "chrF", WMT 2015; Post, "A Call for Clarity in Reporting BLEU
    Scores", WMT 2018.
    """

    translations: Sequence[str]
    references: Sequence[str]
    lowercase: bool = False
    tokenize: str = "13a"

    def __post_init__(self) -> None:
        check_tokenizer("tokenize", self.tokenize)
        if len(self.translations) != len(self.references) or not len(self.references):
            expected = f"as many as there are references, {len(self.references)}, and at least 1"
            raise InvalidArgument("translations", len(self.translations), expected)

    def metrics(self) -> dict[str, float]:
        """``bleu``, ``chrf``, the share of ``exact_match``, and ``length_ratio`` (words over those of references)."""
        chrf = sacrebleu().CHRF(lowercase=self.lowercase)
        totals = self._counts.sum(0)
        return {
            "bleu": self._bleu_of(totals),
            "chrf": float(chrf.corpus_score(list(self.translations), [list(self.references)]).score),
            "exact_match": float(self.exact.mean()),
            "length_ratio": float(totals[-2] / max(totals[-1], 1.0)),
        }

    @cached_property
    def exact(self) -> Array:
        """(N,) 1.0 where a translation is its reference, but for white space around it."""

        def same(text: str) -> str:
            return text.strip().lower() if self.lowercase else text.strip()

        pairs = zip(self.translations, self.references, strict=True)
        return np.array([float(same(ours) == same(theirs)) for ours, theirs in pairs])

    @cached_property
    def sentence_bleu(self) -> Array:
        """(N,) BLEU of each sentence, in [0, 100]."""
        return self._scored[0]

    @property
    def signature(self) -> dict[str, str]:
        """sacrebleu's signatures: what makes two BLEUs, and two chrFs, comparable."""
        bleu, chrf = self._metric(), sacrebleu().CHRF(lowercase=self.lowercase)
        for metric in (bleu, chrf):  # the number of references is known once there was a score
            metric.corpus_score([self.translations[0]], [[self.references[0]]])
        return {"bleu": str(bleu.get_signature()), "chrf": str(chrf.get_signature())}

    def intervals(self, *, level: float = 0.95, resamples: int = 400, seed: int = 0) -> dict[str, list[float]]:
        """Percentile intervals of ``bleu`` and ``exact_match`` over resampled sentences.

        Source: Koehn, "Statistical Significance Tests for Machine Translation Evaluation", EMNLP 2004.
        """
        random, size = np.random.default_rng(seed), len(self.references)
        drawn = np.stack([np.bincount(random.integers(0, size, size), minlength=size) for _ in range(resamples)])
        bleu = [self._bleu_of(totals) for totals in drawn @ self._counts]
        tail = 50 * (1 - level)
        return {
            name: [of.low, of.high]
            for name, of in (
                ("bleu", percentile_interval(self._bleu_of(self._counts.sum(0)), np.array(bleu), tail)),
                ("exact_match", percentile_interval(float(self.exact.mean()), drawn @ self.exact / size, tail)),
            )
        }

    def part(self, index: Sequence[int]) -> TranslationQuality:
        """Some of the sentences."""
        translations, references = ([texts[i] for i in index] for texts in (self.translations, self.references))
        return TranslationQuality(translations, references, self.lowercase, self.tokenize)

    def _metric(self, **options: Any) -> Any:
        return sacrebleu().BLEU(lowercase=self.lowercase, tokenize=self.tokenize, **options)

    @property
    def _counts(self) -> Array:
        """(N, 2 * ORDER + 2): n-grams that are right and all, then words of translation and reference."""
        return self._scored[1]

    @cached_property
    def _scored(self) -> tuple[Array, Array]:
        metric, bleu, counts = self._metric(effective_order=True), [], []
        for translation, reference in zip(self.translations, self.references, strict=True):
            result = metric.sentence_score(translation, [reference])
            bleu.append(result.score)
            counts.append([*result.counts, *result.totals, result.sys_len, result.ref_len])
        return np.array(bleu), np.array(counts, dtype=np.float64)

    def _bleu_of(self, totals: Array) -> float:
        counts = totals.round().astype(int).tolist()
        result = sacrebleu().BLEU.compute_bleu(
            correct=counts[:ORDER],
            total=counts[ORDER : 2 * ORDER],
            sys_len=counts[-2],
            ref_len=counts[-1],
            smooth_method="exp",
            effective_order=False,
        )
        return float(result.score)


def check_tokenizer(name: str, value: str) -> None:
    """Refuse what sacrebleu is not asked to cut words by.

    Raises:
        InvalidArgument: no such way.
    """
    if value not in TOKENIZERS:
        raise InvalidArgument(name, value, f"one of {', '.join(TOKENIZERS)}")


def sacrebleu() -> Any:
    """The metrics of sacrebleu.

    Raises:
        UserMistake: it is not installed.
    """
    try:
        from sacrebleu import metrics
    except ImportError:
        raise UserMistake(
            "BLEU needs the package sacrebleu, which is not installed: pip install 'smoothlab[translation]'"
        ) from None
    return metrics
