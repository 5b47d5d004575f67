"""The MLP has the layers that it was asked for."""

import pytest
import torch
from torch import nn

from smoothlab.errors import InvalidArgument
from smoothlab.nets import MLP


def test_equals_the_same_layers_by_hand():
    torch.manual_seed(0)
    net = MLP(5, 3, hidden=[8, 4])
    torch.manual_seed(0)
    by_hand = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 3))
    features = torch.randn(7, 5)
    assert torch.equal(net(features), by_hand(features))


def test_no_hidden_layer_is_a_linear_model():
    assert [type(layer) for layer in MLP(5, 3, hidden=[])] == [nn.Linear]


def test_dropout_acts_in_training_only():
    net = MLP(5, 3, hidden=[64], dropout=0.5)
    features = torch.randn(7, 5)
    assert not torch.equal(net(features), net(features))
    net.eval()
    assert torch.equal(net(features), net(features))


@pytest.mark.parametrize(("options", "message"), [({"dropout": 1.0}, "dropout = 1.0"), ({"hidden": [0]}, "hidden")])
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(InvalidArgument, match=message):
        MLP(5, 3, **({"hidden": [4]} | options))
