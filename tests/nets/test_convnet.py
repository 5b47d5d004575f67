"""The small convolutional net has the shapes that it was asked for."""

import pytest
import torch
from torch import nn

from smoothlab.errors import InvalidArgument
from smoothlab.nets import ConvNet


def test_equals_the_same_layers_by_hand():
    torch.manual_seed(0)
    net = ConvNet(2, 3, widths=[4, 6]).eval()
    torch.manual_seed(0)
    by_hand = nn.Sequential(
        *(nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(4, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)),
    ).eval()
    images = torch.randn(5, 2, 9, 12)
    assert torch.allclose(net(images), by_hand(images), atol=1e-6)


@pytest.mark.parametrize(("size", "layers"), [((8, 8), 1), ((28, 28), 2), ((9, 33), 1)])
def test_takes_images_of_any_size_from_the_smallest_on(size, layers):
    net = ConvNet(3, 7, widths=[4, 8, 8], layers=layers, dropout=0.5, image_size=size)
    assert net(torch.randn(2, 3, *size)).shape == (2, 7)
    assert sum(isinstance(module, nn.Conv2d) for module in net.modules()) == 3 * layers


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": []}, "widths"),
        ({"widths": [4, 0]}, "widths"),
        ({"widths": [4], "layers": 0}, "layers = 0"),
        ({"widths": [4], "dropout": 1.0}, "dropout = 1.0"),
        ({"widths": [4] * 4, "image_size": [28, 12]}, "at most 3 blocks for images of 28 x 12"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(InvalidArgument, match=message):
        ConvNet(1, 2, **options)
