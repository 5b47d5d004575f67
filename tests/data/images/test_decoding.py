"""Every kind of image file becomes the same bytes: turned, resized, in 8 bits, grey or in colour."""

import numpy as np
import pytest
from PIL import Image

from smoothlab.data.images.decoding import Shape, decode, look_at
from smoothlab.errors import InvalidArgument, UserMistake

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (6, 9), dtype=np.uint8)
COLOUR = RANDOM.integers(0, 256, (6, 9, 3), dtype=np.uint8)


def save(folder, image, name="image.png", **options):
    image.save(folder / name, **options)
    return folder / name


def test_pixels_of_the_right_size_stay_as_they_are(tmp_path):
    assert np.array_equal(decode(save(tmp_path, Image.fromarray(GREY)), Shape(6, 9, 1)), GREY[None])
    assert np.array_equal(decode(save(tmp_path, Image.fromarray(COLOUR)), Shape(6, 9, 3)), COLOUR.transpose(2, 0, 1))


def test_sixteen_bits_lose_the_lower_eight_and_are_not_cut_off(tmp_path):
    wide = RANDOM.integers(0, 65536, (6, 9)).astype(np.uint16)
    for name in ("image.png", "image.tif"):
        path = save(tmp_path, Image.fromarray(wide), name)
        assert np.array_equal(decode(path, Shape(6, 9, 1))[0], wide >> 8)
        assert look_at(path) == (6, 9, True)


def test_floating_point_pixels_are_refused(tmp_path):
    path = save(tmp_path, Image.fromarray(GREY.astype(np.float32)), "image.tif")
    with pytest.raises(UserMistake, match="pixels are floating-point numbers"):
        decode(path, Shape(6, 9, 1))


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA", "CMYK"])
def test_other_modes_become_grey_or_colour(tmp_path, mode):
    image = Image.fromarray(COLOUR).convert(mode)
    path = save(tmp_path, image, "image.tif" if mode == "CMYK" else "image.png")
    assert np.array_equal(decode(path, Shape(6, 9, 3)), np.asarray(image.convert("RGB")).transpose(2, 0, 1))
    assert decode(path, Shape(6, 9, 1)).shape == (1, 6, 9)
    assert look_at(path)[2] == (mode in ("1", "LA"))


def test_a_photograph_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    path = save(tmp_path, Image.fromarray(COLOUR), "image.png", exif=exif)
    assert look_at(path) == (9, 6, False)
    assert np.array_equal(decode(path, Shape(9, 6, 3)), np.rot90(COLOUR, -1).transpose(2, 0, 1))


def test_proportions_are_stretched_cropped_or_padded(tmp_path):
    bars = np.zeros((8, 24), dtype=np.uint8)
    bars[:, 8:16] = 200  # the middle third
    path = save(tmp_path, Image.fromarray(bars))
    assert (decode(path, Shape(8, 8, 1, "crop")) == 200).all()
    padded = decode(path, Shape(24, 24, 1, "pad"))[0]
    assert np.array_equal(padded[8:16], bars)
    assert not padded[:8].any()
    stretched = decode(path, Shape(8, 8, 1, "stretch"))[0]
    assert stretched[:, 4].min() > 150
    assert stretched[:, 0].max() == 0


def test_a_large_photograph_is_decoded_small_and_looks_the_same(tmp_path):
    ramp = np.tile(np.linspace(0, 255, 800).astype(np.uint8), (600, 1))
    path = save(tmp_path, Image.fromarray(ramp), "photo.jpg", quality=95)
    small = decode(path, Shape(30, 40, 1))[0]
    assert small.mean(0) == pytest.approx(ramp.reshape(600, 40, 20).mean((0, 2)), abs=2)


def test_wrong_shapes_are_refused():
    with pytest.raises(InvalidArgument, match="size"):
        Shape(0, 3, 1)
    with pytest.raises(InvalidArgument, match="channels = 2"):
        Shape(3, 3, 2)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserMistake, match=r"gone\.png: no such file"):
        decode(tmp_path / "gone.png", Shape(3, 3, 1))
