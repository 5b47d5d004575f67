"""No CSV that a person opens begins a cell as a formula, whatever a class, a column or a file is called."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd

NAMES = ["=cmd|' /C calc'!A0", "@SUM(1+1)*cmd|' /C calc'!A0", "-2+3+cmd"]
WORDS = ("trainer.max_epochs=1", "logger=csv", "progress=none", "figures=false")


def cells(file: Path) -> list[str]:
    with file.open(newline="") as opened:
        return [cell for row in csv.reader(opened) for cell in row]


def is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def test_tables_of_a_run_and_of_its_predictions(cli):
    draw = np.random.default_rng(0)
    labels = draw.integers(3, size=90)
    table = pd.DataFrame({"x": labels + draw.normal(size=90), "label": [NAMES[label] for label in labels]})
    table.to_csv("rows.csv", index=False)
    assert cli("train", "data=table", "data.path=rows.csv", "data.target=label", *WORDS)[0] == 0
    (run,) = Path("outputs").glob("*/*/")
    words = (f"run={run}", "input=rows.csv", "output=out.csv", "conformal=aps", "alpha=0.1")
    assert cli("predict", *words)[0] == 0
    assert cli("report", str(run), "--out", "page")[0] == 0
    files = [file for file in Path().rglob("*.csv") if file.name != "rows.csv"]
    assert {file.name for file in files} >= {"metrics.csv", "classes_test.csv", "out.csv", "table.csv", "classes.csv"}
    shown = [cell for file in files for cell in cells(file)]
    assert any(cell.startswith("'=cmd") for cell in shown)
    assert not [cell for cell in shown if cell.startswith(("=", "+", "-", "@", "\t", "\r")) and not is_number(cell)]
