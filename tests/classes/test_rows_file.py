"""Numbers by class in files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from smoothlab.classes.rows_file import ClassRows, read_class_rows
from smoothlab.errors import InvalidArgument

NAMES = ["cat", "dog", "elk"]
MATRIX = np.array([[1.0, 0.5, 0.1], [0.5, 1.0, 0.2], [0.1, 0.2, 1.0]])
VECTORS = np.array([[1.0, 0.0], [0.5, -0.5], [2e-3, 3.0]])


def read(path, square):
    return read_class_rows("matrix" if square else "embeddings", path, square=square)


@pytest.mark.parametrize(("values", "square"), [(MATRIX, True), (VECTORS, False)])
def test_arrays_of_numpy(tmp_path, values, square):
    np.save(tmp_path / "plain.npy", values)
    np.savez(tmp_path / "named.npz", values=values, class_names=np.array(NAMES))
    np.savez(tmp_path / "plain.npz", values.astype(np.float32))
    for name, names in [("plain.npy", None), ("named.npz", NAMES), ("plain.npz", None)]:
        rows = read(tmp_path / name, square)
        np.testing.assert_allclose(rows.values, values, rtol=1e-6)
        assert rows.names == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("1,0.5,0.1\n0.5,1,0.2\n0.1,0.2,1\n", None),
        ("cat,dog,elk\n1,0.5,0.1\n0.5,1,0.2\n0.1,0.2,1\n", NAMES),
        (",cat,dog,elk\ncat,1,0.5,0.1\ndog,0.5,1,0.2\nelk,0.1,0.2,1\n", NAMES),
        ("class,elk,dog,cat\ncat,0.1,0.5,1\ndog,0.2,1,0.5\nelk,1,0.2,0.1\n", NAMES),
        ("cat,1,0.5,0.1\ndog,0.5,1,0.2\nelk,0.1,0.2,1\n", NAMES),
        ("7,8,9\n1,0.5,0.1\n0.5,1,0.2\n0.1,0.2,1\n", ["7", "8", "9"]),
        (",7,8,9\n7,1,0.5,0.1\n8,0.5,1,0.2\n9,0.1,0.2,1\n", ["7", "8", "9"]),
    ],
)
def test_matrices_in_csv(tmp_path, text, names):
    (tmp_path / "m.csv").write_text(text)
    rows = read(tmp_path / "m.csv", True)
    assert rows.values.tolist() == MATRIX.tolist()
    assert rows.names == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("1,0\n0.5,-0.5\n2e-3,3\n", None),
        ("x,y\n1,0\n0.5,-0.5\n2e-3,3\n", None),
        ("cat,1,0\ndog,0.5,-0.5\nelk,2e-3,3\n", NAMES),
        ("class,0,1\ncat,1,0\ndog,0.5,-0.5\nelk,2e-3,3\n", NAMES),
        (",x,y\ncat,1,0\ndog,0.5,-0.5\nelk,2e-3,3\n", NAMES),
    ],
)
def test_embeddings_in_csv(tmp_path, text, names):
    (tmp_path / "e.csv").write_text(text)
    rows = read(tmp_path / "e.csv", False)
    assert rows.values.tolist() == VECTORS.tolist()
    assert rows.names == names


def test_parquet(tmp_path):
    matrix = pd.DataFrame(MATRIX, index=NAMES, columns=NAMES)
    matrix[NAMES[::-1]].to_parquet(tmp_path / "indexed.parquet")
    matrix.rename_axis("class").reset_index().to_parquet(tmp_path / "column.parquet")
    matrix.reset_index(drop=True).to_parquet(tmp_path / "header.parquet")
    for name in ("indexed", "column", "header"):
        rows = read(tmp_path / f"{name}.parquet", True)
        assert rows.values.tolist() == MATRIX.tolist()
        assert rows.names == NAMES
    vectors = pd.DataFrame(VECTORS, index=NAMES, columns=["0", "1"])
    vectors.to_parquet(tmp_path / "named.parquet")
    vectors.reset_index(drop=True).to_parquet(tmp_path / "plain.parquet")
    assert read(tmp_path / "named.parquet", False).names == NAMES
    assert read(tmp_path / "plain.parquet", False).names is None
    assert read(tmp_path / "named.parquet", False).values.tolist() == VECTORS.tolist()


def test_what_a_file_would_execute_is_not_read(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "gone off"), "w"))

    np.save(tmp_path / "bomb.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "bomb.npz", a=np.array([Bomb()], dtype=object))
    for name in ("bomb.npy", "bomb.npz"):
        with pytest.raises(InvalidArgument, match="expected a table of numbers"):
            read(tmp_path / name, True)
    assert not (tmp_path / "gone off").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.txt", "1", r"expected rows of numbers, or a file of them: \.npy"),
        ("m.npy", "not numpy", "expected a table of numbers"),
        ("m.npz", "not numpy", "expected a table of numbers"),
        ("m.csv", "", "expected a table of numbers"),
        ("m.csv", "a,b\n1,x\n2,3\n", "expected a table of numbers"),
        ("m.csv", ",cat,dog\ncat,1,0\nelk,0,1\n", "other names in the header than in the first column"),
        ("m.csv", "cat,cat\n1,0\n0,1\n", "a name of its own for each row"),
        ("m.csv", "cat,dog\n1,0\n", "expected a table of numbers"),
        ("m.parquet", "not parquet", "expected a table of numbers"),
    ],
)
def test_what_is_no_such_file_is_named_in_one_line(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(InvalidArgument, match=message) as error:
        read(tmp_path / name, True)
    assert "\n" not in str(error.value)
    with pytest.raises(InvalidArgument, match=r"expected a file that can be read|expected rows of numbers"):
        read(tmp_path / "nowhere" / name, True)


def test_rows_are_found_by_name_or_counted():
    assert ClassRows(MATRIX, NAMES).order("matrix", ["elk", "cat"]) == [2, 0]
    assert ClassRows(MATRIX).order("matrix", ["elk", "cat", "ape"]) == [0, 1, 2]
    with pytest.raises(InvalidArgument, match="matrix = 'rows of cat, dog, elk': expected one of ape too"):
        ClassRows(MATRIX, NAMES).order("matrix", ["elk", "ape"])
    with pytest.raises(InvalidArgument, match="matrix = '3 classes': expected 2: elk, ape"):
        ClassRows(MATRIX).order("matrix", ["elk", "ape"])
