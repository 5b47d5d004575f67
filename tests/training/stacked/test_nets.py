"""Nets side by side give what each gives alone, and their optimizer takes the steps of torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from smoothlab.nets import MLP
from smoothlab.training.stacked.nets import StackedNets, can_stack, same_architecture
from smoothlab.training.stacked.optimizers import Settings, StackedOptimizer

SIZES = {"in_features": 5, "num_classes": 3, "hidden": [7, 6]}


def nets(count: int, dtype: torch.dtype = torch.float64, **options) -> list[nn.Module]:
    torch.manual_seed(0)
    return [MLP(**SIZES, **options).to(dtype) for _ in range(count)]


def test_each_net_gives_its_own_logits():
    alone, features = nets(4), torch.randn(4, 9, 5, dtype=torch.float64)
    together = StackedNets(alone)(features, training=False)
    for net, rows, logits in zip(alone, features, together, strict=True):
        torch.testing.assert_close(logits, net(rows), rtol=0, atol=1e-14)


def test_nets_that_are_kept_stay_as_they_are():
    alone, features = nets(4), torch.randn(2, 9, 5, dtype=torch.float64)
    stack = StackedNets(alone)
    stack.keep(torch.tensor([1, 3]))
    logits = stack(features, training=False)
    torch.testing.assert_close(logits[1], alone[3](features[1]), rtol=0, atol=1e-14)


def test_each_net_drops_its_own_share():
    torch.manual_seed(0)
    few, many = (MLP(in_features=5, num_classes=5, hidden=[400], dropout=share) for share in (0.1, 0.8))
    for net in (few, many):
        nn.init.zeros_(net[0].weight)
        nn.init.ones_(net[0].bias)
        nn.init.ones_(net[-1].weight)
        nn.init.zeros_(net[-1].bias)
    assert same_architecture(few) == same_architecture(many)
    stack, features = StackedNets([few, many]), torch.zeros(2, 200, 5)
    sums = stack(features, training=True).detach()[..., 0]
    torch.testing.assert_close(sums.mean(1), torch.full((2,), 400.0), rtol=0.02, atol=0)
    # of a sum of 400 units, each kept with probability q and divided by it, the variance is 400 (1 - q) / q
    torch.testing.assert_close(sums.var(1), torch.tensor([400 * 0.1 / 0.9, 400 * 0.8 / 0.2]), rtol=0.3, atol=0)
    torch.testing.assert_close(stack(features, training=False)[..., 0], torch.full((2, 200), 400.0))


@pytest.mark.parametrize(
    "net",
    [
        nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 3)),
        nn.LSTM(5, 3),
    ],
)
def test_what_does_not_stack_is_found_without_a_word(net, capfd):
    assert not can_stack(net, torch.randn(8, 5))
    assert capfd.readouterr() == ("", "")


class Branching(nn.Module):
    """Code of one's own that looks at values, which vmap refuses."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 3)

    def forward(self, features):
        return self.layer(features) if features.sum() > 0 else self.layer(-features)


def test_own_code_that_vmap_refuses_does_not_stack():
    assert not can_stack(Branching(), torch.randn(8, 5))


def test_trying_a_net_changes_nothing():
    net = nets(1, torch.float32, dropout=0.5)[0]
    before, random = {name: value.clone() for name, value in net.state_dict().items()}, torch.get_rng_state()
    assert can_stack(net, torch.randn(8, 5, generator=torch.Generator().manual_seed(1)))
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert net.training


def made(kind, **arguments):
    return lambda parameters: kind(parameters, **arguments)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1, "fused": True}),
        (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
        (torch.optim.RMSprop, {"lr": 0.01}),
    ],
)
def test_steps_are_those_of_torch_with_rates_of_their_own(kind, arguments):
    """Also after some of the nets have left."""
    alone, rates = nets(4), [1.0, 1.0, 0.1, 3.0]
    makes = [made(kind, **arguments | {"lr": arguments["lr"] * rate}) for rate in rates]
    singles = [make(net.parameters()) for make, net in zip(makes, alone, strict=True)]
    owns = [make([nn.Parameter(torch.zeros(1))]) for make in makes]
    stack = StackedNets(alone)
    settings = [Settings(make, own, str(rate)) for make, own, rate in zip(makes, owns, rates, strict=True)]
    optimizer = StackedOptimizer(stack.weights, settings)
    here = [0, 1, 2, 3]
    for step in range(30):
        if step == 10:
            here = [1, 3]
            stack.keep(torch.tensor(here))
            optimizer.keep(torch.tensor(here), stack.weights)
        features = torch.randn(len(here), 9, 5, dtype=torch.float64)
        labels = torch.randint(3, (len(here), 9))
        losses = [
            cross_entropy(rows, label) for rows, label in zip(stack(features, training=True), labels, strict=True)
        ]
        optimizer.step(torch.autograd.grad(sum(losses), list(stack.weights.values())))
        for place, index in enumerate(here):
            singles[index].zero_grad()
            cross_entropy(alone[index](features[place]), labels[place]).backward()
            singles[index].step()
    for place, index in enumerate(here):
        for name, weight in alone[index].named_parameters():
            torch.testing.assert_close(stack.weights[name][place], weight, rtol=0, atol=1e-10)
        state = optimizer.state(place)["state"]
        own = singles[index].state_dict()["state"]
        for number, values in own.items():
            for name, value in values.items():
                torch.testing.assert_close(state[number][name], value, rtol=0, atol=1e-10)
