"""Greedy and beam search find what they promise, with the cache and without, whatever else is in the batch."""

import itertools

import pytest
import torch
from toy_pairs import BEGIN, END, PADDING, lively_net, pairs_of, random_sentences

from smoothlab.decoding import beam_search, greedy
from smoothlab.errors import InvalidArgument

SPECIAL = {"begin_index": BEGIN, "end_index": END, "padding_index": PADDING}


def search_greedily(net, source, max_length=6):
    return greedy(net, source, max_length=max_length, **SPECIAL)


def search(net, source, beam_size=3, length_penalty=0.0, max_length=6):
    return beam_search(
        net, source, beam_size=beam_size, length_penalty=length_penalty, max_length=max_length, **SPECIAL
    )


def source_of(sentences):
    return pairs_of(sentences, [[]] * len(sentences))[0].source


def log_probability(net, source, target):
    """Of a translation, by the logits that training sees."""
    pairs, labels = pairs_of([source], [target])
    return -torch.nn.functional.cross_entropy(net(pairs), labels, reduction="sum").item()


def score(net, source, target, length_penalty):
    return log_probability(net, source, target) / ((5 + len(target) + 1) / 6) ** length_penalty


class Uncached:
    """The same net, which reads all tokens again for each new one."""

    def __init__(self, net):
        self.net = net
        self.max_length = net.max_length

    def begin(self, source):
        return History(source, torch.zeros(len(source), 0, dtype=torch.int64))

    def next(self, tokens, state):
        state.tokens = torch.cat([state.tokens, tokens[:, None]], dim=1)
        count, length = state.tokens.shape
        pairs, _ = pairs_of([[]] * count, [[]] * count)
        pairs.source, pairs.target = state.source, state.tokens
        pairs.positions = torch.arange(count) * length + length - 1
        return self.net(pairs)


class History:
    def __init__(self, source, tokens):
        self.source, self.tokens = source, tokens

    def select(self, index):
        self.source, self.tokens = self.source[index], self.tokens[index]


def same(first, other):
    assert first.tokens == other.tokens
    assert torch.allclose(first.log_probabilities, other.log_probabilities, rtol=0, atol=1e-11)
    assert torch.equal(first.lengths, other.lengths)


SENTENCES = random_sentences([3, 1, 6, 2, 4, 5, 2, 1, 3, 6], 9, seed=3)


@pytest.mark.parametrize("seed", [0, 1, 3, 7])
def test_the_cache_changes_nothing(seed):
    net, source = lively_net(seed=seed), source_of(SENTENCES)
    same(search_greedily(net, source), search_greedily(Uncached(net), source))
    same(search(net, source, 3, 0.6), search(Uncached(net), source, 3, 0.6))


@pytest.mark.parametrize("seed", [0, 1, 3, 4, 5, 7])
@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 2.0])
def test_a_beam_of_one_is_greedy_search(seed, length_penalty):
    net, source = lively_net(seed=seed), source_of(SENTENCES)
    same(search_greedily(net, source), search(net, source, 1, length_penalty))


@pytest.mark.parametrize("seed", [0, 1, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0, 3.0])
def test_a_wide_beam_finds_the_best_of_all_translations(seed, length_penalty):
    net, sources = lively_net(5, seed=seed), random_sentences([1, 4, 2], 5, seed=seed)
    every = [list(tokens) for length in range(4) for tokens in itertools.product([3, 4], repeat=length)]
    decoded = search(net, source_of(sources), len(every), length_penalty, 3)
    for row, source in enumerate(sources):
        best = max(every, key=lambda tokens: score(net, source, tokens, length_penalty))
        assert decoded.tokens[row] == best
        assert decoded.log_probabilities[row].item() == pytest.approx(log_probability(net, source, best), abs=1e-11)


def plain_beam_search(net, source, beam_size, length_penalty, max_length):
    """One sentence, in plain Python, without an early stop."""
    running, ended = [([], 0.0)], []
    for place in range(max_length + 1):
        candidates = []
        for tokens, log_p in running:
            logits = net(pairs_of([source], [tokens])[0])[-1].log_softmax(0)
            allowed = range(2, len(logits)) if place < max_length else [END]
            candidates += [(tokens, token, log_p + logits[token].item()) for token in allowed]
        candidates.sort(key=lambda candidate: -candidate[2])
        candidates = candidates[: beam_size - len(ended)]
        ended += [(tokens, log_p) for tokens, token, log_p in candidates if token == END]
        running = [([*tokens, token], log_p) for tokens, token, log_p in candidates if token != END]
    return max(ended, key=lambda candidate: candidate[1] / ((6 + len(candidate[0])) / 6) ** length_penalty)


@pytest.mark.parametrize("seed", [0, 1, 3, 7])
@pytest.mark.parametrize(("beam_size", "length_penalty"), [(2, 0.0), (2, 1.0), (4, 0.6), (5, 2.0)])
def test_a_narrow_beam_keeps_what_a_plain_one_keeps(seed, beam_size, length_penalty):
    net = lively_net(seed=seed)
    decoded = search(net, source_of(SENTENCES), beam_size, length_penalty)
    for row, source in enumerate(SENTENCES):
        tokens, log_p = plain_beam_search(net, source, beam_size, length_penalty, 6)
        assert decoded.tokens[row] == tokens
        assert decoded.log_probabilities[row].item() == pytest.approx(log_p, abs=1e-11)


