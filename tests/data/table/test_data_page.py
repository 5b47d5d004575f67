"""docs/data.md: its Python runs, and every key that it names is one of conf/data/table.yaml."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from smoothlab.config.compose import compose_config, plain

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
FILES = [ROOT / "conf" / "data" / f"{name}.yaml" for name in ("table", "text", "images", "parquet", "parallel")]
FILES += sorted((ROOT / "conf" / "data" / "part").glob("*.yaml"))


def test_the_python_of_the_page_runs():
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(block, "docs/data.md", "exec"), {})


def test_the_keys_of_the_page_are_those_of_the_config():
    named = set(re.findall(r"\bdata\.([a-z_]+)=", PAGE))
    assert len(named) > 20
    sources = [["data=table", "data.target=y"], ["data=arrays", "data.features=x.npy"]]
    assert named <= {key for source in sources for key in plain(compose_config("train", source))["data"]}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_key_has_a_comment(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if re.match(r"[a-z][a-z_]*:", line):
            assert lines[number - 1].startswith("#") or re.match(r"_?[a-z]", lines[number - 1]), line
