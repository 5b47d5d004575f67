"""init=<run>: a training that begins with a finished run's weights and encoder, on other rows."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

import smoothlab
from smoothlab.errors import UserMistake
from smoothlab.models.checkpoint import read_checkpoint
from smoothlab.training.beginning import beginning_of

SHORT = ["logger=none", "figures=false", "progress=none", "net.hidden=[8]", "trainer.max_epochs=2"]


def year(path, shift):
    generator = torch.Generator().manual_seed(shift)
    x = torch.randn(120, 2, generator=generator) + shift / 2
    label = ["up" if value > shift / 2 else "down" for value in x[:, 0].tolist()]
    pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "label": label}).to_csv(path, index=False)
    return ["data=table", f"data.path={path}", "data.target=label", f"output_root={path.parent / 'outputs'}"]


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    folder = tmp_path_factory.mktemp("years")
    return smoothlab.train([*year(folder / "first.csv", 0), *SHORT, "calibrator=temperature"])


def test_it_begins_with_weights_and_encoder_and_reports_both_models(old, tmp_path):
    words = [*year(tmp_path / "second.csv", 2), *SHORT]
    new = smoothlab.train([*words, f"init={old.path}", "optimizer.lr=1e-12"])
    before, after = (read_checkpoint(run.path / "checkpoints" / "best.ckpt") for run in (old, new))
    assert before["smoothlab"]["encoder"]["kind"] == after["smoothlab"]["encoder"]["kind"]
    assert all(torch.allclose(after["state_dict"][name], value) for name, value in before["state_dict"].items()
               if name.startswith("net."))  # fmt: skip
    assert new.config["init"] == str(old.path / "checkpoints" / "best.ckpt")
    known = new.results["init"]["metrics"]["test"]
    assert known["accuracy"] == pytest.approx(new.results["metrics"]["test"]["accuracy"])
    rows = pd.read_parquet(new.path / "predictions" / "test.parquet")["row"]
    frame = pd.read_csv(tmp_path / "second.csv").iloc[rows]
    predictions = smoothlab.load(old.path).predict(frame)
    nll = -sum(torch.tensor(predictions[f"prob_{name}"].iloc[k]).log() for k, name in enumerate(frame["label"])) / len(
        frame
    )
    assert known["nll"] == pytest.approx(float(nll), abs=1e-5)


def test_another_beginning_is_another_run(old, tmp_path):
    words = [*year(tmp_path / "second.csv", 2), *SHORT, "trainer.max_epochs=1"]
    anew, begun = smoothlab.train(words), smoothlab.train([*words, f"init={old.path}"])
    assert anew.results["identity"] != begun.results["identity"]
    assert "init" not in anew.results


def test_what_does_not_fit_is_refused_in_a_line(old, tmp_path):
    words = [*year(tmp_path / "second.csv", 2), *SHORT]
    other = tmp_path / "other.csv"
    other.write_text((tmp_path / "second.csv").read_text().replace("up", "sideways"))
    for more, says in (
        ([f"init={old.path}", "net.hidden=[9]"], "net.* options"),
        ([f"init={tmp_path}"], "run"),
        ([f"init={old.path}", f"data.path={other}"], "knows the classes down, up"),
        ([f"init={old.path}", "model=boosting"], "model=net"),
    ):
        given = [word for word in words if not (more[-1] == "model=boosting" and word.startswith(("net.", "trainer.")))]
        with pytest.raises(UserMistake, match=says.replace("*", r"\*")) as error:
            smoothlab.train([*given, *more])
        assert "\n" not in str(error.value)


def test_what_is_not_there_is_named_by_its_key():
    with pytest.raises(UserMistake, match=r"^init = 'nowhere': no such file or directory"):
        beginning_of({"init": "nowhere"})
