"""Tables that are right, and the same spoiled in ten ways: what does `data describe` make of them, and does it say so?

    python benchmarks/spoiled_tables.py 1000 --seed 0

A table is made up: columns of known kinds under ordinary names, and a label that some of them explain in part. It is
written as CSV and described as it is, where any warning is a false alarm, and spoiled in one way, where it is wrong
when a column is not what it was made as and no note, warning or refusal names it. Prints a line of JSON, and the cases
that were wrong on standard error.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import tempfile
import traceback
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from smoothlab.config.compose import compose_config, plain
from smoothlab.config.opening import make_data
from smoothlab.data import RowData, describe
from smoothlab.errors import UserMistake

Draw = np.random.Generator
# What a column may be read as.
Kinds = tuple[str, ...]
NUMBER, FEW, WORD, DATE = ("numeric",), ("numeric", "categorical"), ("categorical",), ("date",)
TWO = ("boolean", "categorical")
WORDS = {
    "region": ["north", "south", "east", "west", "centre"],
    "colour": ["red", "green", "blue", "black"],
    "payment": ["card", "cash", "transfer"],
    "breed": ["Siamese", "Persian", "Maine Coon", "Ragdoll", "Bengal", "Birman"],
    "department": ["surgery", "radiology", "oncology", "neurology"],
    "crop": ["wheat", "barley", "maize", "rye", "oats", "peas", "beans"],
}
NUMBERS: dict[str, Callable[[Draw, int], np.ndarray]] = {
    "height_cm": lambda draw, rows: draw.normal(170, 10, rows).round(1),
    "weight": lambda draw, rows: draw.normal(70, 12, rows).round(2),
    "glucose": lambda draw, rows: draw.normal(110, 25, rows).round(0).clip(44).astype(int),
    "income": lambda draw, rows: draw.lognormal(10, 0.6, rows).round(2),
    "price": lambda draw, rows: draw.lognormal(3, 1, rows).round(2),
    "visits": lambda draw, rows: draw.poisson(7, rows),
    "age": lambda draw, rows: draw.integers(18, 90, rows),
    "rain_mm": lambda draw, rows: (draw.gamma(1, 6, rows) * (draw.random(rows) < 0.6)).round(1),
    "share": lambda draw, rows: draw.beta(2, 3, rows).round(3),
    "temperature": lambda draw, rows: draw.normal(12, 9, rows).round(1),
    "uv_index": lambda draw, rows: draw.gamma(3, 1.5, rows).round(1),
    "score": lambda draw, rows: draw.standard_normal(rows),
    "year": lambda draw, rows: draw.integers(1990, 2025, rows),
    "duration_s": lambda draw, rows: draw.exponential(90, rows).round(0).astype(int),
}
FINE = ["income", "price", "weight", "score"]
LABELS = [["no", "yes"], ["healthy", "ill"], ["low", "middle", "high"], ["A", "B", "C", "D"], ["0", "1"]]


@dataclass
class Made:
    """A table and what it is.

    Args:
        frame: as text and numbers, the label in the column ``label``.
        kinds: that are right, by column.
        named: what a word of the command must name where the table is not read right: columns, or options.
        expects: what a warning or note must hold, one of them; empty: that each column has its kind is enough.
        options: of ``to_csv``.
        encoding: of the file.
    """

    frame: pd.DataFrame
    kinds: dict[str, Kinds]
    named: list[str] = field(default_factory=list)
    expects: list[str] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    encoding: str = "utf-8"


def right_table(draw: Draw) -> Made:
    """A table as one would wish it."""
    rows = int(draw.integers(150, 1200))
    numbers = list(draw.choice(list(NUMBERS), draw.integers(2, 6), replace=False))
    words = list(draw.choice(list(WORDS), draw.integers(0, 4), replace=False))
    numbers += [] if set(FINE) & set(numbers) else [str(draw.choice(FINE))]  # else equal rows come by chance
    columns: dict[str, Any] = {name: NUMBERS[name](draw, rows) for name in numbers}
    kinds: dict[str, Kinds] = dict.fromkeys(numbers, NUMBER)
    for name in words:
        columns[name] = draw.choice(WORDS[name], rows, p=draw.dirichlet(np.full(len(WORDS[name]), 5.0)))
        kinds[name] = WORD
    if draw.random() < 0.3:
        columns["smoker"] = draw.choice(["yes", "no"], rows)
        kinds["smoker"] = TWO
    if draw.random() < 0.3:
        columns["grade"] = draw.integers(1, 6, rows)
        kinds["grade"] = FEW
    signal = sum(draw.normal() * _standard(columns[name]) for name in numbers[:3])
    signal = _standard(signal) + draw.logistic(0, 0.5, rows)
    labels = LABELS[draw.integers(len(LABELS))]
    cuts = np.quantile(signal, np.linspace(0, 1, len(labels) + 1)[1:-1])
    frame = pd.DataFrame(columns)
    for name in draw.permutation(frame.columns)[: draw.integers(0, 3)]:
        frame[name] = frame[name].astype(object).where(draw.random(rows) > draw.uniform(0, 0.08), None)
    frame.insert(int(draw.integers(0, frame.shape[1] + 1)), "label", np.array(labels)[np.digitize(signal, cuts)])
    return Made(frame, kinds)


def _standard(values: Any) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    return np.asarray((values - values.mean()) / (values.std() or 1.0))


def _a_number(made: Made, draw: Draw, *, least: int = 30) -> str:
    """A column of numbers with enough different ones."""
    names = [name for name, kind in made.kinds.items() if kind == NUMBER and made.frame[name].nunique() >= least]
    return str(draw.choice(names))


# The ten ways --------------------------------------------------------------------------------------------------------


def word_codes(made: Made, draw: Draw) -> None:
    """Words stand for missing numbers."""
    name = _a_number(made, draw)
    words = draw.choice(["-", "unknown", "n/a", "?", "missing", "ND", "not done", "."], draw.integers(1, 3), False)
    column = made.frame[name].astype(object)
    hit = draw.random(len(column)) < draw.uniform(0.02, 0.5)
    made.frame[name] = column.where(~hit, draw.choice(words, len(column)))
    made.named = [name]


def number_codes(made: Made, draw: Draw) -> None:
    """A number far from all others stands for missing ones."""
    name = _a_number(made, draw)
    values = made.frame[name].astype(float)
    code = int(draw.choice([-999, -9999, 99999]))
    hit = draw.random(len(values)) < draw.uniform(0.02, 0.3)
    if name == "income" and code > 0:
        code = -999
    whole = bool((values.dropna() % 1 == 0).all())
    made.frame[name] = values.where(~hit, code).map(
        lambda value: "" if np.isnan(value) else str(int(value)) if whole or value == code else str(value)
    )
    made.named, made.expects = [name], ["missing_words"]


def decimals(made: Made, draw: Draw) -> None:
    """Decimal commas, thousands, signs or units."""
    way = draw.integers(5)
    if way == 0:  # all columns, as a European spreadsheet writes them
        made.options = {"sep": ";", "decimal": ","}
        for name, kind in made.kinds.items():
            if kind == NUMBER:
                made.frame[name] = pd.to_numeric(made.frame[name])
        return
    name = _a_number(made, draw)
    values = pd.to_numeric(made.frame[name])
    text = {
        1: lambda value: f"{value:,.2f}",
        2: lambda value: f"{value:.2f}".replace(".", ","),
        3: lambda value: f"${value:.2f}" if value >= 0 else f"-${-value:.2f}",
        4: lambda value: f"{value:.1f} kg",
    }[int(way)]
    made.frame[name] = values.map(text, na_action="ignore")
    made.named = [name]


def dates(made: Made, draw: Draw) -> None:
    """A column of dates in a way that people write them."""
    rows = len(made.frame)
    days = [datetime.date(2005, 1, 1) + datetime.timedelta(days=int(day)) for day in draw.integers(0, 6000, rows)]
    ways = ["%d-%b-%y", "%b-%Y", "%b-%y", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y%m%d", "%d %B %Y", "%Y-%m-%d %H:%M"]
    chosen = draw.choice(ways, 1 if draw.random() < 0.75 else 2, replace=False)
    made.frame["admitted"] = [day.strftime(chosen[draw.integers(len(chosen))]) for day in days]
    if draw.random() < 0.1:
        moments = [datetime.datetime.combine(day, datetime.time(12), datetime.UTC) for day in days]
        made.frame["admitted"] = [int(moment.timestamp()) for moment in moments]
    made.kinds["admitted"] = DATE
    made.named = ["admitted"]


def ids(made: Made, draw: Draw) -> None:
    """A column that is different in each row and says nothing."""
    rows = len(made.frame)
    name, cells = [
        ("id", np.arange(rows)),
        ("patient_id", draw.permutation(rows) + 1000),
        ("Unnamed: 0", np.arange(rows)),
        ("record", np.arange(1, rows + 1)),
        ("reference", draw.choice(10**9, rows, replace=False) + 10**8),
        ("uuid", [str(uuid.UUID(bytes=draw.bytes(16))) for _ in range(rows)]),
        ("invoice", [f"INV-{number:06d}" for number in draw.permutation(rows)]),
        ("name", [f"{draw.choice(list('ABCDEFG'))}. {draw.bytes(4).hex().title()}" for _ in range(rows)]),
    ][draw.integers(8)]
    made.frame.insert(int(draw.integers(0, 2)), name, cells)
    made.kinds[name] = ("id",)
    made.named = [name]


def leaks(made: Made, draw: Draw) -> None:
    """The label in other words, in one column or in several together."""
    codes, names = pd.factorize(made.frame["label"], sort=True)
    rows = len(codes)
    way = draw.integers(3)
    if way == 0:
        made.frame["outcome_code"] = codes * 10 + 5
        made.named = ["outcome_code"]
    elif way == 1:
        made.frame["result"] = codes + draw.normal(0, 0.05, rows)
        made.named = ["result"]
    else:
        votes = draw.random((rows, len(names)))
        votes[np.arange(rows), codes] = 1 + draw.random(rows)
        for number in range(len(names)):
            made.frame[f"votes_{number}"] = votes[:, number].round(4)
        made.named = ["votes_0"]
        if len(names) > 3:  # more than the two or three columns that are promised
            made.frame = made.frame.drop(columns=[f"votes_{number}" for number in range(len(names))])
            made.frame["outcome_code"] = codes
            made.named = ["outcome_code"]
    made.kinds |= {name: ("numeric", "boolean", "categorical") for name in made.frame if name not in made.kinds}
    made.kinds.pop("label", None)
    made.expects = ["gives the target away", "give the target away"]


def headers(made: Made, draw: Draw) -> None:
    """No line of names; the target is the last column."""
    made.frame = made.frame[[*[name for name in made.frame if name != "label"], "label"]]
    made.options = {"header": False}
    made.expects = ["data.header=null"]
    made.named = []


def encodings(made: Made, draw: Draw) -> None:
    """Letters beyond ASCII, in an encoding of old."""
    rows = len(made.frame)
    made.frame["stadt"] = draw.choice(["Köln", "München", "Zürich", "Saarbrücken"], rows)
    made.kinds["stadt"] = WORD
    made.encoding = str(draw.choice(["latin-1", "utf-16", "utf-8-sig", "cp1252"]))
    made.named = ["stadt", "encoding="]


def twins(made: Made, draw: Draw) -> None:
    """Rows that are there twice."""
    again = draw.choice(len(made.frame), max(5, int(draw.uniform(0.03, 0.3) * len(made.frame))), replace=False)
    made.frame = pd.concat([made.frame, made.frame.iloc[again]], ignore_index=True)
    made.expects = ["same features as a training row"]


def groups(made: Made, draw: Draw) -> None:
    """Several rows of one patient or customer, of which most have one label."""
    name = str(draw.choice(["patient_id", "customer", "subject", "session_id", "merchant"]))
    number = pd.factorize(made.frame["label"])[0] * 1000 + draw.integers(
        0, max(8, len(made.frame) // 20), len(made.frame)
    )
    made.frame[name] = number if draw.random() < 0.5 else [f"P{value:05d}" for value in number]
    made.kinds[name] = ("id", "numeric", "categorical")
    made.named, made.expects = [name], ["data.split=group", "alone gives the target away"]


def cases(made: Made, draw: Draw) -> None:
    """Classes that differ in case or blanks alone."""
    labels = made.frame["label"].astype(str)
    if labels.str.isdecimal().all():
        labels = labels.map({"0": "no", "1": "yes"})
    hit = draw.random(len(labels)) < draw.uniform(0.05, 0.4)
    way = [str.upper, str.title, lambda word: f"{word} ", lambda word: word.swapcase()][draw.integers(4)]
    made.frame["label"] = labels.where(~hit, labels.map(way))
    if set(made.frame["label"]) == set(labels):  # A, B, C in upper case
        made.frame["label"] = labels.where(~hit, labels.str.lower())
    if made.frame["label"].str.strip().nunique() == labels.nunique():  # blanks around a word are none of it
        made.named = ["label"]
    else:
        made.expects = ["case", "spelling"]


WAYS = [word_codes, number_codes, decimals, dates, ids, leaks, headers, encodings, twins, groups, cases]


def judged(made: Made, place: Path) -> str:
    """What describe makes of a table: ``right``, ``said``, ``wrong``, ``traceback``, with the reason after a colon."""
    content = made.frame.to_csv(index=False, **made.options)
    (place / "table.csv").write_bytes(content.encode(made.encoding))
    words = ["data=table", f"data.path={place / 'table.csv'}"]
    try:
        named = content.splitlines()[0].split(",")[-1] if made.options.get("header") is False else "label"
        data = make_data(plain(compose_config("train", [*words, f"data.target={json.dumps(named)}"])))
        assert isinstance(data, RowData)
        description = describe(data)
    except UserMistake as mistake:
        wanted = [*made.expects, *made.named]
        if not wanted or any(word in str(mistake) for word in wanted):
            return f"said: {mistake}"
        return f"wrong: refused: {mistake}"
    except Exception:
        return f"traceback: {traceback.format_exc()[-500:]}"
    lines = [
        *description.notes,
        *description.warnings,
        *(f"{c['name']}: {c['note']}" for c in description.columns if c["note"]),
    ]
    if made.expects and not any(word in line for word in made.expects for line in lines):
        return f"wrong: no word of {made.expects[0]!r}; {description.warnings}"
    if made.options.get("header") is False:
        return "right"
    mentioned = "\n".join(lines)
    strange = {
        column["name"]: column["kind"]
        for column in description.columns
        if column["name"] in made.kinds and column["kind"] not in made.kinds[column["name"]]
    }
    silent = {
        name: kind for name, kind in strange.items() if repr(name) not in mentioned and f"{name}:" not in mentioned
    }
    if silent:
        return f"wrong: {silent}"
    return f"said: {strange}" if strange else "right"


def alarmed(made: Made, place: Path) -> list[str]:
    """The warnings about a right table."""
    made.frame.to_csv(place / "table.csv", index=False)
    data = make_data(
        plain(compose_config("train", ["data=table", f"data.path={place / 'table.csv'}", "data.target=label"]))
    )
    assert isinstance(data, RowData)
    description = describe(data)
    strange = {
        column["name"]: column["kind"]
        for column in description.columns
        if column["name"] in made.kinds and column["kind"] not in made.kinds[column["name"]]
    }
    return [*description.warnings, *(f"kinds: {strange}" for _ in [0] if strange)]


def main() -> None:
    """Spoil so many tables, and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    counts: dict[str, Counter[str]] = {name: Counter() for name in (*(way.__name__ for way in WAYS), "unspoiled")}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.count):
            way = WAYS[number % len(WAYS)]
            warnings = alarmed(right_table(np.random.default_rng([options.seed, number])), Path(folder))
            counts["unspoiled"]["false alarm" if warnings else "right"] += 1
            if warnings:
                print(f"{number}: unspoiled: {warnings}", file=sys.stderr)
            draw = np.random.default_rng([options.seed, number])
            made = right_table(draw)
            way(made, draw)
            verdict = judged(made, Path(folder))
            kind = verdict.split(": ")[0]
            counts[way.__name__][kind] += 1
            if kind in ("wrong", "traceback"):
                print(f"{number}: {way.__name__}: {verdict}", file=sys.stderr)
    print(json.dumps({"count": options.count, "seed": options.seed, **{name: dict(c) for name, c in counts.items()}}))


if __name__ == "__main__":
    main()
