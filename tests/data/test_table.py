"""Tables are split within classes, and encoded by their training rows alone."""

import numpy as np
import pandas as pd
import pytest
import torch

from smoothlab.data import TableData, breast_cancer
from smoothlab.data.table.splits import random_split
from smoothlab.errors import InvalidArgument, UserMistake


def make(source=breast_cancer, target="diagnosis", **changes) -> TableData:
    options = {
        "fractions": [0.64, 0.16, 0.2],
        "split_seed": 0,
        "shuffle_seed": 0,
        "batch_size": 32,
        "eval_batch_size": 256,
    }
    return TableData(source, target=target, **(options | changes))


def test_breast_cancer_is_the_public_set():
    frame = breast_cancer()
    assert frame.shape == (569, 31)
    assert frame["diagnosis"].value_counts().to_dict() == {"benign": 357, "malignant": 212}


def test_breast_cancer_equals_the_published_file(shared):
    path = shared / "data" / "medical" / "breast_cancer_wdbc" / "breast_cancer.csv"
    if not path.is_file():
        pytest.skip(f"{path} does not exist")
    published = pd.read_csv(path, skiprows=1, header=None)
    np.testing.assert_array_equal(breast_cancer().drop(columns="diagnosis").to_numpy(), published.to_numpy()[:, :30])


def test_splits_are_disjoint_complete_and_stratified():
    data = make()
    data.setup()
    rows = torch.cat([data.split(name).rows for name in ("train", "val", "test")])
    assert sorted(rows.tolist()) == list(range(569))
    for name, share in (("train", 0.64), ("val", 0.16), ("test", 0.2)):
        labels = data.split(name).labels.double()
        assert len(labels) == pytest.approx(569 * share, abs=2)
        assert float(labels.mean()) == pytest.approx(212 / 569, abs=0.01)
    assert data.class_names == ["benign", "malignant"]


def test_statistics_come_from_training_rows_alone():
    data = make()
    data.setup()
    features = data.split("train").features.double()
    torch.testing.assert_close(features.mean(0), torch.zeros(30, dtype=torch.double), atol=1e-5, rtol=0)
    torch.testing.assert_close(features.std(0, unbiased=False), torch.ones(30, dtype=torch.double), atol=1e-4, rtol=0)
    assert data.split("test").features.mean(0).abs().max() > 1e-3


def test_split_seed_decides_the_split():
    same, again, other = make(), make(), make(split_seed=1)
    for data in (same, again, other):
        data.setup()
    assert torch.equal(same.split("test").rows, again.split("test").rows)
    assert not torch.equal(same.split("test").rows, other.split("test").rows)


def test_fingerprint_follows_the_content():
    changed = breast_cancer()
    changed.iloc[5, 0] += 1e-9
    first, second, three = make(), make(), make(source=lambda: changed)
    for data in (first, second, three):
        data.setup()
    assert first.fingerprint == second.fingerprint != three.fingerprint


def test_mistakes_are_named():
    with pytest.raises(UserMistake, match=r"data.target = 'diagnose': no such column; the table has mean radius"):
        make(target="diagnose").setup()
    with pytest.raises(InvalidArgument, match="fractions"):
        make(fractions=[0.5, 0.5, 0.5])
    with pytest.raises(InvalidArgument, match="batch_size = -1"):
        make(batch_size=-1)
    with pytest.raises(UserMistake, match=r"class 'b' has 2 row\(s\)"):
        random_split(np.array([0] * 20 + [1] * 2), ["a", "b"], (0.6, 0.2, 0.2), 0)
    with pytest.raises(UserMistake, match="at least two classes"):
        random_split(np.zeros(20, dtype=int), ["a"], (0.6, 0.2, 0.2), 0)
