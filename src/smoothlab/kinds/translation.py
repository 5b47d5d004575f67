"""Sentences into sentences: each target token is one class of the vocabulary, and sentences are decoded."""

from __future__ import annotations

from smoothlab.kinds.classification import Classification


class Translation(Classification):
    """The distribution over tokens is a softmax; what stands in a predictions file are sentences."""

    name = "translation"
    labels = "tokens"
    data_words = "are sentence pairs"
    scores = "translation"
    calibrates = False
    decides = False
    decodes = True
