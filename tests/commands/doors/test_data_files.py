"""Data that somebody else has written: nothing in them is run, nothing is fetched, and none fills the memory."""

import bz2
import gzip
import io
import lzma
import struct
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from pipes import make_pipe

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from payloads import Payload

SMALL = 4 * 10_000_000  # bytes of a machine, of which a quarter may be unpacked
LARGE = 50_000_000
TABLE = ("train", "data=table", "data.target=label", "logger=none", "progress=none")
ARRAYS = ("train", "data=arrays", "logger=none", "progress=none")
SIMILAR, EMBEDDED = "smoothing.prior.matrix", "smoothing.prior.embeddings"
SIMILARITY = ("train", "smoothing/prior=similarity", "logger=none", "progress=none")
EMBEDDINGS = ("train", "smoothing/prior=embeddings", "logger=none", "progress=none")
NOISE = ("train", "loss=forward_correction", "smoothing=none", "loss.rate=null", "logger=none", "progress=none")
PAIRS = ("train", "task=translation", "data=parallel", "net=seq2seq_transformer", "logger=none", "progress=none")
IMAGES = ("train", "data=images", "logger=none", "progress=none")


@pytest.fixture
def small_machine(monkeypatch):
    monkeypatch.setattr("smoothlab.unpacking.memory", lambda: SMALL)


def npy(header: str) -> bytes:
    """The beginning of an .npy file; its array is left out."""
    text = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


GIANT = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 1000), }"


@pytest.mark.parametrize("words", [ARRAYS, IMAGES], ids=["arrays", "images"])
def test_pickled_arrays_are_not_run(refused, words):
    objects = np.array([Payload()] * 3, dtype=object)
    names = dict.fromkeys(("features", "labels", "images"), objects)
    np.savez("evil.npz", **names)
    assert "evil.npz" in refused(*words, "data.path=evil.npz")
    np.savez("evil.npz", features=np.ones((3, 2)), images=np.ones((3, 4, 4), np.uint8), labels=objects)
    assert "evil.npz" in refused(*words, "data.path=evil.npz")


def test_nor_where_else_a_file_of_numbers_is_read(refused):
    np.save("evil.npy", np.array([Payload()] * 2, dtype=object))
    np.savez("evil.npz", class_names=np.array([Payload()], dtype=object), values=np.ones((2, 2)))
    for file in ("evil.npy", "evil.npz"):
        for line in (refused(*SIMILARITY, f"{SIMILAR}={file}"), refused(*EMBEDDINGS, f"{EMBEDDED}={file}")):
            assert file in line
    assert "evil.npy" in refused(*NOISE, "loss.noise=evil.npy")


@pytest.mark.parametrize("words", [ARRAYS, IMAGES], ids=["arrays", "images"])
def test_an_array_of_a_giant_shape_is_one_line(refused, words):
    Path("giant.npy").write_bytes(npy(GIANT) + b"\0" * 800)
    with zipfile.ZipFile("giant.npz", "w") as archive:
        for name in ("features", "labels", "images"):
            archive.writestr(f"{name}.npy", npy(GIANT) + b"\0" * 800)
    for file in ("giant.npy", "giant.npz"):
        assert file in refused(*words, f"data.path={file}")
    assert "giant.npy" in refused(*NOISE, "loss.noise=giant.npy")
    assert "giant.npy" in refused(*SIMILARITY, f"{SIMILAR}=giant.npy")


