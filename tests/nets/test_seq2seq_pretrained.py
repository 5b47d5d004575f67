"""Encoder-decoders of transformers, tiny and untrained, keep the same promises as ours."""

import sys

import pytest
import torch
from torch import nn
from toy_pairs import BEGIN, END, PADDING, pairs_of, random_sentences

from smoothlab.decoding import beam_search, greedy
from smoothlab.errors import InvalidArgument, UserMistake
from smoothlab.nets import PretrainedSeq2Seq, Seq2Seq

SPECIAL = {"begin_index": BEGIN, "end_index": END, "padding_index": PADDING}
MARIAN = {
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
}
T5 = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
ARCHITECTURES = {"marian": MARIAN, "bart": MARIAN, "t5": T5}


@pytest.fixture(autouse=True)
def library():
    return pytest.importorskip("transformers", reason="transformers is not installed (an optional extra)")


def net_of(architecture=None, *, vocabularies=(9, 9), settings=None, seed=0, **options):
    torch.manual_seed(seed)
    given = (ARCHITECTURES.get(architecture, {}) | (settings or {})) or None
    made = {"max_length": 12, "architecture": architecture, "settings": given} | SPECIAL
    return PretrainedSeq2Seq(*vocabularies, **(made | options))


def lively(net):
    """In float64, far from its first weights, so that logits spread, with a bias at the end where there is one."""
    net = net.double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.requires_grad:  # waves of places are stored as weights, and are not saved
                parameter.add_(torch.randn_like(parameter), alpha=0.2)
        if hasattr(net.net, "final_logits_bias"):
            net.net.final_logits_bias.normal_()
    return net


@pytest.fixture(params=list(ARCHITECTURES))
def net(request):
    return lively(net_of(request.param))


@pytest.fixture
def pairs():
    return pairs_of(random_sentences([2, 7, 1], 9), random_sentences([3, 1, 12], 9, seed=1))[0]


def test_logits_are_the_models_own_at_the_known_places(net, pairs):
    mask = (pairs.source != PADDING).long()
    theirs = net.net(input_ids=pairs.source, attention_mask=mask, decoder_input_ids=pairs.target).logits
    assert torch.allclose(net(pairs), theirs.flatten(0, 1)[pairs.positions], rtol=0, atol=1e-12)
    assert theirs.std() > 0.1
    assert isinstance(net, Seq2Seq)


def test_logits_are_a_linear_map_of_the_hidden_vectors(net, pairs):
    hidden = net.hidden(pairs)
    bias = 0 if net.output_bias is None else net.output_bias
    assert torch.allclose(net(pairs), hidden @ net.output_weight.T + bias, rtol=0, atol=1e-12)


def test_a_sentence_has_the_same_logits_alone_and_among_longer_ones(net, pairs):
    sources, targets = random_sentences([2, 7, 1], 9), random_sentences([3, 1, 12], 9, seed=1)
    alone = torch.cat([net(pairs_of([source], [target])[0]) for source, target in zip(sources, targets, strict=True)])
    assert torch.allclose(alone, net(pairs), rtol=0, atol=1e-12)


def test_token_by_token_gives_the_logits_of_whole_sentences(net, pairs):
    state = net.begin(pairs.source)
    steps = torch.stack([net.next(tokens, state) for tokens in pairs.target.unbind(1)], dim=1)
    assert torch.allclose(steps.flatten(0, 1)[pairs.positions], net(pairs), rtol=0, atol=1e-12)


def test_decoding_finds_translations_with_the_log_probabilities_of_training(net):
    sources = random_sentences([2, 7, 1, 4, 3], 9)
    source = pairs_of(sources, [[]] * 5)[0].source
    first = greedy(net, source, max_length=6, **SPECIAL)
    beam = beam_search(net, source, beam_size=3, length_penalty=0.6, max_length=6, **SPECIAL)
    assert beam_search(net, source, beam_size=1, length_penalty=0.6, max_length=6, **SPECIAL).tokens == first.tokens
    for decoded in (first, beam):
        for row, sentence in enumerate(sources):
            pairs, labels = pairs_of([sentence], [decoded.tokens[row]])
            loss = nn.functional.cross_entropy(net(pairs), labels, reduction="sum")
            assert decoded.log_probabilities[row].item() == pytest.approx(-loss.item(), abs=1e-10)


def test_greedy_search_is_that_of_generate(net):
    from transformers import GenerationConfig

    source = pairs_of(random_sentences([2, 7, 1, 4], 9), [[]] * 4)[0].source
    net.net.generation_config = GenerationConfig()
    config = GenerationConfig(
        do_sample=False,
        max_new_tokens=7,
        decoder_start_token_id=net.start_index,
        eos_token_id=END,
        forced_eos_token_id=END,
        pad_token_id=PADDING,
        suppress_tokens=[BEGIN, PADDING],
    )
    mask = (source != PADDING).long()
    rows = net.net.generate(input_ids=source, attention_mask=mask, generation_config=config)[:, 1:].tolist()
    assert greedy(net, source, max_length=6, **SPECIAL).tokens == [row[: row.index(END)] for row in rows]


def test_selected_rows_go_on_as_if_they_had_been_alone(net):
    sources = random_sentences([2, 7, 1], 9)
    state = net.begin(pairs_of(sources, [[]] * 3)[0].source)
    net.next(torch.tensor([BEGIN] * 3), state)
    state.select(torch.tensor([2, 0, 0, 1]))
    net.next(torch.tensor([3, 4, 5, 6]), state)
    state.select(torch.tensor([2, 0]))
    logits = net.next(torch.tensor([7, 8]), state)
    alone = [
        net(pairs_of([source], [target])[0])[-1] for source, target in ((sources[0], [5, 7]), (sources[2], [3, 8]))
    ]
    assert torch.allclose(logits, torch.stack(alone), rtol=0, atol=1e-12)


