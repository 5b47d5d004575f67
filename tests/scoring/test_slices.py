"""A split is cut by a column into even ranges, or by its values, and each part is scored like a split of its own."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smoothlab.metrics import classification_metrics, multilabel_metrics
from smoothlab.scoring.slices import MISSING, MOST, OTHERS, as_date, cut, label_of
from smoothlab.scoring.splits import details, score


def test_numbers_are_cut_into_ranges_of_equally_many():
    column = torch.randperm(100, generator=torch.Generator().manual_seed(0)).float()
    parts = list(cut(column, 4))
    assert [(part.place["from"], part.place["to"]) for part in parts] == [(0, 24), (25, 49), (50, 74), (75, 99)]
    assert [len(part.index) for part in parts] == [25] * 4
    assert label_of(parts[0].place) == "0 to 24"
    assert column[parts[1].index].sort().values.tolist() == list(range(25, 50))


@given(st.integers(1, 200), st.integers(1, 12), st.integers(1, 50), st.integers(0, 2**32 - 1))
def test_every_sample_is_in_one_slice_and_equal_values_are_together(rows, count, values, seed):
    random = np.random.default_rng(seed)
    column = torch.from_numpy(random.integers(0, values, rows) / 7)
    parts = list(cut(column, count))
    assert sorted(torch.cat([part.index for part in parts]).tolist()) == list(range(rows))
    assert all(len(part.index) for part in parts)
    assert len(parts) <= count
    ends = [(column[part.index].min().item(), column[part.index].max().item()) for part in parts]
    assert all(end[1] < other[0] for end, other in pairwise(ends))


def test_few_numbers_and_words_get_a_slice_a_value():
    parts = list(cut(torch.tensor([3.0, 1.0, 3.0, torch.nan]), 5))
    assert [part.place for part in parts] == [{"value": 1.0}, {"value": 3.0}, {"value": MISSING}]
    assert parts[1].index.tolist() == [0, 2]
    parts = list(cut(torch.tensor([1, 0, -1, 1]), 1, ["north", "south", "west"]))
    assert [(part.place["value"], part.index.tolist()) for part in parts] == [
        ("north", [1]),
        ("south", [0, 3]),
        (MISSING, [2]),
    ]


def test_of_very_many_words_the_rarer_ones_are_together():
    codes = torch.cat([torch.arange(300), torch.arange(100, 120)])
    parts = list(cut(codes, 5, [f"w{k}" for k in range(300)]))
    assert len(parts) == MOST
    assert {f"w{k}" for k in range(100, 120)} < {part.place["value"] for part in parts}
    assert parts[-1].place == {"value": OTHERS}
    assert sum(len(part.index) for part in parts) == 320


def test_days_are_shown_as_dates():
    assert [as_date(days) for days in (0.0, 14137.0, -1.0, 1e300, MISSING)] == [
        *("1970-01-01", "2008-09-15", "1969-12-31"),
        *(1e300, MISSING),
    ]


class Data:
    metadata_categories = {"region": ["north", "south"]}  # noqa: RUF012

    def loader(self, split):
        return split


class Task:
    num_bins, slices, num_slices, class_names, more_metrics = 15, "region", 2, ("a", "b", "c"), list

    def __init__(self, kind="classification"):
        self.kind = kind


def drawn():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(60, 3, generator=generator), torch.randint(0, 3, (60,), generator=generator), generator


def run(task, logits, labels, column):
    class Trainer:
        def predict(self, task, dataloaders):
            parts = zip(*(column.split(25) for column in (logits, labels, torch.arange(60), column)), strict=True)
            return [dict(zip(("logits", "labels", "rows", "slices"), part, strict=True)) for part in parts]

    return score(task, Data(), Trainer(), ["test"])


def test_each_slice_has_the_metrics_of_its_samples():
    logits, labels, generator = drawn()
    column = torch.randint(0, 2, (60,), generator=generator)
    scores = run(Task(), logits, labels, column)
    results = details(scores, Task())
    assert results["slices"]["column"] == "region"
    for code, part in enumerate(results["slices"]["test"]):
        there = column == code
        expected = classification_metrics(logits[there], labels[there], from_logits=True)
        assert part["value"] == ("north", "south")[code]
        assert part["rows"] == int(there.sum())
        for name in ("nll", "accuracy", "ece", "confidence_gap"):
            assert part[name] == pytest.approx(expected[name])
    assert "by_label" not in results


def test_slices_of_several_labels_a_sample_and_each_label_apart():
    logits, _, generator = drawn()
    labels = torch.randint(0, 2, (60, 3), generator=generator).float()
    labels[:20] = -1
    labels[:, 2] = -1
    task = Task("multilabel")
    column = (torch.arange(60) >= 20).long()
    results = details(run(task, logits, labels, column), task)
    unknown, known = results["slices"]["test"]
    assert unknown == {"value": "north", "rows": 20}  # nothing to judge
    assert known["ece"] == pytest.approx(
        multilabel_metrics(logits[20:], labels[20:], from_logits=True, mask=labels[20:] >= 0)["ece"]
    )
    each = results["by_label"]["test"]
    assert list(each) == ["a", "b", "c"]
    assert each["a"]["known"] == 40
    assert {"ece", "confidence_gap", "average_precision", "nll", "present", "known"} == set(each["b"])
    assert each["c"] == {"known": 0.0, "present": 0.0}
