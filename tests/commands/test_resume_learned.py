"""A run of strategies that learn, killed and resumed, ends as if it had not been; it can be scored and used."""

import json
import time
from pathlib import Path

import pandas as pd
import torch
from run_directories import only_run
from torch.testing import assert_close
from warm import Command

import smoothlab
from smoothlab.data import breast_cancer

LEARNED = (
    *("loss=ada_focal", "penalty=[cals,cals_hr]", "penalty.cals.margin=1", "penalty.cals_hr.margin=1"),
    *("smoothing/strength=accuracy", "smoothing/prior=online"),
)
RUN = ("logger=csv", "trainer.max_epochs=30", "net.dropout=0.3", "progress=none", "callbacks=none", *LEARNED)


def test_killed_in_an_epoch_and_resumed_it_ends_with_the_same_weights_state_and_rows(cli):
    whole = smoothlab.train([*RUN, "output_root=whole"])
    process = Command("train", *RUN, "output_root=cut")
    while process.poll() is None:
        if any(path.read_text().count("\n") > 4 for path in Path("cut").glob("*/*/metrics.csv")):
            break
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert json.loads((only_run("cut") / "status.json").read_text())["state"] == "running"  # it was cut off

    resumed = smoothlab.train([*RUN, "output_root=cut", "resume=auto"])
    assert "resumed at step" in (resumed.path / "run.log").read_text()
    assert (resumed.path / "metrics.csv").read_bytes() == (whole.path / "metrics.csv").read_bytes()
    for name in ("best", "last"):
        first, second = (
            torch.load(run.path / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"]
            for run in (whole, resumed)
        )
        states = [key for key in first if key.endswith("_extra_state")]
        assert len(states) == 5
        assert_close(second, first, rtol=0, atol=0)
    columns = set(resumed.metrics.columns)
    assert {"loss/gamma_mean", "penalty/multipliers_mean", "smoothing/accuracy"} <= columns

    assert cli("evaluate", f"run={resumed.path}", "output=again.json")[0] == 0
    assert json.loads(Path("again.json").read_text())["metrics"] == resumed.results["metrics"]
    breast_cancer().drop(columns="diagnosis").head(5).to_csv("rows.csv", index=False)
    assert cli("predict", f"run={resumed.path}", "input=rows.csv", "output=out.csv")[0] == 0
    assert len(pd.read_csv("out.csv")) == 5
