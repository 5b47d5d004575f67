"""Images are read from folders, idx and npz files and tables; split, standardised, and refused in one line."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from drawn_images import LEAVES, LESIONS, arrays, write_folders
from PIL import Image

from smoothlab.data.images import FileLoader, ImageData
from smoothlab.errors import InvalidArgument, UserMistake

SETTINGS = {
    "fractions": [0.6, 0.2, 0.2],
    "split_seed": 0,
    "shuffle_seed": 0,
    "batch_size": 8,
    "eval_batch_size": 16,
    "workers": 0,
}


def image_data(path: Path | str | None = None, **options) -> ImageData:
    return ImageData(path=None if path is None else str(path), **(SETTINGS | options))


def read(path: Path | str, **options) -> ImageData:
    data = image_data(path, **options)
    data.setup()
    return data


def known(data: ImageData, split: str):
    """Features, labels and rows of a split, as a net gets them."""
    batches = [batch.ready("cpu", torch.float32) for batch in data.loader(split)]
    return tuple(torch.cat([getattr(part, name) for part in batches]) for name in ("features", "labels", "rows"))


@pytest.fixture(scope="module")
def leaves(tmp_path_factory) -> Path:
    return write_folders(tmp_path_factory.mktemp("leaves"), LEAVES, 10)


# Sources ------------------------------------------------------------------------------------------------------------


def test_class_folders_are_split_with_each_image_once_and_each_class_everywhere(leaves):
    data = read(leaves)
    assert data.class_names == ["healthy", "spotted", "yellow"]
    rows = torch.cat([known(data, split)[2] for split in ("train", "val", "test")])
    assert sorted(rows.tolist()) == list(range(30))
    assert data.class_counts == [6, 6, 6]
    statistics = {"mean": data.images.mean, "deviation": data.images.deviation}
    shape = {"in_channels": 3, "image_size": [16, 16], "in_features": 768}
    assert data.net_arguments == shape | {"channel_statistics": statistics}
    assert data.class_tree is None


def test_features_are_the_pixels_standardised_by_the_training_images(leaves):
    data = read(leaves)
    files = sorted(leaves.rglob("*.png"))
    pixels = np.stack([np.asarray(Image.open(file)) for file in files]).transpose(0, 3, 1, 2) / 255
    train = known(data, "train")[2].numpy()
    mean = pixels[train].mean((0, 2, 3), keepdims=True)
    deviation = pixels[train].std((0, 2, 3), keepdims=True)
    for split in ("train", "test"):
        features, _, rows = known(data, split)
        assert features.numpy() == pytest.approx((pixels[rows.numpy()] - mean) / deviation, abs=1e-5)


def test_split_folders_keep_their_splits_and_val_comes_out_of_train(tmp_path):
    write_folders(tmp_path / "train", LESIONS, 8)
    write_folders(tmp_path / "test", LESIONS, 3, seed=1)
    data = read(tmp_path)
    assert [len(known(data, split)[1]) for split in ("train", "val", "test")] == [12, 4, 6]
    assert set(known(data, "test")[2].tolist()) == set(range(16, 22))
    write_folders(tmp_path / "valid", LESIONS, 2, seed=2)
    assert [len(known(read(tmp_path), split)[1]) for split in ("train", "val", "test")] == [16, 4, 6]
    assert data.net_arguments["in_channels"] == 1  # all of them are grey


def test_folders_in_folders_are_a_tree(tmp_path):
    drawings = {"apple/healthy": LEAVES["healthy"], "apple/scab": LEAVES["spotted"], "pear/healthy": LEAVES["yellow"]}
    data = read(write_folders(tmp_path, drawings, 5))
    assert data.class_names == ["apple > healthy", "pear > healthy", "scab"]
    assert data.class_tree is not None
    nodes = data.class_tree.nodes(data.class_names)
    assert data.class_tree.distances(nodes).tolist() == [[0, 2, 1], [2, 0, 2], [1, 2, 0]]


def write_idx(folder: Path, prefix: str, images: np.ndarray, labels: np.ndarray) -> None:
    for kind, array in (("images", images), ("labels", labels)):
        head = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
        content = head + array.astype(np.uint8).tobytes()
        (folder / f"{prefix}-{kind}-idx{array.ndim}-ubyte.gz").write_bytes(gzip.compress(content))


def test_idx_files_come_with_their_splits(tmp_path):
    images, labels = arrays(LESIONS, 20)
    write_idx(tmp_path, "train", images[:30], labels[:30])
    write_idx(tmp_path, "t10k", images[30:], labels[30:])
    data = read(tmp_path, classes={0: "benign", 1: "suspicious"})
    assert data.class_names == ["benign", "suspicious"]
    features, read_labels, rows = known(data, "test")
    assert rows.tolist() == list(range(30, 40))
    assert read_labels.tolist() == labels[30:].tolist()
    back = features[:, 0] * data.images.deviation[0] + data.images.mean[0]
    assert (back * 255).round().numpy() == pytest.approx(images[30:])


@pytest.mark.parametrize("split", [True, False])
def test_npz_arrays_with_and_without_splits(tmp_path, split):
    images, labels = arrays(LEAVES, 10)
    parts = {"train": slice(0, 18), "val": slice(18, 24), "test": slice(24, 30)} if split else {"": slice(None)}
    named = {}
    for name, part in parts.items():
        named |= {f"{name}_images".lstrip("_"): images[part], f"{name}_labels".lstrip("_"): labels[part][:, None]}
    np.savez(tmp_path / "set.npz", **named)
    data = read(tmp_path / "set.npz")
    assert data.class_names == ["0", "1", "2"]
    assert sum(len(known(data, split)[1]) for split in ("train", "val", "test")) == 30
    if split:
        assert known(data, "val")[2].tolist() == list(range(18, 24))
    for chosen_split in ("train", "test"):
        _, read_labels, rows = known(data, chosen_split)
        assert read_labels.tolist() == labels[rows.numpy()].tolist()


def test_npz_columns_are_votes_or_several_labels(tmp_path):
    images, _ = arrays(LESIONS, 20)
    votes = np.random.default_rng(0).integers(0, 4, (40, 3)) + np.array([1, 0, 0])
    np.savez(tmp_path / "votes.npz", images=images, labels=votes)
    data = read(tmp_path / "votes.npz", labels="votes")
    _, labels, rows = known(data, "train")
    shares = votes / votes.sum(1, keepdims=True)
    assert labels.numpy() == pytest.approx(shares[rows.numpy()])
    np.savez(tmp_path / "several.npz", images=images, labels=votes > 1)
    several = read(tmp_path / "several.npz", labels="multilabel")
    assert known(several, "train")[1].numpy().tolist() == (votes > 1)[known(several, "train")[2].numpy()].tolist()
    with pytest.raises(InvalidArgument, match="labels = 'single': expected multilabel or votes"):
        read(tmp_path / "votes.npz")


def listing(folder: Path, **columns) -> Path:
    write_folders(folder, LESIONS, 10)
    files = sorted(str(file.relative_to(folder)) for file in folder.rglob("*.png"))
    frame = pd.DataFrame({"path": files, "diagnosis": [Path(file).parts[0] for file in files]} | columns)
    frame.to_csv(folder / "list.csv", index=False)
    return folder / "list.csv"


def test_a_table_of_paths_splits_by_patient_and_keeps_columns_for_smoothing(tmp_path):
    patients = np.repeat(np.arange(10), 2)
    source = listing(tmp_path, patient=patients, agreement=np.linspace(0.5, 1, 20), scanner=["b", "a"] * 10)
    options = {"target": "diagnosis", "metadata": ["agreement", "scanner"]}
    data = read(source, split="group", split_column="patient", **options)
    seen = [set(patients[known(data, split)[2].numpy()].tolist()) for split in ("train", "val", "test")]
    assert sum(map(len, seen)) == len(set.union(*seen)) == 10
    batch = data.first(4)
    assert batch.metadata["agreement"].tolist() == pytest.approx(np.linspace(0.5, 1, 20)[batch.rows.numpy()])
    assert data.metadata_categories["scanner"] == ["a", "b"]
    assert batch.metadata["scanner"].tolist() == [1 - int(row) % 2 for row in batch.rows]
    folds = [set(known(read(source, fold=fold, folds=4, **options), "test")[2].tolist()) for fold in range(4)]
    assert sorted(row for fold in folds for row in fold) == list(range(20))


# Sizes and channels -------------------------------------------------------------------------------------------------


def test_images_are_brought_to_one_size_and_to_grey(tmp_path):
    write_folders(tmp_path, LEAVES, 4, side=16)
    write_folders(tmp_path / "healthy", {".": LEAVES["healthy"]}, 1, side=40)
    with pytest.raises(UserMistake, match=r"the images differ in size, 40 x 40 in 000\.png and 16 x 16 in 001\.png"):
        read(tmp_path)
    data = read(tmp_path, size=[12, 20], channels="grey")
    assert known(data, "train")[0].shape[1:] == (1, 12, 20)
    assert known(read(tmp_path, size=8), "val")[0].shape[1:] == (3, 8, 8)


def test_a_grey_image_among_colours_becomes_one_of_three_equal_channels(tmp_path):
    write_folders(tmp_path, LEAVES | LESIONS, 6)
    features, labels, _ = known(data := read(tmp_path), "train")
    grey = features[labels == data.class_names.index("benign")]
    values = grey * torch.tensor(data.images.deviation).view(-1, 1, 1) + torch.tensor(data.images.mean).view(-1, 1, 1)
    assert torch.allclose(values[:, 0], values[:, 2], atol=1e-6)


# Labels -------------------------------------------------------------------------------------------------------------


def test_noise_is_in_training_alone_and_class_weights_count_each_class_the_same(leaves):
    clean, noisy = read(leaves), read(leaves, noise="pair", noise_rate=0.5)
    assert torch.equal(known(clean, "val")[1], known(noisy, "val")[1])
    before, after = known(clean, "train")[1], known(noisy, "train")[1]
    changed = before != after
    assert changed.any()
    assert torch.equal(after[changed], (before[changed] + 1) % 3)
    instance = read(leaves, noise="instance", noise_rate=0.4)
    assert not torch.equal(known(instance, "train")[1], before)
    batch = read(leaves, class_weight={"healthy": 4, "spotted": 1, "yellow": 1}).first(18)
    weights = batch.metadata["sample_weight"]
    assert weights[batch.labels == 0].mean() == pytest.approx(4 * float(weights[batch.labels == 1].mean()))


def test_an_image_that_is_listed_twice_is_noted(tmp_path):
    source = listing(tmp_path)
    source.write_text(source.read_text() + "benign/003.png,benign\n")
    assert any(
        "1 rows name an image that another row names too" in note for note in read(source, target=["diagnosis"]).notes
    )


def test_ordinal_classes_keep_the_order_that_was_given(leaves):
    data = read(leaves, labels="ordinal", order=["healthy", "yellow", "spotted"])
    assert data.class_names == ["healthy", "yellow", "spotted"]
    assert data.class_order


# Memory and files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
def test_images_left_in_their_files_give_the_batches_of_images_in_memory(leaves, workers):
    here, there = read(leaves), read(leaves, keep="files", workers=workers)
    assert not there.in_memory
    for epoch in (0, 3):
        loaders = here.train_dataloader(), there.train_dataloader()
        assert isinstance(loaders[1], FileLoader)
        for loader in loaders:
            loader.sampler.set_epoch(epoch)
        random = torch.get_rng_state()
        pairs = list(zip(*loaders, strict=True))
        assert torch.equal(torch.get_rng_state(), random)  # the order has its own random numbers
        assert len(pairs) == len(loaders[1])
        for mine, theirs in pairs:
            assert torch.equal(mine.features, theirs.features)
            assert torch.equal(mine.labels, theirs.labels)
            assert torch.equal(mine.rows, theirs.rows)


def test_pixels_are_bytes_until_a_batch_is_made_ready(leaves):
    data = read(leaves)
    batch = next(iter(data.train_dataloader()))
    assert batch.features.dtype is torch.uint8
    assert batch.take(slice(0, 3)).ready("cpu", torch.float64).features.dtype is torch.float64


def test_the_fingerprint_follows_the_contents_and_not_the_place(tmp_path):
    first = read(write_folders(tmp_path / "a", LEAVES, 4))
    assert read(write_folders(tmp_path / "b", LEAVES, 4)).fingerprint == first.fingerprint
    changed = write_folders(tmp_path / "c", LEAVES, 4)
    image = Image.open(changed / "yellow" / "002.png")
    image.putpixel((3, 3), (0, 0, 0))
    image.save(changed / "yellow" / "002.png")
    assert read(changed).fingerprint != first.fingerprint


# Mistakes -----------------------------------------------------------------------------------------------------------


def refused(path, message: str, **options) -> None:
    with pytest.raises((UserMistake, InvalidArgument), match=message) as caught:
        read(path, **options)
    assert "\n" not in str(caught.value)


def test_a_truncated_file_and_one_that_is_no_image_are_named(tmp_path):
    write_folders(tmp_path, LEAVES, 4, side=64)
    path = tmp_path / "spotted" / "001.png"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    for keep in ("memory", "auto"):
        refused(tmp_path, r"spotted.001\.png: cannot be read as an image", keep=keep, size=16)
    path.write_text("not an image")
    refused(tmp_path, r"spotted.001\.png: cannot be read as an image \(not an image, or damaged\)")
    path.write_bytes(b"")
    refused(tmp_path, r"spotted.001\.png: cannot be read as an image")


def test_a_file_that_breaks_during_training_is_named_from_a_worker(leaves, tmp_path):
    data = read(write_folders(tmp_path, LEAVES, 5), keep="files", workers=1)
    for path in tmp_path.rglob("*.png"):
        path.write_text("gone")
    with pytest.raises(UserMistake, match=r"^\S+\.png: cannot be read as an image"):
        list(data.train_dataloader())


def test_folders_that_cannot_be_used_are_refused_in_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "no image in it")
    refused(tmp_path / "nowhere", "no such file or folder")
    refused(write_folders(tmp_path / "one", {"disc": LESIONS["benign"]}, 4), "one class, 'disc'")
    refused(write_folders(tmp_path / "few", LEAVES, 2), "class 'healthy' has 2 row")
    flat = write_folders(tmp_path / "flat", {".": LESIONS["benign"]}, 2)
    refused(flat, "expected images in a folder a class")
    write_folders(tmp_path / "no_test" / "train", LEAVES, 4)
    refused(tmp_path / "no_test", "has train but no folder test")
    write_folders(tmp_path / "new" / "train", LESIONS, 4)
    write_folders(tmp_path / "new" / "test", LEAVES, 4)
    refused(tmp_path / "new", "healthy")


def test_a_folder_without_an_image_is_no_class_and_noted(tmp_path):
    write_folders(tmp_path, LEAVES, 5)
    (tmp_path / "blight").mkdir()
    (tmp_path / "blight" / ".DS_Store").write_text("no image")
    data = read(tmp_path)
    assert data.class_names == sorted(LEAVES)
    assert data.notes == ["folders without an image are no classes: blight"]


def test_files_that_cannot_be_used_are_refused_in_one_line(tmp_path):
    (tmp_path / "a.npz").write_text("not a zip")
    refused(tmp_path / "a.npz", "cannot be read as npz")
    np.savez(tmp_path / "b.npz", images=np.array([{"a": 1}] * 3, dtype=object), labels=np.arange(3))
    refused(tmp_path / "b.npz", "pickled Python objects")
    np.savez(tmp_path / "c.npz", images=np.zeros((9, 4, 4)), labels=np.arange(9) % 3)
    refused(tmp_path / "c.npz", r"float64 values; expected bytes \(uint8\)")
    np.savez(tmp_path / "d.npz", images=np.zeros((9, 4, 4, 4, 4), np.uint8), labels=np.arange(9) % 3)
    refused(tmp_path / "d.npz", r"expected \(N, H, W\)")
    np.savez(tmp_path / "e.npz", images=np.zeros((9, 4, 4), np.uint8), labels=np.arange(8))
    refused(tmp_path / "e.npz", r"labels has the shape \(8,\) for 9 images; expected \(9,\)")
    np.savez(tmp_path / "f.npz", x=np.zeros(3))
    refused(tmp_path / "f.npz", "no array 'images'; it has x")
    np.savez(tmp_path / "g.npz", train_images=np.zeros((3, 4, 4), np.uint8), train_labels=np.arange(3))
    refused(tmp_path / "g.npz", "has train images; expected train and test")
    (tmp_path / "photo.docx").write_text("text")
    refused(tmp_path / "photo.docx", "expected a folder, an .npz file, or a table of paths")
    source = listing(tmp_path / "list")
    refused(source, "target = None: expected the column with the label")
    refused(source, "data.target = 'disease': no such column", target="disease")
    refused(source, "data.image_column = 'file': no such column", target="diagnosis", image_column="file")
    refused(source, "data.metadata = 'site': no such column", target="diagnosis", metadata=["site"])
    (tmp_path / "junk.csv").write_bytes(b"path,y\xff\xfe\n")
    refused(tmp_path / "junk.csv", "data.path = .*: not utf-8", target="y")
    (tmp_path / "list" / "benign" / "000.png").unlink()
    refused(source, r"benign/000\.png, which column 'path' names, does not exist", target="diagnosis")


def test_damaged_idx_files_are_refused_in_one_line(tmp_path):
    images, labels = arrays(LESIONS, 6)
    write_idx(tmp_path, "train", images, labels)
    refused(tmp_path, "t10k-images-idx3-ubyte .* is missing")
    write_idx(tmp_path, "t10k", images, labels[:5])
    refused(tmp_path, "12 images, but 5 labels")
    write_idx(tmp_path, "t10k", images, labels)
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:100])
    refused(tmp_path, "t10k-images-idx3-ubyte.gz: cannot be read")
    path.write_bytes(gzip.compress(bytes((0, 0, 8, 3)) + struct.pack(">3I", 12, 16, 16) + bytes(100)))
    refused(tmp_path, "truncated or damaged, 100 bytes of data where 3072 belong")
    path.write_bytes(gzip.compress(b"something else"))
    refused(tmp_path, "not an idx file")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "size = 0: expected null, a number of pixels"),
        ({"size": [8, 8, 8]}, "size"),
        ({"channels": "cmyk"}, "channels = 'cmyk': expected one of auto, grey, rgb"),
        ({"fit": "squash"}, "fit = 'squash'"),
        ({"keep": "disk"}, "keep = 'disk'"),
        ({"memory_gib": 0}, "memory_gib = 0"),
        ({"workers": -1}, "workers = -1"),
        ({"noise": "symmetric", "noise_rate": 1.5}, "noise_rate = 1.5"),
        ({"fractions": [0.5, 0.5, 0.5]}, "fractions"),
        ({"split": "group"}, "split_column = None"),
        ({"split_column": "patient"}, "split_column = 'patient': expected null with split=random"),
        ({"folds": 5, "fold": 7}, r"fold = 7: expected an integer in \[0, 4\]"),
        ({"augment": "flip"}, "augment = 'flip'"),
        ({"tree": {"leaf": ["healthy", "yellow"]}}, "data.tree: class 'spotted' is not in it"),
        ({"classes": {"blue": "b"}}, "classes = 'blue'"),
        ({"class_weight": {"blue": 2}}, "class_weight"),
        ({"labels": "votes"}, "target"),
        ({"target": "label_of_a_table"}, "target = 'label_of_a_table': expected null"),
        ({"size": 100000}, "size = 100000: expected at most 8192"),
        ({"split": "column", "split_column": "place"}, "data.split_column = 'place': no such column"),
    ],
)
def test_wrong_options_are_refused_in_one_line(leaves, options, message):
    refused(leaves, message, **options)


def test_a_path_or_a_source_is_needed_and_not_both(leaves):
    with pytest.raises(UserMistake, match=r"data\.path: nothing is given"):
        image_data().setup()
    with pytest.raises(UserMistake, match="both given"):
        image_data(leaves, source=lambda: leaves).setup()
    by_source = image_data(source=lambda: leaves)
    by_source.setup()
    assert by_source.class_names == ["healthy", "spotted", "yellow"]
