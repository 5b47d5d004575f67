"""docs/strategies.md: its Python runs, its commands train, and its tables name every option there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import smoothlab

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = (CHECKOUT / "docs" / "strategies.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [line for language, text in BLOCKS if not language for line in text.splitlines()]
SHORT = ["trainer.max_epochs=2", "logger=csv", "threads=1", "progress=none"]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """An empty folder with the page's own file in it."""
    monkeypatch.chdir(tmp_path)
    own = "\n".join(text for language, text in BLOCKS if language == "python" and text.startswith("# my_strategies.py"))
    Path("my_strategies.py").write_text(own)


def test_its_python_runs():
    names: dict = {}
    for language, text in BLOCKS:
        if language == "python":
            exec(compile(text, "docs/strategies.md", "exec"), names)
    assert names["Own"]().temperature == 2.0


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_train(command):
    words = shlex.split(command)
    assert words[:2] == ["smoothlab", "train"]
    run = smoothlab.train([*words[2:], *SHORT])
    assert run.metrics["smoothing/epsilon"].between(0, 1).all()


def test_a_strategy_of_ones_own_takes_about_ten_lines():
    own = [text for language, text in BLOCKS if text.startswith("# my_strategies.py")]
    assert len(own) == 2
    for text in own:
        assert len([line for line in text.splitlines() if line.strip()]) <= 10


@pytest.mark.parametrize("group", ["strength", "prior"])
def test_its_tables_name_every_option(group):
    table = PAGE.split(f"config: `smoothing/{group}=`")[1].split("\n\n")[0]
    for option in (CHECKOUT / "conf" / "smoothing" / group).glob("*.yaml"):
        assert f"| `{option.stem}` |" in table


def test_its_tables_have_six_cells_in_each_row():
    for line in PAGE.splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 7, line
