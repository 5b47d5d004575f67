"""Tables that are misread or give their labels away are named; sound ones are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from smoothlab.commands import main
from smoothlab.data import TableData, describe
from smoothlab.data.table.describing import words_of
from smoothlab.errors import UserMistake


def frame_of(rows: int = 300, **columns) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    label = draw.integers(0, 2, rows)
    frame = pd.DataFrame({"noise": draw.normal(size=rows), "label": np.array(["a", "b"])[label]})
    for name, make in columns.items():
        frame[name] = make(draw, rows)
    return frame


def warnings_of(table, frame: pd.DataFrame, **changes) -> str:
    return "\n".join(describe(table(frame, **{"target": "label"} | changes)).warnings)


def with_code(code: float, share: float, low: float, high: float):
    def make(draw, rows):
        return np.where(draw.random(rows) < share, code, draw.uniform(low, high, rows).round(2))

    return make


@pytest.mark.parametrize(
    ("code", "low", "high"),
    [(-999, 0, 1), (9999, 20, 90), (-1, 40, 80), (0, 60, 120), (99, 0, 9), (-99, -3, 3), (-1, 0.1, 1)],
)
def test_a_code_for_missing_is_named_with_its_rows_and_the_option(table, tmp_path, code, low, high):
    frame = frame_of(x=with_code(code, 0.1, low, high))
    count = int((frame["x"] == code).sum())
    warnings = warnings_of(table, frame)
    assert f"column 'x' holds {code} in {count} of 300 rows" in warnings
    assert f"data.missing_words={{x: ['{code}']}}" in warnings
    frame.to_csv(tmp_path / "coded.csv", index=False)
    for source in (tmp_path / "coded.csv", frame):
        declared = table(source, target="label", missing_words={"x": [str(code)]})
        assert "holds" not in "\n".join(describe(declared).warnings)
        assert {column.name: column.missing for column in declared.columns}["x"] == count
    assert frame["x"].notna().all()  # the caller's own


@pytest.mark.parametrize(
    "make",
    [
        lambda draw, rows: draw.poisson(1.0, rows),  # many zeros, and ones beside them
        lambda draw, rows: draw.integers(-1, 3, rows),
        lambda draw, rows: draw.integers(0, 100, rows),  # 99 is one of them
        lambda draw, rows: draw.normal(size=rows).round(1),
        lambda draw, rows: np.where(draw.random(rows) < 0.8, 0, draw.exponential(50, rows)),  # money: mostly none
        with_code(-999, 0.002, 0, 1),  # one odd row
        with_code(0, 0.9, 60, 120),  # most rows: no code, but a value of its own
        lambda draw, rows: np.where(np.arange(rows) % 2, np.nan, -999.0),  # and no other value
    ],
)
def test_numbers_that_are_measured_are_no_codes(table, make):
    assert "holds" not in warnings_of(table, frame_of(x=make))


def test_many_columns_with_one_code_are_one_warning(table):
    columns = {f"x{place}": with_code(-999, 0.1, 0, 1) for place in range(5)}
    (warning,) = (line for line in warnings_of(table, frame_of(**columns)).splitlines() if "-999" in line)
    assert "(and 2 more columns)" in warning
    assert "x2: ['-999'], ...}" in warning


def test_a_column_that_names_splits_is_named_and_the_advice_works(table):
    frame = frame_of(part=lambda draw, rows: np.array(["Train", "Test"])[draw.integers(0, 2, rows)])
    assert "data.split=column data.split_column='part'" in warnings_of(table, frame)
    data = table(frame, target="label", split="column", split_column="part")
    assert len(data.split("test").labels) == int((frame["part"] == "Test").sum())
    other = frame_of(part=lambda draw, rows: np.array(["train", "bus"])[draw.integers(0, 2, rows)])
    assert "split_column" not in warnings_of(table, other)


def test_a_first_row_that_became_the_names_is_seen(table, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("\n".join(f"{5 + row % 7 / 10},{row % 3 / 2},{'ab'[row % 2]}" for row in range(60)))
    text = "\n".join(describe(table(file, target="a")).warnings)
    assert "the names of the columns look like a row of cells (5, 0, a)" in text or "look like a row of cells" in text
    assert "data.header=null" in text
    assert "row of cells" not in warnings_of(table, frame_of(x=with_code(5, 0.5, 0, 9)))
    numbered = frame_of().set_axis(["0", "1"], axis=1)
    assert "row of cells" not in warnings_of(table, numbered, target="1")


def test_columns_that_give_the_label_away_together_are_named(table):
    frame = frame_of(
        900, first=lambda draw, rows: draw.integers(0, 4, rows), second=lambda d, rows: d.integers(0, 4, rows)
    )
    frame["label"] = np.where(frame["first"] > frame["second"], "a", "b")
    assert "columns first, second together give the target away" in warnings_of(table, frame)
    frame["label"] = np.where(np.random.default_rng(1).random(900) < 0.1, "a", frame["label"])
    assert "together give" not in warnings_of(table, frame)


@pytest.mark.parametrize(
    "load", [datasets.load_iris, datasets.load_wine, datasets.load_breast_cancer, datasets.load_digits]
)
def test_sound_tables_are_not_suspected(table, load):
    raw = load(as_frame=True)
    frame = raw.data.assign(label=raw.target.map(lambda place: f"class {place}"))
    warnings = warnings_of(table, frame)
    for word in ("holds", "row of cells", "split_column", "together give", "own:"):
        assert word not in warnings


def test_the_targets_name_counts_as_a_whole_word(table):
    assert words_of("isOver_limit") == ["is", "over", "limit"]
    columns = {name: lambda draw, rows: draw.normal(size=rows) for name in ("majorcards", "card_limit", "lastCard")}
    frame = frame_of(**columns).rename(columns={"label": "card"})
    warnings = warnings_of(table, frame, target="card")
    assert "'card_limit' has the target's name" in warnings
    assert "'lastCard' has the target's name" in warnings
    assert "majorcards" not in warnings


def test_every_spelling_of_a_class_is_named_and_the_advice_works(table):
    frame = frame_of().assign(label=["No", "no", "YES", "Yes", "yes", "No"] * 50)
    (note,) = (note for note in table(frame, target="label").notes if "white space" in note)
    assert "'No' and 'no'; 'YES' and 'Yes' and 'yes'" in note
    assert "data.classes={no: No, Yes: YES, yes: YES}" in note
    renamed = table(frame, target="label", classes={"no": "No", "Yes": "YES", "yes": "YES"})
    assert renamed.class_names == ["No", "YES"]


def test_a_class_of_one_row_names_the_option_that_merges_and_it_works(table):
    frame = frame_of().assign(label=["a", "b"] * 148 + ["rare"] + ["odd"] * 3)
    with pytest.raises(UserMistake, match=r"class 'rare' has 1 row.*data\.rare_classes=4 merges"):
        table(frame, target="label")
    assert table(frame, target="label", rare_classes=4).class_names == ["a", "b", "other"]


def test_of_rare_classes_that_are_too_few_together_the_message_names_what_works(table):
    frame = frame_of().assign(label=["a"] * 150 + ["b"] * 148 + ["rare", "odd"])
    with pytest.raises(UserMistake, match=r"where they have 3 rows together; 'data.classes=\{odd: a\}'"):
        table(frame, target="label")
    assert table(frame, target="label", classes={"odd": "a", "rare": "b"}).class_names == ["a", "b"]


@pytest.mark.parametrize(
    ("labels", "changes", "first"),
    [
        (["a", "b"] * 149 + ["rare", "b"], {}, "class 'rare' has 1 row(s)"),
        (["a", "b"] * 148 + ["rare"] + ["odd"] * 3, {}, "data.rare_classes=4 merges"),
        (["a"] * 300, {}, "expected at least two classes"),
        ([f"name {row}" for row in range(300)], {}, "300 of 300 classes have fewer than 3 rows"),
        ([row + 0.5 for row in range(300)], {}, "a quantity and no classes"),
        ([None] * 300, {}, "every cell is empty"),
        (["a"] * 290 + ["b"] * 10, {"split": "time", "split_column": "b"}, "in no training row"),
    ],
)
def test_labels_that_cannot_be_used_do_not_end_the_description(labels, changes, first):
    frame = frame_of().assign(label=labels)
    if changes:
        frame["b"] = np.arange(300.0)
    data = TableData(lambda: frame, target="label", **changes)
    description = describe(data)
    assert description.warnings[0].startswith("training refuses these data: ")
    assert first in description.warnings[0]
    assert [column["name"] for column in description.columns] == list(frame.columns)
    assert description.splits == {"all": 300}
    assert sum(row["all"] for row in description.classes) == frame["label"].notna().sum()
    assert any(column["becomes"] == "a number" for column in description.columns)
    assert not data.lenient


@pytest.mark.parametrize(
    "name", ["patient_id", "customer", "merchant", "session_id", "Client No", "personId", "user_name"]
)
def test_a_column_that_names_groups_of_rows_is_no_feature_and_the_advice_works(table, name):
    frame = frame_of().assign(**{name: [f"P{row // 6:03}" for row in range(300)]})
    data = table(frame, target="label")
    (column,) = (column for column in data.columns if column.name == name)
    assert column.role == "ignored"
    assert any(f"data.split=group data.split_column={name!r}" in note for note in data.notes)
    grouped = table(frame, target="label", split="group", split_column=name)
    parts = [set(frame[name].iloc[grouped.split(split).rows.numpy()]) for split in ("train", "val", "test")]
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert table(frame, target="label", kinds={name: "categorical"}).encoder.width > data.encoder.width


def test_few_groups_are_a_category_and_an_index_that_is_measured_is_a_number(table):
    frame = frame_of(
        **{name: lambda draw, rows: draw.permutation(rows) for name in ("Performance Index", "air_quality_index")}
    )
    frame["shop_id"] = [f"s{row % 5}" for row in range(300)]
    frame["index"] = np.random.default_rng(0).permutation(300)
    kinds = {column.name: column.kind for column in table(frame, target="label").columns}
    assert kinds["Performance Index"] == kinds["air_quality_index"] == "numeric"
    assert kinds["shop_id"] == "categorical"
    assert kinds["index"] == "id"


def test_training_says_what_looks_misread(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    frame_of(x=with_code(-999, 0.1, 0, 1)).to_csv("mine.csv", index=False)
    words = [
        "data=table",
        "data.path=mine.csv",
        "data.target=label",
        "trainer.max_epochs=1",
        "logger=none",
        "figures=false",
    ]
    assert main(["train", *words]) == 0
    captured = capsys.readouterr()
    assert "column 'x' holds -999" in captured.out + captured.err


def test_a_code_is_named_where_it_is_the_only_negative_number(table):
    """The other numbers are wider apart than the code is from them."""

    def make(draw, rows):
        return np.where(draw.random(rows) < 0.1, -999, draw.lognormal(10, 1, rows).round(2))

    assert "column 'x' holds -999" in warnings_of(table, frame_of(x=make))
    assert "holds" not in warnings_of(table, frame_of(x=lambda draw, rows: draw.choice([-2, 1000, 5000], rows)))


@pytest.mark.parametrize("target", ["yes", "maize"])
def test_a_lost_header_of_words_is_named(table, tmp_path, target):
    draw = np.random.default_rng(0)
    rows = [
        [
            f"{draw.normal():.3f}",
            draw.choice(["card", "cash"]),
            draw.choice(["yes", "no"]),
            draw.choice(["maize", "rye"]),
        ]
        for _ in range(200)
    ]
    rows[0] = ["0.313", "cash", "yes", "maize"]
    (tmp_path / "lost.csv").write_text("\n".join(",".join(row) for row in rows))
    assert "data.header=null reads it so" in "\n".join(describe(table(tmp_path / "lost.csv", target=target)).warnings)


def test_a_lost_header_is_named_where_the_target_is_there_twice(table, tmp_path):
    rows = ["0.3,yes,yes", *(f"{number},no,{'yes' if number % 2 else 'no'}" for number in range(100))]
    (tmp_path / "lost.csv").write_text("\n".join(rows))
    with pytest.raises(UserMistake, match=r"two columns have this name.*data.header=null"):
        table(tmp_path / "lost.csv", target="yes").setup()


def test_a_few_equal_rows_are_no_matter(table):
    frame = frame_of(300)
    frame["noise"] = np.arange(300) / 7
    twice = pd.concat([frame, frame.iloc[:2]], ignore_index=True)
    assert "same features" not in warnings_of(table, twice)
    assert "same features" in warnings_of(table, pd.concat([frame, frame.iloc[:100]], ignore_index=True))


def test_a_rare_class_that_is_another_ones_spelling_is_told_so(table):
    frame = frame_of(300)
    frame.loc[7, "label"] = "A"
    with pytest.raises(UserMistake, match=r"class 'A' has 1 row.*'data.classes=\{A: a\}' takes it as another spelling"):
        table(frame, target="label").setup()
    table(frame, target="label", classes={"A": "a"}).setup()


@pytest.mark.parametrize(
    ("make", "codes"),
    [
        (
            lambda draw, rows: np.where(
                draw.random(rows) < 0.2, draw.choice([98, 99], rows), draw.integers(1, 8, rows)
            ),
            2,
        ),
        (lambda draw, rows: np.where(draw.random(rows) < 0.3, -1, draw.integers(1, 40, rows)), 1),
        (lambda draw, rows: np.where(draw.random(rows) < 0.1, -8888, draw.normal(10, 5, rows).round(1)), 1),
        (lambda draw, rows: np.where(draw.random(rows) < 0.1, 1e20, draw.normal(10, 5, rows).round(1)), 1),
        (lambda draw, rows: np.where(draw.random(rows) < 0.8, -1, draw.integers(1, 400, rows)), 1),
    ],
)
def test_codes_of_other_kinds_are_named(table, make, codes):
    assert warnings_of(table, frame_of(x=make)).count("a code for missing?") == codes


def test_pairs_that_decide_are_named(table):
    frame = frame_of(
        600, first=lambda draw, rows: draw.integers(0, 5, rows), second=lambda draw, rows: draw.integers(0, 5, rows)
    )
    frame["label"] = np.where((frame["first"] + frame["second"]) % 2 == 0, "even", "odd")
    assert "columns first, second together give the target away" in warnings_of(table, frame)
    frame = frame_of(
        900, home=lambda draw, rows: draw.normal(size=rows), away=lambda draw, rows: draw.normal(size=rows)
    )
    frame["label"] = np.where(frame["home"] > frame["away"], "won", "lost")
    assert "columns home, away together give the target away" in warnings_of(table, frame)


def test_a_class_of_one_row_is_never_proposed_as_itself(table):
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0], "label": ["yes", "no", "maybe"]})
    with pytest.raises(UserMistake, match=r"class 'maybe' has 1 row.*'data.classes=\{maybe: no\}'"):
        table(frame, target="label").setup()
