"""What translations are worth: the tokens given the true words before them, and the decoded sentences as wholes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from torch import Tensor

from smoothlab.data.batch import TRUTH
from smoothlab.metrics.prediction import ReducedPrediction
from smoothlab.metrics.summary import metrics_of_predicted
from smoothlab.metrics.translation import TranslationQuality
from smoothlab.rundir.atomic import make_folders, write_atomically
from smoothlab.scoring.scores import LEVEL, against_truth, defined, intervals_by_unit
from smoothlab.scoring.slices import cut
from smoothlab.tasks.translation import perplexity

REDUCED = ("confidence", "correct", "nll", "brier")
OF_TOKENS = (*REDUCED, "predicted", "labels", "rows", "sequence", "position")
OF_SENTENCES = ("sentences", "log_probabilities", "lengths")
OF_SLICES = ("bleu", "chrf", "exact_match", "nll", "accuracy", "ece", "confidence_gap")
SAMPLES = 20


@dataclass
class TranslationScores:
    """A split's tokens and sentences, and what they are worth.

    Args:
        tokens: of each target token, by the names of ``OF_TOKENS``, ``(M,)`` each; in the order of their sentences.
        sentences: a row each, in the order of the source: ``row`` (in its file), ``source``, ``reference``,
            ``translation``, ``log_probability``, ``length`` (tokens with the end), ``confidence`` (the geometric mean
            of the tokens' probabilities) and ``bleu`` of the sentence.
        quality: of the sentences.
        metrics: by name.
        num_bins: bins of the calibration errors.
        slices: place, ``rows`` (sentences) and metrics of each slice, where the task tells them apart.
        sliced_by: the sentences' column that it does so by.
    """

    tokens: dict[str, np.ndarray]
    sentences: pd.DataFrame
    quality: TranslationQuality
    metrics: dict[str, float]
    num_bins: int
    slices: Sequence[dict[str, Any]] = ()
    sliced_by: str = ""
    precision: str = "exact"
    kind: ClassVar[str] = "translation"

    @classmethod
    def of(cls, parts: Sequence[Mapping[str, Any]], task: Any, data: Any, split: str) -> TranslationScores:
        """Scores of what ``predict_step`` returned batch by batch, and the texts that the data have of a split."""
        tokens = {name: torch.cat([part[name] for part in parts]).numpy() for name in OF_TOKENS}
        order = np.lexsort((tokens["position"], tokens["sequence"]))
        truth = {}
        if "logits" in parts[0]:
            logits = torch.cat([part["logits"] for part in parts])
            posteriors = {name: torch.cat([part[name] for part in parts]) for name in TRUTH if name in parts[0]}
            truth = against_truth(logits, posteriors)
        made = {name: torch.cat([part[name] for part in parts]) for name in OF_SENTENCES}
        texts = task.encoder.decode_all([sentence for part in parts for sentence in part["tokens"]])
        by_row = made["sentences"].argsort()
        translations = [texts[index] for index in by_row.tolist()]
        references = list(data.references(split))
        quality = TranslationQuality(translations, references, task.scoring.lowercase, task.scoring.tokenize)
        log_probability, length = (made[name][by_row].double().numpy() for name in OF_SENTENCES[1:])
        sentences = pd.DataFrame(
            {
                "row": list(data.row_numbers(split)),
                "source": list(data.sources(split)),
                "reference": references,
                "translation": translations,
                "log_probability": log_probability,
                "length": length.astype(np.int64),
                "confidence": np.exp(log_probability / np.maximum(length, 1)),
                "bleu": quality.sentence_bleu,
            }
        )
        scores = cls({name: values[order] for name, values in tokens.items()}, sentences, quality, {}, task.num_bins)
        scores.metrics = defined(scores._judged() | truth)
        if task.slices is not None:
            column = data.sentence_metadata(split).get(task.slices)
            if column is not None:
                scores.slices, scores.sliced_by = scores._sliced(column, task), task.slices
        return scores

    @property
    def reduced(self) -> ReducedPrediction:
        """The tokens, for metrics and figures."""
        return ReducedPrediction(*(self.tokens[name] for name in REDUCED))

    def _judged(self) -> dict[str, float]:
        of_tokens = metrics_of_predicted(self.reduced, self.num_bins)
        confidence, bleu = (self.sentences[name].to_numpy() for name in ("confidence", "bleu"))
        varied = min(np.ptp(confidence), np.ptp(bleu)) > 0
        return {
            "nll": of_tokens["nll"],
            "perplexity": perplexity(of_tokens["nll"]),
            **of_tokens,
            **self.quality.metrics(),
            "sequence_confidence": float(confidence.mean()),
            "sequence_bleu": float(bleu.mean()),
            "sequence_spearman": float(spearmanr(confidence, bleu).statistic) if varied else math.nan,
        }

    def _sliced(self, column: Tensor, task: Any) -> list[dict[str, Any]]:
        rows = []
        for part in cut(column, task.num_slices):
            index = part.index.numpy()
            within = np.isin(self.tokens["sequence"], index)
            metrics = metrics_of_predicted(self.reduced.part(within), self.num_bins)
            metrics |= self.quality.part(index.tolist()).metrics()
            rows.append({**part.place, "rows": len(index)} | defined({name: metrics[name] for name in OF_SLICES}))
        return rows

    def uncertainty(self) -> dict[str, Any]:
        """How sure the metrics are, with whole sentences as the units that vary; and what BLEU and chrF are of."""
        _, place = np.unique(self.tokens["sequence"], return_inverse=True)
        gap = self.tokens["confidence"] - self.tokens["correct"]
        each = {"nll": self.tokens["nll"], "accuracy": self.tokens["correct"], "confidence_gap": gap}
        each["brier"] = self.tokens["brier"]
        sums = {name: np.bincount(place, values) for name, values in each.items()}
        intervals = intervals_by_unit(sums, np.bincount(place)) | self.quality.intervals(level=LEVEL)
        return {"level": LEVEL, "intervals": intervals, "signatures": self.quality.signature}

    def decomposition(self) -> dict[str, dict[str, float]]:
        """Nothing: the logits of tokens are not kept."""
        return {}

    def by_label(self, names: Sequence[str]) -> dict[str, dict[str, float]]:
        """Nothing: tokens are too many to be told apart."""
        return {}

    def decisions(self) -> tuple[ReducedPrediction, None]:
        """Each token's prediction, for figures."""
        return self.reduced, None

    def samples(self) -> pd.DataFrame:
        """Some sentences, evenly from the worst to the best by their BLEU."""
        order = self.sentences["bleu"].to_numpy().argsort(kind="stable")
        chosen = order[np.linspace(0, len(order) - 1, min(SAMPLES, len(order))).round().astype(int)]
        return self.sentences.iloc[chosen][["source", "reference", "translation", "bleu", "confidence"]]

    def write(self, path: Path, class_names: Sequence[str]) -> None:
        """Write the sentences to ``path``, and beside it the tokens to ``<split>_tokens.parquet``.

        A token has its ``sequence`` (the sentence's place among these), ``position``, ``label``, ``prediction``, the
        label's ``nll``, the prediction's ``confidence`` and ``brier``.
        """
        make_folders(path.parent)
        write_atomically(path, lambda temporary: self.sentences.to_parquet(temporary, index=False))
        names = np.array(class_names, dtype=object)
        table = pd.DataFrame(
            {
                "sequence": self.tokens["sequence"],
                "position": self.tokens["position"],
                "label": names[self.tokens["labels"]],
                "prediction": names[self.tokens["predicted"]],
                **{name: self.tokens[name] for name in ("nll", "confidence", "brier")},
            }
        )
        beside = path.with_name(f"{path.stem}_tokens.parquet")
        write_atomically(beside, lambda temporary: table.to_parquet(temporary, index=False))