@pytest.mark.parametrize("find", [search_greedily, search])
def test_log_probabilities_are_those_of_training_and_count_the_end(find):
    net = lively_net()
    decoded = find(net, source_of(SENTENCES))
    assert decoded.log_probabilities.dtype == torch.float64
    for row, source in enumerate(SENTENCES):
        assert decoded.log_probabilities[row].item() == pytest.approx(
            log_probability(net, source, decoded.tokens[row]), abs=1e-11
        )
    assert decoded.lengths.tolist() == [len(tokens) + 1 for tokens in decoded.tokens]
    assert len(set(map(len, decoded.tokens))) > 2  # of different lengths, so that the above says something


@pytest.mark.parametrize("find", [search_greedily, search])
def test_the_batch_around_a_sentence_does_not_matter(find):
    net = lively_net()
    together = find(net, source_of(SENTENCES))
    order = [7, 2, 9, 0, 4, 1, 8, 3, 6, 5]
    mixed = find(net, source_of([SENTENCES[place] for place in order]))
    assert mixed.tokens == [together.tokens[place] for place in order]
    for row, sentence in enumerate(SENTENCES):
        alone = find(net, source_of([sentence]))
        assert alone.tokens[0] == together.tokens[row]
        assert alone.log_probabilities[0].item() == pytest.approx(together.log_probabilities[row].item(), abs=1e-11)


def net_that_prefers(token, vocabulary=9, strength=40.0):
    net = lively_net(vocabulary)
    with torch.no_grad():
        net.bias[token] += strength
    return net


@pytest.mark.parametrize("find", [search_greedily, search])
def test_a_translation_without_an_end_gets_one_at_max_length_and_pays_for_it(find):
    net = net_that_prefers(5)
    decoded = find(net, source_of(SENTENCES), max_length=4)
    if find is search_greedily:
        assert decoded.tokens == [[5, 5, 5, 5]] * len(SENTENCES)
        assert decoded.lengths.tolist() == [5] * len(SENTENCES)
    expected = [log_probability(net, *pair) for pair in zip(SENTENCES, decoded.tokens, strict=True)]
    assert decoded.log_probabilities.tolist() == pytest.approx(expected, abs=1e-11)
    assert decoded.log_probabilities.max() < -20


@pytest.mark.parametrize("find", [search_greedily, search])
def test_the_longest_translation_is_as_long_as_the_nets_longest(find):
    net = net_that_prefers(5, strength=15.0)
    net.bias.data[END] -= 3
    assert max(map(len, find(net, source_of(SENTENCES), max_length=12).tokens)) <= 12
    for length in (0, 13):
        with pytest.raises(InvalidArgument, match=f"max_length = {length}: expected an integer from 1 to .* = 12"):
            find(net, source_of(SENTENCES), max_length=length)


@pytest.mark.parametrize("find", [search_greedily, search])
@pytest.mark.parametrize("token", [PADDING, BEGIN])
def test_padding_and_begin_are_never_written(find, token):
    net = net_that_prefers(token)
    decoded = find(net, source_of(SENTENCES))
    assert not {PADDING, BEGIN, END} & set(itertools.chain(*decoded.tokens))
    assert decoded.log_probabilities.max() < -20  # what is left is not blown up to a whole


@pytest.mark.parametrize("find", [search_greedily, search])
def test_an_empty_translation_and_an_empty_batch(find):
    decoded = find(net_that_prefers(END), source_of(SENTENCES))
    assert decoded.tokens == [[]] * len(SENTENCES)
    assert decoded.lengths.tolist() == [1] * len(SENTENCES)
    none = find(lively_net(), torch.zeros(0, 3, dtype=torch.int64))
    assert (none.tokens, len(none), none.log_probabilities.shape, none.lengths.shape) == ([], 0, (0,), (0,))


@pytest.mark.parametrize("find", [search_greedily, search])
def test_a_net_in_bfloat16_is_summed_in_float32(find):
    net = lively_net().to(torch.bfloat16)
    assert find(net, source_of(SENTENCES)).log_probabilities.dtype == torch.float32


class Counting:
    """The same net, which counts the rows that it computes."""

    def __init__(self, net):
        self.net, self.max_length, self.rows = net, net.max_length, 0

    def begin(self, source):
        return self.net.begin(source)

    def next(self, tokens, state):
        self.rows += len(tokens)
        return self.net.next(tokens, state)


def test_ended_sentences_cost_nothing():
    net = Counting(lively_net())
    decoded = search_greedily(net, source_of(SENTENCES))
    assert net.rows == decoded.lengths.sum()


def test_a_beam_stops_when_no_beginning_can_win():
    net = Counting(net_that_prefers(END))
    search(net, source_of(SENTENCES), 3, 1.0)
    assert net.rows == len(SENTENCES)


def test_a_beam_wider_than_the_vocabulary_works():
    net = lively_net(4)
    decoded = search(net, source_of([[3], [3, 3]]), 50, 1.0, 2)
    best = [max(([], [3], [3, 3]), key=lambda tokens: score(net, source, tokens, 1.0)) for source in ([3], [3, 3])]
    assert decoded.tokens == best


def test_a_net_that_gives_nan_has_no_translation():
    net = lively_net()
    net.bias.data.fill_(torch.nan)
    decoded = search(net, source_of([[3]]))
    assert decoded.tokens == [[]]
    assert decoded.log_probabilities.item() == -torch.inf


@pytest.mark.parametrize(
    "options", [{"beam_size": 0}, {"length_penalty": -0.1}, {"length_penalty": float("nan")}, {"max_length": 0}]
)
def test_wrong_arguments_are_named(options):
    with pytest.raises(InvalidArgument, match=next(iter(options))):
        search(lively_net(), source_of([[3]]), **options)
