"""Training samples left out on purpose: whose share, and which of them."""

import numpy as np
import pytest

from smoothlab.data import TableData
from smoothlab.data.synthetic import Diagnosis, synthetic_data
from smoothlab.data.thinning import thinned
from smoothlab.errors import InvalidArgument

LABELS = np.repeat([0, 1, 2], [600, 300, 100])[np.random.default_rng(0).permutation(1000)]
INDEX = np.arange(5000, 6000)


def counts(rows: np.ndarray) -> list[int]:
    return np.bincount(LABELS[rows - 5000], minlength=3).tolist()


def test_a_share_is_that_of_each_class_and_lies_in_every_larger_share():
    tenth, half = (thinned(INDEX, LABELS, train_share=share, seed=3) for share in (0.1, 0.5))
    assert counts(tenth) == [60, 30, 10]
    assert counts(half) == [300, 150, 50]
    assert set(tenth) < set(half)
    assert (np.diff(tenth) > 0).all()
    assert set(thinned(INDEX, LABELS, train_share=0.1, seed=4)) != set(tenth)


def test_imbalance_is_the_ratio_of_the_largest_class_to_the_smallest():
    assert counts(thinned(INDEX, LABELS, imbalance=24.0, seed=3)) == [600, 122, 25]  # 600 / sqrt(24), 600 / 24
    assert counts(thinned(INDEX, LABELS, imbalance=2.0, seed=3)) == [600, 300, 100]  # they are rarer already


def test_every_class_keeps_a_sample_and_nothing_changes_unasked():
    assert counts(thinned(INDEX, LABELS, train_share=0.001, seed=3)) == [1, 1, 1]
    assert thinned(INDEX, LABELS, seed=3) is INDEX


@pytest.mark.parametrize("wrong", [{"train_share": 0.0}, {"train_share": 1.1}, {"imbalance": 0.5}])
def test_what_thins_nothing_out_is_refused(wrong):
    with pytest.raises(InvalidArgument):
        thinned(INDEX, LABELS, **wrong, seed=0)


def frame():
    import pandas as pd

    x = np.random.default_rng(1).normal(size=(300, 2))
    return pd.DataFrame(x, columns=["a", "b"]).assign(label=np.where(np.arange(300) % 3 > 0, "yes", "no"))


def test_a_table_loses_training_rows_alone_before_anything_is_learned_from_them():
    options = {"fractions": [0.6, 0.2, 0.2], "split_seed": 0, "shuffle_seed": 0, "batch_size": 8, "eval_batch_size": 8}
    whole, part = (
        TableData(frame, target="label", **options),
        TableData(frame, target="label", **options, train_share=0.25),
    )
    for data in (whole, part):
        data.setup()
    assert (len(whole.split("train")), len(part.split("train"))) == (180, 45)
    for split in ("val", "test"):
        assert whole.split(split).rows.tolist() == part.split(split).rows.tolist()
    assert part.split("train").features.mean(0).tolist() == pytest.approx([0, 0], abs=1e-6)  # scaled by its own rows
    assert part.num_samples == 45


def test_synthetic_rows_of_a_smaller_share_are_among_the_others():
    numbers = {"rows": 400, "val_rows": 50, "test_rows": 50, "row_seed": 0, "shuffle_seed": 0}
    noise = {"noise": "none", "noise_rate": 0.0, "noisy_splits": [], "sources": 1, "readers": 1, "label": "first"}
    sizes = {"stream": None, "workers": 0, "batch_size": 8, "eval_batch_size": 8}
    world = Diagnosis(classes=3, features=4, categories=[], separation=1.0, imbalance=1.0, depth=1, drift=0.0, seed=0)
    whole, part = (synthetic_data(world, **numbers, **noise, **sizes, train_share=share) for share in (1.0, 0.1))
    for data in (whole, part):
        data.setup()
    assert set(part.split("train").rows.tolist()) < set(whole.split("train").rows.tolist())
    assert 38 <= part.num_samples <= 42
    assert whole.split("test").rows.tolist() == part.split("test").rows.tolist()
