"""One report of drawn runs, with everything hostile that a name can hold, made once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from drawn_runs import draw_comparison, draw_run

from smoothlab.reports.page import write_markdown, write_page
from smoothlab.reports.records import read_records

HOSTILE = "</script><script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\">"
TITLE = 'medical & <b>more</b> "quoted" \x07'


@dataclass(frozen=True)
class Made:
    """A report and what it was made of."""

    root: Path
    page: Path
    markdown: Path
    comparison: Any
    records: Any

    @property
    def folder(self) -> Path:
        return self.page.parent


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Four arms, one with HTML in its name; classes with HTML in theirs; a broken and a failed run."""
    root = tmp_path_factory.mktemp("report")
    runs = root / "runs"
    arms = {}
    for epsilon, name in ((0.0, "none"), (0.1, "standard"), (0.2, f"arm {HOSTILE}"), (0.4, "=1+1")):
        for seed in range(2):
            path = draw_run(
                runs / f"run_{epsilon}_{seed}",
                epsilon=epsilon,
                seed=seed,
                classes=("benign", f"<i>{HOSTILE}</i>", "a|b [x](javascript:alert(1)) `c`"),
            )
            arms[path.name] = name
    broken = draw_run(runs / "broken")
    (broken / "results.json").write_text('{"metrics": ')
    failed = draw_run(runs / "failed")
    (failed / "status.json").write_text(json.dumps({"state": "failed", "error": f"ValueError: {HOSTILE}"}))
    arms["failed"] = "standard"
    (runs / "comparison.json").write_text(json.dumps({"arms": arms}))
    records = read_records([runs])
    comparison = draw_comparison(records.records, baseline="none")
    page = write_page(comparison, records, root / "page", title=TITLE)
    markdown = write_markdown(comparison, records, root / "markdown", title=TITLE)
    return Made(root, page, markdown, comparison, records)
