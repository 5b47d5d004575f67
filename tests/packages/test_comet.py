"""Lightning's logger for Comet, with an experiment that notes what it is told in place of Comet's server."""

from __future__ import annotations

import pytest

import smoothlab

comet = pytest.importorskip("comet_ml", reason="comet-ml is not installed")


class Experiment:
    """Notes each call, by its name."""

    project_name = "mine"

    def __init__(self):
        self.calls = []

    def get_key(self):
        return "0123456789abcdef0123456789abcdef"

    def __getattr__(self, name):
        return lambda *positional, **given: self.calls.append((name, positional, given))


@pytest.mark.filterwarnings("ignore")
def test_comet_gets_config_numbers_of_epochs_final_and_best_numbers_and_the_end(tmp_path, monkeypatch):
    experiment = Experiment()
    monkeypatch.setattr(comet, "start", lambda **_: experiment)
    node = "+logger.comet={_target_: pytorch_lightning.loggers.CometLogger, project: mine}"
    words = ["logger=csv", "figures=false", "progress=none", "trainer.max_epochs=2", f"output_root={tmp_path}", node]
    run = smoothlab.train(words)
    configs = [given["parameters"] for name, _, given in experiment.calls if "log_parameters" in name]
    assert configs[0]["optimizer"]["lr"] == run.config["optimizer"]["lr"]
    numbers = [positional[0] for name, positional, _ in experiment.calls if "log_metrics" in name]
    assert sum("val/nll" in each for each in numbers) == 2
    merged = {name: value for each in numbers for name, value in each.items()}
    assert merged["final/test/nll"] == pytest.approx(run.results["metrics"]["test"]["nll"])
    assert "best/val/nll" in merged
    assert experiment.calls[-1][0] == "flush"
