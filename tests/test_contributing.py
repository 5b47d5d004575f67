"""The worked examples of docs/contributing.md work as they stand: written into a copy of the source, and trained."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
FILE = re.compile(r"`([\w/.]+)`:\n\n```\w+\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"```sh\n(smoothlab .*?)\n```")
EXAMPLES = {
    heading: (dict(FILE.findall(text)), COMMAND.findall(text))
    for heading, text in re.findall(r"^## (A new .*?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
}
TRAINED = {heading: example for heading, example in EXAMPLES.items() if example[1]}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the source, whose ``conf/`` is the package ``smoothlab.conf``, as in a wheel."""
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src" / "smoothlab", tmp_path / "smoothlab")  # as compiled as it is: that takes seconds
    shutil.copytree(ROOT / "conf", tmp_path / "smoothlab" / "conf", ignore=without)
    shutil.copytree(ROOT / "src" / "hydra_plugins", tmp_path / "hydra_plugins", ignore=without)
    return tmp_path


def written(files: dict[str, str], copy: Path) -> None:
    for name, text in files.items():
        place = copy / name.removeprefix("src/") if name.startswith("src/") else copy / "smoothlab" / name
        assert not place.exists(), f"{name} stands in the source already"
        place.write_text(text, encoding="utf-8")


def test_there_are_examples_of_strength_loss_and_data():
    assert {"A new strength", "A new loss", "A new source of data"} <= set(TRAINED)


@pytest.mark.parametrize("heading", TRAINED)
def test_an_example_trains(heading, copy):
    files, commands = TRAINED[heading]
    written(files, copy)
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    for command in commands:
        words = [sys.executable, "-m", *command.split(), "logger=csv", "figures=false"]
        done = subprocess.run(words, cwd=copy, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    results = list(copy.glob("outputs/**/results.json"))
    assert len(results) == len(commands)


@pytest.mark.parametrize("heading", TRAINED)
def test_an_example_names_the_files_that_it_shows(heading):
    section = PAGE.split(f"## {heading}\n", 1)[1]
    listed = re.findall(r"^\| `([\w/.]+)` \|", section.split("\n## ", 1)[0], re.MULTILINE)
    assert set(TRAINED[heading][0]) <= set(listed)
