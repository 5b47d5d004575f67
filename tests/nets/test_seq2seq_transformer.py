"""The encoder-decoder equals torch's own layers, sees no padding, and decodes from its cache what it trains on."""

import math

import pytest
import torch
from torch import nn
from toy_pairs import BEGIN, END, PADDING, pairs_of, random_sentences, toy_net

from smoothlab.errors import InvalidArgument
from smoothlab.nets import Seq2Seq, Seq2SeqTransformer
from smoothlab.nets.attention import DecoderBlock


def test_a_decoder_block_equals_torchs_layer():
    torch.manual_seed(0)
    block = DecoderBlock(8, 2, 16, 0.0).double()
    for parameter in block.parameters():
        nn.init.normal_(parameter)
    layer = nn.TransformerDecoderLayer(8, 2, 16, 0.0, "gelu", batch_first=True, norm_first=True).double()
    forward = block.feed_forward
    copied = {
        layer.self_attn.in_proj_weight: block.queries_keys_values.weight,
        layer.self_attn.in_proj_bias: block.queries_keys_values.bias,
        layer.self_attn.out_proj.weight: block.attended.weight,
        layer.self_attn.out_proj.bias: block.attended.bias,
        layer.multihead_attn.in_proj_weight: torch.cat([block.memory_queries.weight, block.memory_keys_values.weight]),
        layer.multihead_attn.in_proj_bias: torch.cat([block.memory_queries.bias, block.memory_keys_values.bias]),
        layer.multihead_attn.out_proj.weight: block.remembered.weight,
        layer.multihead_attn.out_proj.bias: block.remembered.bias,
        layer.norm1.weight: block.attention_norm.weight,
        layer.norm1.bias: block.attention_norm.bias,
        layer.norm2.weight: block.memory_norm.weight,
        layer.norm2.bias: block.memory_norm.bias,
        layer.norm3.weight: forward[0].weight,
        layer.norm3.bias: forward[0].bias,
        layer.linear1.weight: forward[1].weight,
        layer.linear1.bias: forward[1].bias,
        layer.linear2.weight: forward[4].weight,
        layer.linear2.bias: forward[4].bias,
    }
    assert len(copied) == len(list(layer.parameters()))
    with torch.no_grad():
        for theirs, ours in copied.items():
            theirs.copy_(ours)
    vectors, memory = torch.randn(3, 5, 8).double(), torch.randn(3, 4, 8).double()
    padding = torch.arange(4) >= torch.tensor([4, 2, 1])[:, None]
    ours = block(vectors, block.remember(memory), ~padding[:, None, None, :])
    later = torch.ones(5, 5, dtype=torch.bool).triu(1)
    theirs = layer(vectors, memory, tgt_mask=later, memory_key_padding_mask=padding)
    assert torch.allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
def test_a_sentence_has_the_same_logits_alone_and_among_longer_ones(positions):
    net = toy_net(positions=positions)
    sources, targets = random_sentences([2, 7, 1, 4], 9), random_sentences([3, 1, 8, 5], 9, seed=1)
    together, _ = pairs_of(sources, targets)
    more, _ = pairs_of(sources, targets, more=3)
    logits = net(together)
    assert logits.shape == (3 + 1 + 8 + 5 + 4, 9)
    assert torch.allclose(net(more), logits, rtol=0, atol=1e-12)
    alone = torch.cat([net(pairs_of([source], [target])[0]) for source, target in zip(sources, targets, strict=True)])
    assert torch.allclose(alone, logits, rtol=0, atol=1e-12)


def test_padding_gets_no_gradient_and_changes_none():
    net = toy_net(tied=False)
    sources, targets = random_sentences([2, 6], 9), random_sentences([5, 1], 9, seed=1)
    grads = []
    for more in (0, 4):
        net.zero_grad()
        pairs, labels = pairs_of(sources, targets, more=more)
        nn.functional.cross_entropy(net(pairs), labels, reduction="sum").backward()
        grads.append([parameter.grad.clone() for parameter in net.parameters()])
    assert all(torch.allclose(a, b, rtol=0, atol=1e-11) for a, b in zip(*grads, strict=True))
    assert not net.tokens.weight.grad[PADDING].any()
    assert not net.source_tokens.weight.grad[PADDING].any()
    assert net.tokens.weight.grad[BEGIN].any()


