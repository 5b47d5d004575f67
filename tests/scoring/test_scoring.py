"""Scores are exact on small data, and streaming beyond a size, where they say so."""

import pytest
import torch

from smoothlab.metrics import classification_metrics
from smoothlab.scoring import scores
from smoothlab.scoring.scores import defined
from smoothlab.scoring.splits import score


class Task:
    kind = "classification"
    num_bins, more_metrics = 15, list


class Data:
    def loader(self, split: str) -> str:
        return split


class Trainer:
    """Gives what a task's predict_step gives, in three parts."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.logits = 2 * torch.randn(500, 3, generator=generator)
        self.labels = torch.multinomial(self.logits.softmax(1), 1, generator=generator).squeeze(1)

    def predict(self, task, dataloaders):
        parts = zip(self.logits.split(200), self.labels.split(200), torch.arange(500).split(200), strict=True)
        return [{"logits": a, "labels": b, "rows": c} for a, b, c in parts]


def test_scores_are_those_of_all_rows_together():
    trainer = Trainer()
    (scores,) = score(Task(), Data(), trainer, ["test"]).values()
    assert scores.precision == "exact"
    assert scores.metrics == classification_metrics(trainer.logits, trainer.labels, from_logits=True)
    assert scores.rows.tolist() == list(range(500))


def test_beyond_a_size_they_are_streamed_and_say_so(monkeypatch):
    monkeypatch.setattr(scores, "EXACT_ROWS", 100)
    monkeypatch.setattr(scores, "STREAM_ROWS", 64)
    trainer = Trainer()
    (scores_of_split,) = score(Task(), Data(), trainer, ["test"]).values()
    exact = classification_metrics(trainer.logits, trainer.labels, from_logits=True)
    assert scores_of_split.precision == "streaming"
    assert scores_of_split.metrics == pytest.approx(exact, abs=1e-4)


def test_uncertainty_brackets_the_metrics():
    (scores,) = score(Task(), Data(), Trainer(), ["test"]).values()
    uncertainty = scores.uncertainty()
    for name in ("nll", "accuracy", "brier"):
        low, high = uncertainty["intervals"][name]
        assert low < scores.metrics[name] < high
    assert 0 < uncertainty["ece_of_a_calibrated_model"]["mean"] < uncertainty["ece_of_a_calibrated_model"]["high"]


def test_metrics_that_json_does_not_have_are_left_out():
    assert defined({"nll": 800.0, "perplexity": float("inf"), "auroc": float("nan")}) == {"nll": 800.0}
