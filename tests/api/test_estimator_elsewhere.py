"""SmoothClassifier inside libraries that take any estimator; skipped where they are not installed."""

from __future__ import annotations

import numpy as np
import pytest

import smoothlab

QUICK = {"trainer__max_epochs": 5, "optimizer__lr": 0.02}


def separated(rows: int = 240) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    labels = np.arange(rows) % 3
    return generator.normal(size=(rows, 3)) + 4.0 * np.eye(3)[labels], labels


@pytest.mark.filterwarnings("ignore")
def test_cleanlab_finds_wrong_labels_by_it():
    library = pytest.importorskip("cleanlab.classification", reason="cleanlab is not installed")
    features, labels = separated()
    wrong = np.random.default_rng(1).choice(len(labels), 20, replace=False)
    spoiled = labels.copy()
    spoiled[wrong] = (labels[wrong] + 1) % 3
    learning = library.CleanLearning(smoothlab.SmoothClassifier(**QUICK), cv_n_folds=3, seed=0)
    issues = learning.find_label_issues(features, spoiled)["is_label_issue"].to_numpy()
    assert issues[wrong].mean() > 0.8
    assert issues.sum() < 40


@pytest.mark.filterwarnings("ignore")
def test_mapies_sets_hold_the_label_as_often_as_they_promise():
    library = pytest.importorskip("mapie.classification", reason="MAPIE is not installed")
    features, labels = separated(2200)
    model = smoothlab.SmoothClassifier(**QUICK).fit(features[:200], labels[:200])
    sets = library.SplitConformalClassifier(model, confidence_level=0.9, prefit=True)
    sets.conformalize(features[200:1200], labels[200:1200])
    _, members = sets.predict_set(features[1200:])
    covered = members[np.arange(1000), labels[1200:], 0].mean()
    assert 0.86 < covered < 0.94
