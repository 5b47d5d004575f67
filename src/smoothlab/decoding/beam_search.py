"""The best of several translations that grow side by side."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from smoothlab.decoding.decoded import Decoded, check_length
from smoothlab.decoding.logits import best_tokens, log_probability
from smoothlab.nets.seq2seq import Seq2Seq
from smoothlab.numbers import check_number, check_whole


@torch.no_grad()
def beam_search(
    net: Seq2Seq[Any],
    source: Tensor,
    *,
    beam_size: int,
    length_penalty: float,
    max_length: int,
    begin_index: int,
    end_index: int,
    padding_index: int,
) -> Decoded:
    """Translate by keeping the ``beam_size`` most probable beginnings of each sentence; the best scored end wins.

        score = log P(translation) / ((5 + L) / 6) ** length_penalty        L tokens, the end token included

    At each place the beginnings compete by log P, being of one length. One that takes the end token is a translation
    and keeps its place in the beam, so that a beam of one is greedy search. A sentence is done when all its places
    are taken, or when no beginning could reach the score of its best translation: log P only falls, and the
    divisor is largest at ``max_length``. After ``max_length`` tokens the end token is taken, whatever its probability,
    which counts. Only beginnings that may win are computed, and the memory of a source is not moved with them.

    Args:
        net: in evaluation mode.
        source: token ids ``(N, S)``, as the net was trained with.
        beam_size: at least 1.
        length_penalty: alpha, at least 0; 0 compares log P, which favours short translations, 0.6 to 1 is common.
        max_length: tokens of a translation at most, the end token apart, from 1 to the net's own.
        begin_index: the token that a translation begins with; it never comes again.
        end_index: the token that ends it.
        padding_index: a token that never comes.

    Raises:
        InvalidArgument: for arguments outside their range.

    Source: length penalty: Wu et al., "Google's Neural Machine Translation System", 2016, equation 14 without coverage;
    ended translations that keep their place: Bahdanau et al., "Neural Machine Translation by Jointly Learning to Align
    and Translate", ICLR 2015, in their code.
    """
    check_length(max_length, net.max_length)
    check_whole("beam_size", beam_size, 1)
    check_number("length_penalty", length_penalty, at_least=0)
    if not len(source):
        return Decoded.none()
    state = net.begin(source)
    places = torch.arange(len(source), device=source.device) * beam_size
    last = torch.full_like(places, begin_index)
    beams: Beams | None = None
    for place in range(max_length + 1):
        logits = net.next(last, state)
        if place < max_length:
            gained, tokens = best_tokens(
                logits, min(beam_size, logits.shape[1]), forbidden=[begin_index, padding_index]
            )
        else:
            gained = log_probability(logits, end_index)[:, None]
            tokens = torch.full_like(gained, end_index, dtype=torch.int64)
        if beams is None:
            beams = Beams.begin(places, gained.dtype, beam_size, max_length, length_penalty)
        parents = beams.grow(gained, tokens, end_index)
        if len(parents) == 0:
            break
        state.select(parents)
        last = beams.written[:, -1]
    assert beams is not None
    return Decoded.cut(beams.best, beams.best_log_probability, beams.best_length)


@dataclass
class Beams:
    """The beginnings of N sentences that go on, a row each, and the best translation of each sentence so far.

    Args:
        size: of a beam, B.
        most: tokens of a translation at most, with the end token.
        length_penalty: alpha.
        places: of each row in the beams of all sentences, ``(R,)``, sentence times B plus rank, in rising order.
        log_probability: of each row, ``(R,)``.
        written: tokens of each row, ``(R, t)``.
        ended: translations that take a place in each sentence's beam, ``(N,)``.
        best: tokens of each sentence's best translation, ``(N, most - 1)``, what stands right of them means nothing.
        best_log_probability: of it, ``(N,)``; -inf before there is one, and for ever where the net gives NaN.
        best_length: of it, with the end token, ``(N,)``.
        best_score: of it, ``(N,)``; -inf before there is one.
    """

    size: int
    most: int
    length_penalty: float
    places: Tensor
    log_probability: Tensor
    written: Tensor
    ended: Tensor
    best: Tensor
    best_log_probability: Tensor
    best_length: Tensor
    best_score: Tensor

    @classmethod
    def begin(cls, places: Tensor, dtype: torch.dtype, size: int, max_length: int, length_penalty: float) -> Beams:
        """One empty row for each sentence, at ``places`` ``(N,)``."""
        none = torch.zeros(len(places), dtype=dtype, device=places.device)
        return cls(
            size,
            max_length + 1,
            length_penalty,
            places,
            none.clone(),
            places.new_zeros(len(places), 0),
            torch.zeros_like(places),
            places.new_zeros(len(places), max_length),
            none - torch.inf,
            torch.ones_like(places),
            none - torch.inf,
        )

    def divisor(self, length: int) -> float:
        """Of the log-probability of a translation of ``length`` tokens, the end token included."""
        return math.pow((5 + length) / 6, self.length_penalty)

    def grow(self, gained: Tensor, tokens: Tensor, end_index: int) -> Tensor:
        """Put one more token behind each row.

        Args:
            gained: log-probabilities of the tokens that may follow a row, ``(R, C)``, falling; no other can be chosen.
            tokens: their ids ``(R, C)``.
            end_index: which of them ends a translation.

        Returns:
            Which of the old rows each new row comes from, ``(R',)``; none are left when all sentences are done.
        """
        sentences, choices = len(self.ended), gained.shape[1]
        grown = gained.new_full((sentences * self.size, choices), -torch.inf)
        grown[self.places] = self.log_probability[:, None] + gained
        # what is chosen in a sentence, (N, B), most probable first
        width = self.size * choices
        chosen, index = grown.view(sentences, width).topk(min(self.size, width), dim=1)
        free = self.size - self.ended
        rank = torch.arange(chosen.shape[1], device=free.device)
        valid = (rank < free[:, None]) & (chosen > -torch.inf)
        row_of_place = self.places.new_zeros(sentences * self.size)
        row_of_place[self.places] = torch.arange(len(self.places), device=free.device)
        first = torch.arange(sentences, device=free.device)[:, None] * self.size
        rows = row_of_place[first + index // choices]
        token = tokens[rows, index % choices]

        ends = valid & (token == end_index)
        self._finish(ends, chosen, rows)
        goes = valid & ~ends
        # the best that a sentence can still reach: nothing more is lost, and it grows as long as it may
        reach = chosen.masked_fill(~goes, -torch.inf).amax(dim=1) / self.divisor(self.most)
        goes &= (reach > self.best_score)[:, None]
        sentence, rank = goes.nonzero(as_tuple=True)
        parents = rows[sentence, rank]
        self.places = sentence * self.size + rank
        self.log_probability = chosen[sentence, rank]
        self.written = torch.cat([self.written[parents], token[sentence, rank, None]], dim=1)
        return parents

    def _finish(self, ends: Tensor, log_probability: Tensor, rows: Tensor) -> None:
        length = self.written.shape[1] + 1
        self.ended += ends.sum(dim=1)
        ended, rank = log_probability.masked_fill(~ends, -torch.inf).max(dim=1)
        score = ended / self.divisor(length)
        better = (score > self.best_score).nonzero()[:, 0]
        self.best_score[better] = score[better]
        self.best_log_probability[better] = ended[better]
        self.best_length[better] = length
        self.best[better, : length - 1] = self.written[rows[better, rank[better]]]