@pytest.mark.parametrize("words", [ARRAYS, IMAGES], ids=["arrays", "images"])
def test_arrays_that_unpack_to_more_than_the_memory_are_one_line(refused, words, small_machine):
    np.savez_compressed("bomb.npz", features=np.zeros((LARGE // 8, 1)), images=np.zeros((1000, 100, 500), np.uint8))
    assert Path("bomb.npz").stat().st_size < LARGE // 100
    assert "unpacks to more than" in refused(*words, "data.path=bomb.npz")


def packed(suffix: str, content: bytes) -> bytes:
    if suffix == ".zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("rows.csv", content)
        return buffer.getvalue()
    return {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}[suffix](content)


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zip"])
def test_a_packed_table_or_text_that_unpacks_to_more_than_the_memory_is_one_line(refused, suffix, small_machine):
    content = packed(suffix, b"label,x\n" + b"a,1\n" * (LARGE // 4))
    Path(f"bomb.csv{suffix}").write_bytes(content)
    Path(f"bomb.txt{suffix}").write_bytes(content)
    assert "unpacks to more than" in refused(*TABLE, f"data.path=bomb.csv{suffix}")
    pairs = f"data.train=[bomb.txt{suffix},bomb.txt{suffix}]"
    assert "unpacks to more than" in refused(*PAIRS, pairs)


def test_so_are_idx_files(refused, small_machine):
    folder = Path("idx")
    folder.mkdir()
    for split in ("train", "t10k"):
        images = struct.pack(">4B3I", 0, 0, 8, 3, 2**31, 2**31, 2**31) + b"\0" * LARGE
        (folder / f"{split}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (folder / f"{split}-labels-idx1-ubyte").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, 2**31))
    assert "unpacks to more than" in refused(*IMAGES, "data.path=idx")
    for split in ("train", "t10k"):
        (folder / f"{split}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images[:100]))
    assert "truncated or damaged" in refused(*IMAGES, "data.path=idx")


def test_a_parquet_file_of_equal_values_is_refused_before_it_fills_the_memory(refused, small_machine):
    equal = pa.table({"label": pa.array(["a"] * 10).take(pa.array(np.zeros(10**7, np.int8)))})
    pq.write_table(equal, "bomb.parquet", row_group_size=10**7)
    assert Path("bomb.parquet").stat().st_size < 100_000
    assert "more than this machine's memory holds" in refused(*TABLE, "data.path=bomb.parquet")
    stream = ("train", "data=parquet", "data.path=bomb.parquet", "data.target=label", "logger=none")
    assert "more than this machine's memory holds" in refused(*stream)


@pytest.fixture
def server():
    """A server of this machine, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET

        def log_message(self, *words):
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", asked
        running.shutdown()
        thread.join()


def test_an_address_is_no_file(refused, server):
    address, asked = server
    for ending in ("csv", "parquet", "csv.gz", "arrow", "jsonl"):
        refused(*TABLE, f"data.path={address}/rows.{ending}")
    refused(*ARRAYS, f"data.path={address}/rows.npz")
    refused(*IMAGES, f"data.path={address}/images")
    refused("train", "data=parquet", f"data.path={address}/rows.parquet", "data.target=label", "logger=none")
    for ending in ("csv", "parquet", "npz"):
        refused(*SIMILARITY, f"{SIMILAR}={address}/m.{ending}")
    refused(*NOISE, f"loss.noise={address}/m.csv")
    refused(*PAIRS, f"data.train={address}/m.csv")
    refused("evaluate", f"run={address}/run")
    refused("report", f"{address}/runs")
    assert not asked


def test_a_device_or_a_pipe_is_no_table(refused):
    make_pipe(Path("rows.csv"))
    assert "not a regular file" in refused(*TABLE, "data.path=rows.csv")
    Path("zero.csv").symlink_to("/dev/zero")
    assert "not a regular file" in refused(*TABLE, "data.path=zero.csv")


def test_a_tree_of_classes_that_stands_for_too_much_is_one_line(refused):
    lines = ["a0: &a0 {x: null, y: null, z: null}"]
    lines += [f"a{i}: &a{i} {{x: *a{i - 1}, y: *a{i - 1}, z: *a{i - 1}}}" for i in range(1, 20)]
    texts = ["\n".join(lines), "a: &a {b: *a}", "- " * 10_000, "a: 2020-99-99", "? [1]\n: 2", "[" * 10_000]
    for number, text in enumerate(texts):
        Path(f"tree{number}.yaml").write_text(text)
        words = ("train", "smoothing=hierarchical", f"smoothing.prior.tree=tree{number}.yaml", "logger=none")
        assert f"tree{number}.yaml" in refused(*words)
