"""The most probable token at each place."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from smoothlab.decoding.decoded import Decoded, check_length
from smoothlab.decoding.logits import best_tokens, log_probability
from smoothlab.nets.seq2seq import Seq2Seq


@torch.no_grad()
def greedy(
    net: Seq2Seq[Any], source: Tensor, *, max_length: int, begin_index: int, end_index: int, padding_index: int
) -> Decoded:
    """Translate by taking the most probable token at each place, all sentences at once.

    A sentence that has ended leaves the batch. After ``max_length`` tokens the end token is taken, whatever its
    probability, which counts: every result is the log-probability of a whole translation.

    Args:
        net: in evaluation mode.
        source: token ids ``(N, S)``, as the net was trained with.
        max_length: tokens of a translation at most, the end token apart, from 1 to the net's own.
        begin_index: the token that a translation begins with; it never comes again.
        end_index: the token that ends it.
        padding_index: a token that never comes.

    Raises:
        InvalidArgument: ``max_length`` is outside its range.
    """
    check_length(max_length, net.max_length)
    if not len(source):
        return Decoded.none()
    device = source.device
    forbidden = [begin_index, padding_index]
    written = torch.full((len(source), max_length), padding_index, device=device)
    log_probabilities = lengths = None
    state = net.begin(source)
    rows = torch.arange(len(source), device=device)  # sentences that go on
    last = torch.full_like(rows, begin_index)
    for place in range(max_length + 1):
        logits = net.next(last, state)
        if place < max_length:
            gained, last = (column[:, 0] for column in best_tokens(logits, 1, forbidden=forbidden))
        else:
            gained, last = log_probability(logits, end_index), torch.full_like(rows, end_index)
        if log_probabilities is None or lengths is None:
            log_probabilities, lengths = gained.new_zeros(len(source)), torch.zeros_like(rows)
        log_probabilities[rows] += gained
        lengths[rows] += 1
        going = (last != end_index).nonzero()[:, 0]
        if len(going) == 0:
            break
        if len(going) < len(rows):
            state.select(going)
            rows, last = rows[going], last[going]
        written[rows, place] = last
    assert log_probabilities is not None
    assert lengths is not None
    return Decoded.cut(written, log_probabilities, lengths)
