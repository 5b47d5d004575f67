"""The translator that a run left: sentences in, translations out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from smoothlab.errors import InvalidArgument
from smoothlab.tasks.translation import decode


class Translator:
    """A trained encoder-decoder with the encoder of its sentences.

    Args:
        net: a :class:`smoothlab.nets.seq2seq.Seq2Seq`.
        encoder: maps sentences to token ids and back.
        class_names: the tokens of the target language.
        beam_size: hypotheses a sentence.
        length_penalty: the exponent by which a hypothesis' length divides its log-probability.
    """

    kind = "translation"

    def __init__(
        self, net: nn.Module, encoder: Any, class_names: list[str], *, beam_size: int = 4, length_penalty: float = 0.6
    ) -> None:
        self.net = net.eval()
        self.encoder = encoder
        self.class_names = class_names
        self.beam_size = beam_size
        self.length_penalty = length_penalty
        self.notes: list[str] = []  # of the last prediction

    def predict(self, frame: pd.DataFrame, *, batch_size: int = 4096, where: str = "table") -> pd.DataFrame:
        """``source``, ``translation`` and ``confidence`` of each row, in its order, with its index.

        The confidence is the geometric mean of the tokens' probabilities. A row without a word gets an empty
        translation and no confidence; a sentence longer than the net's ``max_length`` is cut, which ``notes`` say.

        Args:
            frame: with a column ``source``.
            batch_size: source tokens that go through the net at once, padding included.
            where: what to call the table in an error.

        Raises:
            UserMistake: the column is missing.
        """
        if batch_size < 1:
            raise InvalidArgument("batch_size", batch_size, "an integer of at least 1")
        texts = self.encoder.sources(frame, where=where)
        there = np.array([index for index, text in enumerate(texts) if text.strip()], dtype=np.int64)
        translations, confidence = [""] * len(texts), np.full(len(texts), np.nan)
        self.notes = []
        if len(there):
            lengths = self.encoder.source_ids([texts[index] for index in there]).lengths + 1
            cut = there[lengths > self.encoder.max_length]
            if len(cut):
                note = f"{where}: {len(cut):,} sentence(s) of more than {self.encoder.max_length} tokens were cut"
                self.notes.append(f"{note}, the first in {frame.index.name or 'row'} {frame.index[cut[0]]}")
            order = lengths.argsort(kind="stable")
            for chosen in _batches(lengths[order], batch_size):
                rows = there[order[chosen]]
                self._translate([texts[row] for row in rows], rows, translations, confidence)
        return pd.DataFrame({"source": texts, "translation": translations, "confidence": confidence}, index=frame.index)

    def _translate(self, texts: list[str], rows: np.ndarray, translations: list[str], confidence: np.ndarray) -> None:
        device = next(self.net.parameters()).device
        with torch.inference_mode():
            source: Tensor = self.encoder.encode(texts).to(device)
            decoded = decode(self.net, source, self.encoder, self.beam_size, self.length_penalty)
        for row, text in zip(rows.tolist(), self.encoder.decode_all(decoded.tokens), strict=True):
            translations[row] = text
        confidence[rows] = (decoded.log_probabilities.double() / decoded.lengths.clamp_min(1)).exp().numpy()


def _batches(lengths: np.ndarray, most: int) -> list[slice]:
    """Slices of sentences in rising order of length, of at most ``most`` tokens with padding, one sentence at least."""
    made, start = [], 0
    while start < len(lengths):
        stop = start + 1
        while stop < len(lengths) and (stop + 1 - start) * int(lengths[stop]) <= most:
            stop += 1
        made.append(slice(start, stop))
        start = stop
    return made
