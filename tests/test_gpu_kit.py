"""The GPU kit of benchmarks/gpu.py, on the CPU with tiny sizes: measures become a page, and what fails a reason."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def gpu():
    spec = importlib.util.spec_from_file_location("gpu_kit", BENCHMARKS / "gpu.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_losses_and_large_vocabularies_fill_their_tables(gpu):
    parts = {"losses": list(gpu.measured_losses("cpu", True)), "vocabulary": list(gpu.measured_vocabulary("cpu", True))}
    text = gpu.page({"device": "a device", "torch": "x", "parts": parts})
    for shape in ("(409, 10)", "(40, 100)", "(16, 64)"):
        assert sum(line.startswith("| bfloat16 | " + shape) for line in text.splitlines()) == 2
    assert all(row["ways"]["uniform"]["ms"] > 0 for row in parts["losses"])


def test_what_fails_is_a_line_with_its_reason_and_the_others_stand(gpu):
    def fails():
        raise RuntimeError("CUDA out of memory\ntrace")

    z, ways = gpu.loss_ways(10, "cpu", gpu.torch.float32, True)
    sides = gpu.side_by_side([z], {gpu.BASE: ways[gpu.BASE], "ours": fails, "Liger": gpu.Missing("not here")}, 1, 1)
    text = gpu.page(
        {"device": "d", "torch": "x", "parts": {"losses": [{"dtype": "f", "shape": [1, 2], "ways": sides}]}}
    )
    assert "- ours: CUDA out of memory\n" in text
    assert "- Liger: not here\n" in text
    assert "ms" in sides[gpu.BASE]


def test_without_a_gpu_the_page_says_not_measured(gpu, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gpu, "device_name", lambda device: None)
    gpu.main(["--output", str(tmp_path / "gpu")])
    text = (tmp_path / "gpu.md").read_text()
    assert "Not measured: no GPU was at hand." in text
    assert (BENCHMARKS / "results" / "gpu.md").is_file()
    assert not (tmp_path / "gpu.json").exists()
