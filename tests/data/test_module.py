"""Data in memory: what a module of a user's own may hold."""

from __future__ import annotations

import pytest
import torch

from smoothlab.data.batch import Batch
from smoothlab.data.module import MemoryData
from smoothlab.errors import UserMistake


class Own(MemoryData):
    """A user's own data: six rows a split, the labels as given."""

    def __init__(self, labels: torch.Tensor) -> None:
        super().__init__(batch_size=2, eval_batch_size=2, shuffle_seed=0)
        self.labels = labels

    def read(self) -> dict[str, Batch]:
        self.class_names = ["a", "b", "c"]
        fine = torch.zeros_like(self.labels)
        rows = torch.arange(len(fine))
        features = torch.zeros(len(fine), 2)
        return {
            name: Batch(features, self.labels if name == "val" else fine, rows) for name in ("train", "val", "test")
        }


@pytest.mark.parametrize("wrong", [-100, -1, 3])
def test_a_class_number_that_is_no_class_is_refused_with_its_row(wrong):
    labels = torch.tensor([0, 1, 2, 0, wrong, 1])
    expected = rf"data: row 5 of val has the label {wrong}; expected the number of a class, 0 to 2"
    data = Own(labels)
    for _ in range(2):  # asked again, it is not taken for set up
        with pytest.raises(UserMistake, match=expected):
            data.setup()


@pytest.mark.parametrize(
    "labels", [torch.tensor([0, 1, 2, 0, 2, 1]), torch.full((6, 3), -1.0), torch.zeros(0, dtype=torch.int64)]
)
def test_classes_unknown_labels_of_several_and_empty_splits_are_taken(labels):
    data = Own(labels)
    data.setup()
    assert torch.equal(data.split("val").labels, labels)
