"""The commands of the pages that answer questions run as they stand there, shortened by ``debug=quick``.

A command is a line of a ``bash`` block that starts with ``smoothlab``; the blocks of a page run in their order, in one
folder. ``<run>`` is the newest run.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from smoothlab.commands import main

ROOT = Path(__file__).parents[1]
MIRROR = ROOT.parent / "shared" / "data"
PAGES = ("questions", "guides", "findings", "reliability", "training", "rivals")
SHORT = {
    "train": ["debug=quick", "progress=none"],
    "compare": ["debug=quick", "progress=none", "seeds=2", "take=[none,standard]"],
}


def commands_of(page: str) -> list[str]:
    text = (ROOT / "docs" / f"{page}.md").read_text()
    blocks = "\n".join(re.findall(r"^```bash\n(.*?)^```", text, re.DOTALL | re.MULTILINE)).replace("\\\n", " ")
    return [line for line in blocks.splitlines() if line.startswith("smoothlab ")]


def runs_of(words: list[str]) -> list[list[str]]:
    """The first and the last run of a sweep, each as a command of its own; other commands as they are."""
    if "-m" not in words:
        return [words]
    lists = {word for word in words if "," in word and not word.partition("=")[2].startswith("[")}
    chosen = [
        {word: f"{word.partition('=')[0]}={word.partition('=')[2].split(',')[k]}" for word in lists} for k in (0, -1)
    ]
    return [[picked.get(word, word) for word in words if word != "-m"] for picked in chosen]


def newest_run(folder: Path) -> str:
    runs = [results.parent for results in folder.glob("outputs/**/results.json")]
    return str(max(runs, key=lambda run: (run / "results.json").stat().st_mtime))


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run(page, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    if MIRROR.is_dir():
        monkeypatch.setenv("SMOOTHLAB_DATA_MIRROR", str(MIRROR))
    commands = commands_of(page)
    assert commands, "no command found: the page, or this test's reading of it, has changed"
    for command in commands:
        if not MIRROR.is_dir() and "dry_bean" in command:
            continue
        words = shlex.split(command, comments=True)[1:]
        words = [word.replace("<run>", newest_run(tmp_path)) if "<run>" in word else word for word in words]
        for run in runs_of(words):
            assert main([*run, *SHORT.get(run[0], [])]) == 0, f"{command}\n{capfd.readouterr().err}"


def test_a_page_of_questions_names_every_drawback_with_a_command():
    text = (ROOT / "docs" / "questions.md").read_text()
    answers = re.split(r"^## ", text, flags=re.MULTILINE)[1:7]
    assert len(answers) == 6
    assert all("smoothlab " in answer for answer in answers)