def test_a_token_depends_on_the_source_and_on_those_before_it_alone():
    net = toy_net()
    base = net(pairs_of([[3, 4, 5]], [[6, 7, 8, 3]])[0])
    later = net(pairs_of([[3, 4, 5]], [[6, 7, 4, 4]])[0])
    assert torch.equal(later[:3], base[:3])
    assert (later[3:] - base[3:]).abs().amax(1).min() > 1e-3
    other = net(pairs_of([[4, 3, 5]], [[6, 7, 8, 3]])[0])
    assert (other - base).abs().amax(1).min() > 1e-3


def test_logits_are_a_linear_map_of_the_hidden_vectors_at_the_known_places():
    net = toy_net()
    pairs, labels = pairs_of(random_sentences([2, 4], 9), random_sentences([3, 1], 9))
    hidden = net.hidden(pairs)
    assert hidden.shape == (len(labels), 8)
    assert torch.equal(net(pairs), net.project(hidden))
    assert torch.allclose(net(pairs), hidden @ net.output_weight.T + net.output_bias, atol=1e-12)
    assert isinstance(net, Seq2Seq)


def test_tied_vectors_are_one_parameter_for_source_target_and_output():
    net, loose = toy_net(), toy_net(tied=False)
    tables = [parameter for parameter in net.parameters() if parameter.shape == (9, 8)]
    assert len(tables) == 1
    assert tables[0] is net.output_weight
    assert len([parameter for parameter in loose.parameters() if parameter.shape == (9, 8)]) == 3
    with pytest.raises(InvalidArgument, match=r"tied = True: expected false for vocabularies of 7 tokens"):
        Seq2SeqTransformer(7, 9, **OPTIONS)
    Seq2SeqTransformer(7, 9, **(OPTIONS | {"tied": False}))


OPTIONS = {
    "padding_index": 0,
    "begin_index": 1,
    "end_index": 2,
    "max_length": 5,
    "width": 8,
    "encoder_blocks": 1,
    "decoder_blocks": 1,
    "heads": 2,
    "hidden": 8,
    "dropout": 0.0,
}


def test_the_waves_are_those_of_the_paper():
    net = toy_net(width=8)
    for place in (0, 1, 7):
        for pair in range(4):
            angle = place / 10000 ** (2 * pair / 8)
            assert net.target_places.vectors[place, 2 * pair].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert net.target_places.vectors[place, 2 * pair + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)
    assert not any("places" in name for name in net.state_dict())


def test_the_first_loss_is_near_that_of_a_guess():
    torch.manual_seed(0)
    net = Seq2SeqTransformer(500, 500, **(OPTIONS | {"width": 64, "max_length": 30}))
    pairs, labels = pairs_of(random_sentences([9] * 20, 500), random_sentences([9] * 20, 500, seed=1))
    loss = nn.functional.cross_entropy(net(pairs), labels).item()
    assert math.log(500) - 0.2 < loss < math.log(500) + 1.5


def test_the_parts_are_joined_as_in_the_paper():
    net = toy_net()
    pairs, _ = pairs_of([[3, 4, 5]], [[6, 7]])
    seen = torch.ones(1, 1, 1, 4, dtype=torch.bool)
    memory = net.tokens(pairs.source) * math.sqrt(8) + net.source_places.vectors[:4]
    for block in net.encoder:
        memory = block(memory, seen)
    memory = net.encoder_norm(memory)
    vectors = net.tokens(pairs.target) * math.sqrt(8) + net.target_places.vectors[:3]
    for block in net.decoder:
        vectors = block(vectors, block.remember(memory), seen)
    logits = net.decoder_norm(vectors[0]) @ net.tokens.weight.T + net.bias
    assert torch.allclose(net(pairs), logits, rtol=0, atol=1e-12)


@pytest.mark.parametrize("tokens", [20, 40])
def test_token_by_token_gives_the_logits_of_whole_sentences(tokens):
    net = toy_net(max_length=tokens)
    lengths = [tokens, tokens - 3, 5]
    sources, targets = random_sentences([4, 1, 7], 9), random_sentences(lengths, 9, seed=1)
    pairs, _ = pairs_of(sources, targets)
    state = net.begin(pairs.source)
    steps = torch.stack([net.next(tokens, state) for tokens in pairs.target.unbind(1)], dim=1)
    assert torch.allclose(steps.flatten(0, 1)[pairs.positions], net(pairs), rtol=0, atol=1e-12)


