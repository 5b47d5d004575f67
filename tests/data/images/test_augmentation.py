"""Training images are changed by torch's own random numbers; their size and range stay."""

import pytest
import torch

from smoothlab.data.images import Augmentation
from smoothlab.errors import InvalidArgument

ALL = {
    "shift": 2,
    "horizontal_flip": 0.5,
    "vertical_flip": 0.5,
    "rotation": 20,
    "zoom": 0.1,
    "brightness": 0.2,
    "contrast": 0.2,
    "erasing": 0.5,
}


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(12, 3, 10, 14, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("channels", [1, 3])
def test_everything_at_once_keeps_shape_and_range_and_repeats_with_the_seed(images, channels):
    images = images[:, :channels]
    before = images.clone()
    torch.manual_seed(5)
    first = Augmentation(**ALL)(images)
    torch.manual_seed(5)
    second = Augmentation(**ALL)(images)
    assert torch.equal(first, second)
    assert torch.equal(images, before)
    assert first.shape == images.shape
    assert first.min() >= 0
    assert first.max() <= 1
    assert not torch.equal(Augmentation(**ALL)(images), first)


def test_nothing_asked_for_changes_nothing(images):
    assert torch.equal(Augmentation()(images), images)


def test_flips_mirror(images):
    assert torch.equal(Augmentation(horizontal_flip=1.0)(images), images.flip(-1))
    assert torch.equal(Augmentation(vertical_flip=1.0)(images), images.flip(-2))
    some = Augmentation(horizontal_flip=0.5)(images)
    flipped = [torch.equal(flipped_image, other.flip(-1)) for flipped_image, other in zip(some, images, strict=True)]
    unchanged = [torch.equal(image, other) for image, other in zip(some, images, strict=True)]
    assert sum(flipped) + sum(unchanged) == len(images)
    assert 0 < sum(flipped) < len(images)


def test_a_shift_cuts_each_image_out_of_itself_with_black_around(images):
    torch.manual_seed(0)
    moved = Augmentation(shift=2)(images)
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2))
    offsets = set()
    for image, source in zip(moved, padded, strict=True):
        fits = [
            (y, x)
            for y in range(5)
            for x in range(5)
            if torch.allclose(image, source[:, y : y + 10, x : x + 14], atol=1e-6)
        ]
        assert len(fits) == 1
        offsets.add(fits[0])
    assert len(offsets) > 4


def test_light_and_holes(images):
    brighter = Augmentation(brightness=0.5)(images * 0.5) - images * 0.5
    inside = (images * 0.5 + brighter > 0) & (images * 0.5 + brighter < 1)
    for image, mask in zip(brighter, inside, strict=True):
        assert image[mask].std() < 1e-5  # one number an image
    torch.manual_seed(0)
    holes = Augmentation(erasing=1.0)(images + 0.1) == 0
    shares = holes.all(1).float().mean((1, 2))
    assert shares.min() > 0
    assert shares.max() < 0.5


@pytest.mark.parametrize(
    ("name", "value"), [("horizontal_flip", 1.5), ("shift", -1), ("rotation", 270), ("zoom", 1), ("erasing", -0.1)]
)
def test_arguments_outside_their_range_are_refused(name, value):
    with pytest.raises(InvalidArgument, match=f"{name} = {value}"):
        Augmentation(**{name: value})
