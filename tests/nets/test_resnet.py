"""The residual net for small images is that of the paper."""

import pytest
import torch
from torch import nn

from smoothlab.errors import InvalidArgument
from smoothlab.nets import ResNet


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (56, 0.85)])
def test_has_the_parameters_of_the_paper(depth, millions):
    net = ResNet(3, 10, depth=depth)
    count = sum(parameter.numel() for parameter in net.parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.01)  # table 6; its shortcuts have no weights, ours 2688
    main = [module for module in net.modules() if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3)]
    assert len(main) + 1 == depth


def test_stages_halve_the_size_and_double_the_channels():
    net = ResNet(1, 4, depth=8, width=6)
    seen = []
    for block in net.blocks:
        block.register_forward_hook(lambda _, __, result: seen.append(tuple(result.shape[1:])))
    assert net(torch.randn(2, 1, 28, 20)).shape == (2, 4)
    assert seen == [(6, 28, 20), (12, 14, 10), (24, 7, 5)]


def test_a_block_without_weights_lets_its_input_through():
    block = ResNet(3, 2, depth=8).blocks[0].eval()
    nn.init.zeros_(block.second.weight)
    hidden = torch.rand(2, 16, 5, 5)
    assert torch.allclose(block(hidden), hidden)


def test_a_stride_in_the_stem_takes_large_images():
    assert ResNet(3, 5, depth=8, stem_stride=4, image_size=[224, 224])(torch.randn(2, 3, 224, 224)).shape == (2, 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 18}, "depth = 18: expected 8, 14, 20"),
        ({"depth": 2}, "depth = 2"),
        ({"width": 0}, "width = 0"),
        ({"stem_stride": 0}, "stem_stride = 0"),
        ({"stem_stride": 4, "image_size": [28, 15]}, "stem_stride = 4: expected less for images of 28 x 15"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(InvalidArgument, match=message):
        ResNet(3, 2, **options)
