"""Shared fixtures: test vectors, and the folder of public data where this checkout has one."""

from __future__ import annotations

import collections
import gc
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

# Before torch is imported: workers with two threads each on two cores wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import warm  # notes sys.path before a test adds to it
from hypothesis import HealthCheck, settings
from quick_runs import print_pixel

# Draws that are the same in every run.
settings.register_profile(
    "smoothlab",
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("smoothlab")

CHECKOUT = Path(__file__).resolve().parent.parent
VECTORS = CHECKOUT / "tests" / "vectors"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with ``data/``: SMOOTHLAB_SHARED, or ``../shared`` beside the checkout."""
    folder = Path(os.environ.get("SMOOTHLAB_SHARED", CHECKOUT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip("needs public data: no folder shared/ beside the checkout, and SMOOTHLAB_SHARED is not set")
    return folder


@pytest.fixture(scope="session")
def vectors():
    """Load ``tests/vectors/<name>.json``, with its strings for inf and nan turned into floats."""

    def numbers(value):
        if isinstance(value, str) and value.lower() in {"inf", "-inf", "nan"}:
            return float(value)
        if isinstance(value, list):
            return [numbers(item) for item in value]
        if isinstance(value, dict):
            return {key: numbers(item) for key, item in value.items()}
        return value

    def read(name):
        content = numbers(json.loads((VECTORS / f"{name}.json").read_text()))
        assert content.get("cases", True), name  # a test that loops over no case would be green
        return content

    return read


@pytest.fixture
def drawn_figures() -> None:
    """For tests that look at the figures of runs: they are drawn. Elsewhere they cost more than the trainings."""


@pytest.fixture
def own_servers() -> None:
    """For tests that kill a warm server, or look at it: each pool has its own. Its imports take seconds."""


@pytest.fixture(autouse=True)
def _one_server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the pools of sweeps and ranks in this process share a warm server, unless a test asks for ``own_servers``."""
    if "own_servers" not in request.fixturenames:
        monkeypatch.setattr("smoothlab.processes.WarmServer", warm.LentServer)


@pytest.fixture(autouse=True)
def _quick_figures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the figures of runs files of one pixel, unless a test asks for ``drawn_figures``."""
    sink = sys.modules.get("smoothlab.tracking.sink")
    if sink is not None and "drawn_figures" not in request.fixturenames:
        monkeypatch.setattr(sink, "print_figure", print_pixel)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process; returns exit code, standard output and standard error."""
    from smoothlab.commands import main

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(words)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def pytest_collection_finish() -> None:
    """Keep the garbage collector away from what the imports made, through which it went for a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_terminal_summary(terminalreporter):
    """End by saying how many tests were skipped, and why."""
    reasons = collections.Counter(
        report.longrepr[2].removeprefix("Skipped: ") for report in terminalreporter.stats.get("skipped", [])
    )
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"skipped {count}: {reason}")
