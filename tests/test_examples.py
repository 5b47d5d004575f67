"""Every example runs as it stands, in under thirty lines."""

from __future__ import annotations

import importlib.util
import runpy
from pathlib import Path

import pytest

SERVER = "serve_fastapi.py"  # tests/export/test_serving.py
EXAMPLES = [path for path in sorted((Path(__file__).parents[1] / "examples").glob("*.py")) if path.name != SERVER]
NEEDS = {"hugging_face": ("transformers", "accelerate"), "skorch_net": ("skorch",)}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore")
def test_an_example_runs(example, tmp_path, monkeypatch, capsys):
    for package in NEEDS.get(example.stem, ()):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(example), run_name="__main__")
    assert "{" in capsys.readouterr().out
    assert len(example.read_text().splitlines()) < 30
