"""Every notebook runs from top to bottom, on tiny settings, in one process and without a kernel; none stores an output.

The cell tagged ``parameters`` holds what is spent; its values are exchanged for smaller ones here.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
TINY: dict[str, dict[str, Any]] = {
    "your_table": {"EPOCHS": 2, "COMPARISON": {"take": ["none", "auto"], "seeds": 2, "folds": "none"}},
    "any_loop": {"ROWS": 200, "EPOCHS": 2},
    "sweep_with_tracker": {"SMOOTHING": "none,auto", "SEEDS": "0", "EPOCHS": 1},
    "after_training": {"EPOCHS": 2, "RISK": 0.4},
}


def content(name: str) -> dict[str, Any]:
    book: dict[str, Any] = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
    return book


def show(value: object) -> None:
    """As a notebook shows what the last line of a cell is."""
    html = getattr(value, "_repr_html_", None)
    assert (html() if html else None) or repr(value)


def run_cell(source: str, names: dict[str, Any]) -> None:
    """Run a cell, and show what its last line is where it is an expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), names)
    if last is not None:
        show(eval(compile(ast.Expression(last.value), "<cell>", "eval"), names))


def test_every_notebook_is_run():
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(TINY)


@pytest.mark.parametrize("name", TINY)
def test_a_notebook_stores_no_output(name):
    book = content(name)
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in book["cells"]}) == len(book["cells"])
    code = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    assert not [cell["id"] for cell in code if cell["outputs"] or cell["execution_count"] is not None]
    assert sum("parameters" in cell["metadata"].get("tags", ()) for cell in code) == 1


@pytest.mark.parametrize("name", TINY)
@pytest.mark.filterwarnings("ignore")
def test_a_notebook_runs(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if name == "sweep_with_tracker":
        pytest.importorskip("tensorboard")
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in content(name)["cells"]:
        if cell["cell_type"] != "code":
            continue
        run_cell("".join(cell["source"]), names)
        if "parameters" in cell["metadata"].get("tags", ()):
            assert set(TINY[name]) <= set(names)
            names |= TINY[name]
    assert names.get("exit_code", 0) == 0
