"""What a checkpoint knows of images is enough to read raw ones."""

import numpy as np
import pytest
import torch
from drawn_images import LEAVES, write_folders

from smoothlab.data import encoder_from_state
from smoothlab.data.images import ImageEncoder
from smoothlab.data.images.decoding import Shape
from smoothlab.errors import UserMistake


@pytest.fixture
def encoder() -> ImageEncoder:
    pixels = np.random.default_rng(0).integers(0, 200, (20, 3, 8, 8), dtype=np.uint8)
    return ImageEncoder.fit(pixels, Shape(8, 8, 3, "pad"))


def test_its_features_of_the_training_pixels_have_mean_0_and_deviation_1():
    pixels = np.random.default_rng(0).integers(0, 200, (20, 3, 8, 8), dtype=np.uint8)
    features = ImageEncoder.fit(pixels, Shape(8, 8, 3)).finish(torch.from_numpy(pixels))
    assert features.mean((0, 2, 3)).tolist() == pytest.approx([0, 0, 0], abs=1e-6)
    assert features.var((0, 2, 3), correction=0).tolist() == pytest.approx([1, 1, 1], abs=1e-5)


def test_a_constant_channel_becomes_zeros():
    pixels = np.full((3, 1, 4, 4), 77, dtype=np.uint8)
    assert not ImageEncoder.fit(pixels, Shape(4, 4, 1)).finish(torch.from_numpy(pixels)).abs().max() > 1e-6


def test_it_is_made_again_from_its_state(encoder, tmp_path):
    rows = encoder.read(write_folders(tmp_path, LEAVES, 2))
    again = encoder_from_state(encoder.state())
    assert again.state() == encoder.state()
    assert torch.equal(again.encode(rows), encoder.encode(rows))


def test_a_folder_an_image_and_a_table_of_paths_are_raw_rows(encoder, tmp_path):
    write_folders(tmp_path, LEAVES, 2)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / ".hidden").mkdir()
    rows = encoder.read(tmp_path)
    assert rows.index.tolist() == [f"{name}/00{n}.png" for name in ("healthy", "spotted", "yellow") for n in range(2)]
    image = encoder.read(tmp_path / "yellow" / "000.png")
    assert torch.equal(encoder.encode(image)[0], encoder.encode(rows)[4])
    (tmp_path / "rows.csv").write_text("path,x\nspotted/001.png,1\nyellow/000.png,2\n")
    listed = encoder.read(tmp_path / "rows.csv")
    assert listed.index.tolist() == ["spotted/001.png", "yellow/000.png"]
    assert torch.equal(encoder.encode(listed), encoder.encode(rows)[3:5])
    parts = list(encoder.encode_parts(rows, 4))
    assert [len(part) for part in parts] == [4, 2]
    assert torch.equal(torch.cat(parts), encoder.encode(rows))


def test_raw_rows_that_are_none_are_refused_in_one_line(encoder, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "rows.csv").write_text("file\na.png\n")
    for source, message in (("empty", "no image in it"), ("nowhere", "no such file"), ("rows.csv", "no column 'path'")):
        with pytest.raises(UserMistake, match=message):
            encoder.read(tmp_path / source)
