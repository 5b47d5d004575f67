"""A random split that flatters: groups, dates, equal and nearly equal rows are measured and named."""

from __future__ import annotations

import numpy as np
import pandas as pd

from smoothlab.data import describe
from smoothlab.data.table.encoder import MOST_SEEN, TableEncoder
from smoothlab.data.table.sampling import SampledSource, described


def grouped(rows: int = 480, groups: int = 60) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    group = np.repeat(np.arange(groups), rows // groups)
    label = draw.integers(0, 2, groups)[group]
    return pd.DataFrame({"x": draw.normal(size=rows), "label": np.array(["a", "b"])[label], "group": group})


def test_groups_are_measured_under_both_splits(table):
    for name, cells in (
        ("patient_id", lambda group: group),
        ("hospital", lambda group: [f"H{place}" for place in group]),
    ):
        frame = grouped()
        frame[name] = cells(frame.pop("group"))
        description = describe(table(frame, target="label"))
        (measured,) = description.measured
        assert measured["column"] == name
        assert measured["random"] > measured["apart"] + 0.05
        assert measured["noted"]
        warning = next(line for line in description.warnings if name in line)
        assert f"data.split=group data.split_column={name!r}" in warning
        assert not any("alone gives the target away" in line for line in description.warnings)


def test_groups_that_say_nothing_are_measured_and_not_warned_of(table):
    draw = np.random.default_rng(0)
    frame = grouped().rename(columns={"group": "customer_id"})
    frame["label"] = np.where(frame["x"] + draw.normal(size=len(frame)) > 0, "a", "b")
    description = describe(table(frame, target="label"))
    assert len(description.measured) == 1
    assert not any("rows drawn at random" in line for line in description.warnings)


def test_a_date_is_measured_against_the_latest_rows(table):
    draw = np.random.default_rng(0)
    frame = grouped().drop(columns="group")
    frame["day"] = pd.date_range("2020-01-01", periods=len(frame)).strftime("%Y-%m-%d")
    frame["label"] = np.where(np.arange(len(frame)) // 30 % 2 == 0, "a", "b")
    frame = frame.iloc[draw.permutation(len(frame))]
    description = describe(table(frame, target="label"))
    (measured,) = description.measured
    assert measured["split"] == "time"
    assert measured["noted"]
    assert any("data.split=time data.split_column='day'" in line for line in description.warnings)


def test_rows_measured_several_times_are_near_twins_and_others_are_not(table):
    draw = np.random.default_rng(0)
    once = draw.normal(size=(200, 4))
    twice = np.concatenate([once, once + draw.normal(0, 1e-3, once.shape)])
    for values, near in ((twice, True), (draw.normal(size=(400, 4)), False)):
        frame = pd.DataFrame(values, columns=list("wxyz")).assign(label=["a", "b"] * 200)
        warnings = "\n".join(describe(table(frame, target="label")).warnings)
        assert ("nearly the same as a training row" in warnings) == near


def test_columns_that_cannot_be_read_do_not_end_a_description(table):
    draw = np.random.default_rng(0)
    frame = grouped().drop(columns="group")
    numbers = [f"{number:.2f}" for number in draw.uniform(0, 90, len(frame))]
    frame["weight"] = [number + unit for number, unit in zip(numbers, [" kg", " g"] * 240, strict=True)]
    frame["price"] = [sign + number for number, sign in zip(numbers, ["$", ""] * 240, strict=True)]
    frame["empty"] = None
    description = describe(table_of(table, frame))
    kinds = {column["name"]: column["kind"] for column in description.columns}
    assert kinds == {"x": "numeric", "label": "", "weight": "unreadable", "price": "unreadable", "empty": "empty"}
    for name in ("weight", "price"):
        assert any(f"training refuses column {name!r}" in line for line in description.warnings[:2])


def table_of(table, frame: pd.DataFrame):
    from smoothlab.data import TableData

    return TableData(lambda: frame, target="label")


def test_of_a_large_table_every_nth_row_is_described(tmp_path, table):
    frame = grouped(4800, 60)
    frame["row"] = np.arange(len(frame))
    frame.to_parquet(tmp_path / "large.parquet")
    frame.to_csv(tmp_path / "large.csv", index=False)
    for name in ("large.parquet", "large.csv"):
        data = table_of_file(tmp_path / name)
        source = SampledSource(data.row_source, "label", most=1000)
        sampled, given, _ = source.rows()
        assert given is None
        assert 500 <= len(sampled) <= 1000
        assert "4,800 rows; every 5th is looked at, 960" in source.looked_at
        assert sampled["row"].tolist()[:3] == [0, 5, 10]
    description = described(table_of_file(tmp_path / "large.csv"))
    assert description.sample == ""
    assert next(column for column in description.columns if column["name"] == "row")["note"] == "counts the rows"


def table_of_file(path):
    from smoothlab.data import TableData

    return TableData(path=str(path), target="label")


def test_training_rows_are_known_again(table):
    import torch

    features = torch.from_numpy(np.random.default_rng(0).normal(size=(3 * MOST_SEEN, 3)).astype(np.float32))
    encoder = TableEncoder([])
    encoder.remember(features)
    restored = TableEncoder.from_state(encoder.state())
    seen, looked_at = restored.known_again(features[:6000])
    assert seen == looked_at > 1000
    assert restored.known_again(features[:6000] + 1)[0] == 0
