"""Steps of the fused kernel on lists collected once: the weights of the optimizer's own steps, to the bit."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from smoothlab.training.fused_step import FusedStep


def later_group(net, optimizer):
    optimizer.add_param_group({"params": [net.late], "lr": 0.5, "weight_decay": 0.0})


def other_rate(net, optimizer):
    optimizer.param_groups[0]["lr"] = 0.3


def tensor_rate(net, optimizer):
    optimizer.param_groups[0]["lr"] = torch.tensor(0.3)


def loaded_state(net, optimizer):
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))


def frozen(net, optimizer):
    net[0].weight.requires_grad_(False)


def halved_gradients(net, optimizer):
    def halve(*_):
        net[0].bias.grad.mul_(0.5)

    optimizer.register_step_pre_hook(halve)


def scheduled(net, optimizer):
    torch.optim.lr_scheduler.StepLR(optimizer, 1)


EVENTS = (later_group, other_rate, tensor_rate, loaded_state, frozen, halved_gradients, scheduled)


def trained(event, kind, options, *, quick):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    net.late = nn.Parameter(torch.ones(2))
    optimizer = kind([*net[0].parameters(), *net[1].parameters()], lr=0.1, **options)
    step, kernel_calls = FusedStep(optimizer) if quick else optimizer.step, []
    if quick and step._kernel is not None:
        kernel = step._kernel
        step._kernel = lambda *args, **more: (kernel_calls.append(1), kernel(*args, **more))
    for number in range(6):
        if number == 3:
            event(net, optimizer)
        optimizer.zero_grad()
        (net(torch.randn(5, 3)) * net.late).square().sum().backward()
        step()
    return [weights.detach() for weights in net.parameters()], len(kernel_calls)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_the_weights_are_those_of_the_optimizers_own_steps(event):
    quick, calls = trained(event, torch.optim.AdamW, {"fused": True}, quick=True)
    own, _ = trained(event, torch.optim.AdamW, {"fused": True}, quick=False)
    assert all(torch.equal(first, second) for first, second in zip(quick, own, strict=True))
    assert calls >= 2


@pytest.mark.parametrize(
    ("kind", "options", "calls"),
    [
        (torch.optim.Adam, {"fused": True, "weight_decay": 0.1, "maximize": True}, 5),
        (torch.optim.AdamW, {"fused": True, "amsgrad": True}, 0),
        (torch.optim.AdamW, {}, 0),
        (torch.optim.SGD, {"fused": True}, 0),
    ],
    ids=["Adam", "amsgrad", "not fused", "SGD"],
)
def test_only_the_fused_kernel_of_adam_is_called_by_itself(kind, options, calls):
    quick, seen = trained(other_rate, kind, options, quick=True)
    own, _ = trained(other_rate, kind, options, quick=False)
    assert all(torch.equal(first, second) for first, second in zip(quick, own, strict=True))
    assert seen == calls
