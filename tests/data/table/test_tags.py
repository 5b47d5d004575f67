"""Cells with several labels are said to be such, and what reads them so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from smoothlab.data.table.describing import describe
from smoothlab.data.table.tags import joining_sign, labels_of
from smoothlab.errors import InvalidArgument, UserMistake


def tagged(join, words, rows: int = 240) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    tags = [draw.choice(words, draw.integers(1, 4), replace=False) for _ in range(rows)]
    return pd.DataFrame({"x": draw.normal(size=rows), "tags": [join(row) for row in tags]})


@pytest.mark.parametrize(
    ("join", "separator"),
    [
        (";".join, "semicolon"),
        ("|".join, "bar"),
        (", ".join, "comma"),
        (" / ".join, "/"),
        (lambda row: str(list(map(str, row))), "comma"),
    ],
)
def test_tags_are_said_and_read_by_what_the_warning_types(table, join, separator):
    frame = tagged(join, ["red", "big", "old", "new"])
    data = table(frame, target="tags", rare_classes=3)
    (warning,) = (warning for warning in data.warnings if "look like several of 4 labels" in warning)
    assert f"data.labels=multilabel data.label_separator={separator} task=multilabel" in warning
    assert describe(data).warnings[0] == warning
    read = table(frame, target="tags", labels="multilabel", label_separator=separator)
    assert read.class_names == ["big", "new", "old", "red"]


def test_a_refusal_of_rare_classes_says_that_they_are_tags(table):
    frame = tagged("|".join, [f"w{number}" for number in range(30)])
    with pytest.raises(UserMistake, match=r"several of 30 labels; data.labels=multilabel data.label_separator=bar"):
        table(frame, target="tags")
    with pytest.raises(InvalidArgument, match=r"data\.label_separator=bar"):
        table(frame, target="tags", labels="multilabel")


@pytest.mark.parametrize(
    "cells",
    [
        ["Boston, MA", "Salem, MA", "Reno, NV", "Austin, TX", "Paris"],
        ["A/x", "A/y", "B/x", "B/y"],
        ["1,5", "2,5", "1", "2"],
        ["yes", "no"],
        ["and/or", "and", "neither"],
        ["3/4/2020", "3/4", "4/2020"],
    ],
)
def test_one_label_stays_one(cells):
    assert joining_sign(dict.fromkeys(cells, 9)) is None


def test_the_labels_of_a_list():
    assert labels_of("['red', 'big one']", ",") == ["red", "big one"]
    assert labels_of("[]", ",") == []
    assert labels_of(" red ; ;big", ";") == ["red", "big"]
