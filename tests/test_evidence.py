"""What presets and pages say of rivals agrees with the measured results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOUND = json.loads((ROOT / "benchmarks" / "results" / "domains.json").read_text(encoding="utf-8"))
SAYS = "(model=boosting is better here)"


@pytest.mark.parametrize("experiment", [name for name, result in FOUND.items() if "against_boosting" in result])
def test_a_preset_that_loses_to_boosting_by_more_than_two_standard_errors_says_so_first(experiment):
    against = FOUND[experiment]["against_boosting"]
    lines = (ROOT / "conf" / "experiment" / f"{experiment}.yaml").read_text(encoding="utf-8").splitlines()
    first = next(line for line in lines if not line.startswith("# @package"))
    assert (against["difference"] > 2 * against["error"]) == (SAYS in first)


def test_the_page_of_domains_has_every_preset_that_was_measured():
    page = (ROOT / "docs" / "domains.md").read_text(encoding="utf-8")
    for experiment, result in FOUND.items():
        if "preset" in result:
            assert f"| `{experiment}` | preset |" in page
            assert f"{result['preset']['nll']:.4f}" in page
