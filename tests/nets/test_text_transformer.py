"""The small transformer does what torch's own layers do, and does not see padding."""

import pytest
import torch
from torch import nn

from smoothlab.errors import InvalidArgument
from smoothlab.nets import TextTransformer
from smoothlab.nets.attention import EncoderBlock


def net_of(**options) -> TextTransformer:
    torch.manual_seed(0)
    made = {"padding_index": 0, "max_length": 12, "width": 8, "blocks": 2, "heads": 2, "hidden": 16}
    return TextTransformer(20, 3, **(made | options)).eval()


def test_a_block_equals_torchs_encoder_layer():
    torch.manual_seed(0)
    block = EncoderBlock(8, 2, 16, 0.0)
    for parameter in block.parameters():
        nn.init.normal_(parameter)
    layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0, "gelu", batch_first=True, norm_first=True)
    forward = block.feed_forward
    pairs = {
        layer.self_attn.in_proj_weight: block.queries_keys_values.weight,
        layer.self_attn.in_proj_bias: block.queries_keys_values.bias,
        layer.self_attn.out_proj.weight: block.attended.weight,
        layer.self_attn.out_proj.bias: block.attended.bias,
        layer.norm1.weight: block.attention_norm.weight,
        layer.norm1.bias: block.attention_norm.bias,
        layer.norm2.weight: forward[0].weight,
        layer.norm2.bias: forward[0].bias,
        layer.linear1.weight: forward[1].weight,
        layer.linear1.bias: forward[1].bias,
        layer.linear2.weight: forward[4].weight,
        layer.linear2.bias: forward[4].bias,
    }
    with torch.no_grad():
        for theirs, ours in pairs.items():
            theirs.copy_(ours)
    vectors = torch.randn(3, 5, 8)
    lengths = torch.tensor([5, 3, 1])
    padding = torch.arange(5) >= lengths[:, None]
    ours = block(vectors, ~padding[:, None, None, :])
    theirs = layer(vectors, src_key_padding_mask=padding)
    assert torch.allclose(ours[~padding], theirs[~padding], atol=1e-5)


def test_more_padding_changes_nothing():
    net = net_of()
    ids = torch.tensor([[3, 5, 9], [7, 2, 0]])
    more = torch.nn.functional.pad(ids, (0, 6))
    assert torch.allclose(net(ids), net(more), atol=1e-6)
    alone = net(torch.tensor([[7, 2]]))
    assert torch.allclose(alone[0], net(ids)[1], atol=1e-6)


def test_the_order_of_the_tokens_counts():
    net = net_of()
    assert not torch.allclose(net(torch.tensor([[3, 5, 9]])), net(torch.tensor([[9, 5, 3]])), atol=1e-6)


def test_a_text_of_padding_alone_has_finite_logits_and_gradients():
    net = net_of()
    logits = net(torch.tensor([[0, 0, 0], [4, 0, 0]]))
    logits.sum().backward()
    assert logits.isfinite().all()
    assert torch.equal(logits[0], net.head.bias)
    assert all(parameter.grad.isfinite().all() for parameter in net.parameters())
    assert not net.tokens.weight.grad[0].any()


def test_dropout_acts_in_training_only():
    net, ids = net_of(dropout=0.5), torch.tensor([[3, 5, 9]])
    assert torch.equal(net(ids), net(ids))
    net.train()
    assert not torch.equal(net(ids), net(ids))


@pytest.mark.parametrize(
    "options", [{"width": 9}, {"heads": 0}, {"blocks": 0}, {"hidden": 0}, {"dropout": 1.0}, {"max_length": 0}]
)
def test_wrong_arguments_are_named(options):
    with pytest.raises(InvalidArgument, match=next(iter(options))):
        net_of(**options)