def test_a_training_step_reaches_every_weight_and_drops(pairs):
    net = net_of("marian", settings={"dropout": 0.5})
    assert all(module.training for module in net.modules())
    assert not torch.equal(net(pairs), net(pairs))
    net(pairs).square().sum().backward()
    missing = {name for name, parameter in net.named_parameters() if parameter.requires_grad and parameter.grad is None}
    assert not missing


@pytest.mark.parametrize("architecture", list(ARCHITECTURES))
def test_a_saved_model_is_read_with_its_weights_and_its_own_begin_token(architecture, tmp_path, pairs):
    saved = lively(net_of(architecture, begin_index=3)).float()
    saved.net.save_pretrained(tmp_path / "model")
    net = net_of(pretrained=str(tmp_path / "model"), seed=1)
    assert all(module.training for module in net.modules())
    net, theirs = net.eval(), saved.net.eval()
    mask, target = (pairs.source != PADDING).long(), pairs.target.clone()
    target[:, 0] = 3  # in the place of the data's
    logits = theirs(input_ids=pairs.source, attention_mask=mask, decoder_input_ids=target).logits
    assert torch.allclose(net(pairs), logits.flatten(0, 1)[pairs.positions], atol=1e-5)
    assert torch.allclose(net.next(pairs.target[:, 0], net.begin(pairs.source)), logits[:, 0], atol=1e-5)


def test_half_precision_weights_are_trained_in_float32(tmp_path):
    net_of("marian").half().net.save_pretrained(tmp_path / "model")
    net = net_of(pretrained=str(tmp_path / "model"))
    assert {parameter.dtype for parameter in net.parameters()} == {torch.float32}


def test_settings_change_a_saved_model(tmp_path):
    net_of("marian").net.save_pretrained(tmp_path / "model")
    net = net_of(pretrained=str(tmp_path / "model"), settings={"dropout": 0.4})
    assert net.net.config.dropout == 0.4
    assert net.net.model.decoder.layers[0].dropout == 0.4


def test_of_a_larger_vocabulary_the_first_tokens_count(tmp_path, pairs):
    large = lively(net_of("t5", vocabularies=(16, 16))).float()
    large.net.save_pretrained(tmp_path / "model")
    net = net_of(pretrained=str(tmp_path / "model")).eval()
    assert net.output_weight.shape == (9, 16)
    assert torch.allclose(net(pairs), large.eval()(pairs)[:, :9], atol=1e-5)
    net(pairs).sum().backward()  # a view of the weights takes gradients


def test_marian_takes_two_vocabularies(pairs):
    net = net_of(
        "marian",
        vocabularies=(9, 11),
        settings={"share_encoder_decoder_embeddings": False, "tie_word_embeddings": False},
    )
    assert net(pairs).shape == (len(pairs.positions), 11)


def test_sizes_that_do_not_fit_are_named(tmp_path):
    net_of("marian").net.save_pretrained(tmp_path / "model")
    folder = str(tmp_path / "model")
    with pytest.raises(InvalidArgument, match="num_classes = 10: expected at most the 9 tokens"):
        net_of(pretrained=folder, vocabularies=(9, 10))
    with pytest.raises(InvalidArgument, match="source_vocab_size = 10: expected at most the 9 tokens"):
        net_of(pretrained=folder, vocabularies=(10, 9))
    with pytest.raises(InvalidArgument, match="max_length = 13: expected at most 12"):
        net_of(pretrained=folder, max_length=13)


def test_weights_that_are_no_safetensors_are_refused_in_one_line(tmp_path):
    net = net_of("marian")
    net.net.save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").unlink()
    torch.save(net.net.state_dict(), tmp_path / "model" / "pytorch_model.bin")
    with pytest.raises(InvalidArgument, match=r"pretrained = .*: expected an encoder-decoder .* safetensors") as caught:
        net_of(pretrained=str(tmp_path / "model"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "pretrained = None: expected a folder or a name, or architecture"),
        ({"architecture": "t5", "pretrained": "x"}, "pretrained = 'x': expected"),
        ({"pretrained": "/no/such/folder"}, "pretrained = '/no/such/folder': expected an encoder-decoder"),
        ({"architecture": "no_model"}, "architecture = 'no_model': expected the model type"),
        ({"architecture": "bert"}, "architecture = 'bert': expected the model type"),
        ({"architecture": "t5", "settings": {"depth": 3}}, r"settings.depth = 3: expected an entry of T5Config"),
        ({"architecture": "t5", "settings": {"vocab_size": 3}}, r"settings.vocab_size = 3: expected no value"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(InvalidArgument, match=message) as caught:
        net_of(**options)
    assert "\n" not in str(caught.value)


def test_a_model_whose_last_layer_is_not_linear_is_refused(library, monkeypatch):
    forward = library.T5ForConditionalGeneration.forward

    def capped(self, *args, **kwargs):
        output = forward(self, *args, **kwargs)
        output.logits = torch.tanh(output.logits / 2)
        return output

    monkeypatch.setattr(library.T5ForConditionalGeneration, "forward", capped)
    with pytest.raises(InvalidArgument, match="a model whose last layer is linear"):
        net_of("t5")


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UserMistake, match=r"pip install 'smoothlab\[transformers\]'"):
        net_of("t5")