def test_selected_rows_go_on_as_if_they_had_been_alone():
    net = toy_net()
    sources = random_sentences([4, 1, 7], 9)
    first, then = torch.tensor([3, 4, 5]), torch.tensor([6, 7, 8, 3])
    rows = torch.tensor([2, 0, 0, 2])
    source = pairs_of(sources, [[], [], []])[0].source
    state = net.begin(source)
    net.next(torch.tensor([BEGIN] * 3), state)
    net.next(first, state)
    state.select(rows)
    logits = [net.next(then, state)]
    state.select(torch.tensor([3, 2, 1, 0]))  # changes places within sentences, and between them
    logits.append(net.next(then, state))
    state.select(torch.tensor([1]))
    logits.append(net.next(then[:1], state))
    histories = [[first[row].item(), token.item()] for row, token in zip(rows, then, strict=True)]
    histories = [[*histories[3 - place], then[place].item()] for place in range(4)]
    sentences = [sources[rows[3 - place]] for place in range(4)]
    alone = [net(pairs_of([sentence], [history])[0]) for sentence, history in zip(sentences, histories, strict=True)]
    assert torch.allclose(torch.stack([alone[3 - place][2] for place in range(4)]), logits[0], rtol=0, atol=1e-12)
    assert torch.allclose(torch.stack([logits_alone[3] for logits_alone in alone]), logits[1], rtol=0, atol=1e-12)
    last = net(pairs_of([sentences[1]], [[*histories[1], then[0].item()]])[0])
    assert torch.allclose(last[4:], logits[2], rtol=0, atol=1e-12)


def test_rows_that_part_within_a_sentence_keep_its_memory():
    net = toy_net()
    state = net.begin(pairs_of(random_sentences([4, 2], 9), [[], []])[0].source)
    net.next(torch.tensor([BEGIN, BEGIN]), state)
    state.select(torch.tensor([0, 0, 1, 1]))
    memory = state.memory[0][0]
    net.next(torch.tensor([3, 4, 5, 6]), state)
    state.select(torch.tensor([1, 1, 3, 2]))
    assert state.memory[0][0] is memory
    state.select(torch.tensor([1, 2, 3]))
    assert state.memory[0][0] is not memory


def test_a_source_without_any_token_has_finite_logits_and_gradients():
    net = toy_net()
    pairs, _ = pairs_of([[3], [4, 5]], [[6], [7]])
    pairs.source[0] = PADDING
    net(pairs).sum().backward()
    assert net(pairs).isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in net.parameters())


def test_dropout_acts_in_training_only():
    net = toy_net(dropout=0.5)
    pairs, _ = pairs_of([[3, 4]], [[5, 6]])
    assert torch.equal(net(pairs), net(pairs))
    net.train()
    assert not torch.equal(net(pairs), net(pairs))


def test_sentences_of_max_length_tokens_fit_and_longer_ones_are_refused():
    net = toy_net(max_length=4)
    assert net(pairs_of([[3, 4, 5, 6]], [[3, 4, 5, 6]])[0]).shape == (5, 9)
    for source, target in (([3] * 5, [3]), ([3], [3] * 5)):
        with pytest.raises(InvalidArgument, match="length = 5: expected sentences of at most max_length = 4 tokens"):
            net(pairs_of([source], [target])[0])
    state = net.begin(torch.tensor([[3, END]]))
    for _ in range(5):
        net.next(torch.tensor([BEGIN]), state)
    with pytest.raises(InvalidArgument, match="max_length"):
        net.next(torch.tensor([BEGIN]), state)


@pytest.mark.parametrize(
    "options",
    [
        {"width": 9},
        {"width": 3, "heads": 3},
        {"heads": 0},
        {"encoder_blocks": 0},
        {"decoder_blocks": 0},
        {"hidden": 0},
        {"dropout": 1.0},
        {"max_length": 0},
        {"positions": "none"},
    ],
)
def test_wrong_arguments_are_named(options):
    with pytest.raises(InvalidArgument, match=next(iter(options))):
        Seq2SeqTransformer(9, 9, **(OPTIONS | options))
