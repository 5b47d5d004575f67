"""The embedding bag pools the tokens, padding left out."""

import pytest
import torch

from smoothlab.errors import InvalidArgument
from smoothlab.nets import EmbeddingBag


def net_of(**options) -> EmbeddingBag:
    torch.manual_seed(0)
    return EmbeddingBag(20, 3, **({"padding_index": 0, "width": 8} | options)).eval()


def test_equals_the_mean_by_hand():
    net = net_of(pooling="mean")
    ids = torch.tensor([[3, 5, 5, 0], [7, 0, 0, 0]])
    table = net.embeddings.weight
    means = torch.stack([(table[3] + 2 * table[5]) / 3, table[7]])
    assert torch.allclose(net(ids), net.head(means), atol=1e-6)


def test_root_divides_the_sum_by_the_square_root_of_the_tokens():
    net = net_of(pooling="root")
    table = net.embeddings.weight
    by_hand = net.head(((table[3] + 2 * table[5]) / 3**0.5)[None])
    assert torch.allclose(net(torch.tensor([[3, 5, 5, 0]])), by_hand, atol=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "root"])
def test_more_padding_and_another_order_change_nothing(pooling):
    net = net_of(hidden=[4], pooling=pooling)
    ids = torch.tensor([[3, 5, 9], [7, 2, 0]])
    more = torch.tensor([[9, 3, 0, 5, 0, 0], [2, 7, 0, 0, 0, 0]])
    assert torch.allclose(net(ids), net(more), atol=1e-6)


def test_a_text_of_padding_alone_has_finite_logits_and_gradients():
    net = net_of()
    logits = net(torch.zeros(2, 3, dtype=torch.int64))
    logits.sum().backward()
    assert torch.equal(logits[0], net.head.get_submodule("0").bias)
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in net.parameters())


@pytest.mark.parametrize("options", [{"width": 0}, {"pooling": "max"}, {"dropout": 1.0}, {"hidden": [0]}])
def test_wrong_arguments_are_named(options):
    with pytest.raises(InvalidArgument, match=next(iter(options))):
        net_of(**options)
