"""A run directory of commit 4c2fc7d, before the rooms of the source moved, is read as it was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

RUN = "runs/old/2026-11-29_17-07-29"


def tensors(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() == {"tensor", "dtype"}:
        return torch.tensor(value["tensor"], dtype=getattr(torch, value["dtype"]))
    if isinstance(value, dict):
        return {name: tensors(part) for name, part in value.items()}
    return [tensors(part) for part in value] if isinstance(value, list) else value


@pytest.fixture
def old(empty_folder: Path) -> dict[str, Any]:
    """The run as its files were, written into an empty folder."""
    stored = json.loads((Path(__file__).parents[1] / "vectors" / "run_of_4c2fc7d.json").read_text(encoding="utf-8"))
    run = empty_folder / RUN
    for folder in ("checkpoints", "predictions"):
        (run / folder).mkdir(parents=True)
    (empty_folder / "table.csv").write_text(stored["table.csv"], encoding="utf-8")
    (run / "config.yaml").write_text(stored["config.yaml"], encoding="utf-8")
    for name in ("results.json", "status.json"):
        (run / name).write_text(json.dumps(stored[name]), encoding="utf-8")
    for split, columns in stored["predictions"].items():
        pd.DataFrame(columns).to_parquet(run / "predictions" / f"{split}.parquet")
    torch.save(tensors(stored["checkpoint"]), run / "checkpoints" / "best.ckpt")
    return stored


def test_evaluate_gives_the_numbers_that_the_old_run_gave(cli, old):
    code, _, err = cli("evaluate", f"run={RUN}", "output=again.json")
    assert (code, err) == (0, "")
    again = json.loads(Path("again.json").read_text())["metrics"]
    for split, metrics in old["results.json"]["metrics"].items():
        assert {name: again[split][name] for name in metrics} == pytest.approx(metrics, rel=1e-6)


def test_predict_gives_the_probabilities_that_the_old_run_gave(cli, old):
    assert cli("predict", f"run={RUN}", "input=table.csv", "output=new.csv")[0] == 0
    new = pd.read_csv("new.csv")
    then = pd.DataFrame(old["predictions"]["test"])
    columns = ["prob_no", "prob_yes"]
    np.testing.assert_allclose(new.loc[then["row"], columns], then[columns], rtol=1e-6)


def test_report_shows_an_old_run(cli, old):
    code, _, err = cli("report", RUN)
    assert (code, err) == (0, "")
    (report,) = Path("runs").rglob("report.json")
    table = json.loads(report.read_text())["table"]
    (nll,) = [line["mean"] for line in table if (line["metric"], line["variant"]) == ("nll", "raw")]
    assert nll == pytest.approx(old["results.json"]["metrics"]["test"]["nll"], rel=1e-6)


@pytest.mark.parametrize("command", [("evaluate",), ("predict", "input=table.csv", "output=new.csv")])
def test_a_run_of_another_format_is_refused_in_one_line(cli, old, command):
    checkpoint = tensors(old["checkpoint"])
    checkpoint["smoothlab"]["format"] = 0
    torch.save(checkpoint, Path(RUN) / "checkpoints" / "best.ckpt")
    code, _, err = cli(*command, f"run={RUN}")
    assert code == 2
    assert err.strip().endswith("checkpoint format 0; this version of smoothlab reads formats 1 and 2")
    assert len(err.strip().splitlines()) == 1
