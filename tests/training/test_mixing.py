"""Mixing in a run: mixed labels are smoothed once, and what needs the rows of the data is refused beforehand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from smoothlab.commands import main
from smoothlab.config.compose import compose_config, plain
from smoothlab.training.preparing import prepare

BASE = ["logger=none", "callbacks=none", "progress=none"]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("prior", ["uniform", "exclusive"])
def test_mixup_and_standard_smoothing_smooth_exactly_once(prior):
    overrides = ["mixing=mixup", "mixing.alpha=1", "smoothing=standard", f"smoothing/prior={prior}"]
    run = prepare(plain(compose_config("train", [*overrides, "smoothing.strength.epsilon=0.2", *BASE])))
    batch = run.data.split("train").take(slice(0, 50))
    torch.manual_seed(3)
    target, loss, _ = run.task.terms(batch)

    torch.manual_seed(3)  # the same draws: the share, then the partners
    unit = torch.tensor(1.0, dtype=torch.float64)
    share = torch.distributions.Beta(unit, unit).sample().item()
    partner = torch.randperm(50)
    mixed = share * batch.features + (1 - share) * batch.features[partner]
    labels = F.one_hot(batch.labels, 2).float()
    base = share * labels + (1 - share) * labels[partner]
    spread = torch.full_like(base, 0.5) if prior == "uniform" else 1 - base
    expected = 0.8 * base + 0.2 * spread
    assert 0.05 < share < 0.95
    assert_close(target.dense(2), expected)
    assert_close(loss, F.cross_entropy(run.task.net(mixed), expected, reduction="sum"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["smoothing/prior=self_distilled"], "mixed samples (mixup, cutmix) have none"),
        (["smoothing/strength=column", "smoothing.strength.column=agreement"], "'agreement'"),
    ],
)
def test_what_needs_rows_or_columns_is_refused_with_mixing_before_a_directory_is_made(words, message, capsys):
    assert main(["train", "mixing=mixup", *words, *BASE]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not list(Path().iterdir())
