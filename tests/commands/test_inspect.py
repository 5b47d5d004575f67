"""inspect shows what a strategy does, trains nothing, and reads what a run learned."""

import functools
import json
import math
import os
from pathlib import Path

import pytest
import torch
from pytorch_lightning import Trainer
from run_directories import SHORT, only_run

from smoothlab.nets import MLP


def inspected(cli, *words):
    """What the command prints, and the numbers that it writes."""
    code, out, err = cli("inspect", *words, "output=seen")
    assert code == 0, err
    return out, json.loads(Path("seen/inspection.json").read_text())


def by_name(table):
    return {label["name"]: label for label in table["classes"]}


def test_the_usual_gap_floor_and_confidence_are_those_of_the_closed_form(cli):
    epsilon, k = 0.2, 2
    out, numbers = inspected(cli, "smoothing=standard", f"smoothing.strength.epsilon={epsilon}")
    top, other = 1 - epsilon + epsilon / k, epsilon / k
    assert set(by_name(numbers["soft_targets"])) == {"benign", "malignant"}
    for label in numbers["soft_targets"]["classes"]:
        assert label["label_keeps"] == label["best_confidence"] == pytest.approx(top)
        gap = math.log((1 - epsilon) * k / epsilon + 1)
        assert label["smallest_logit_gap"] == label["largest_logit_gap"] == pytest.approx(gap)
        assert label["loss_floor"] == pytest.approx(-top * math.log(top) - other * math.log(other))
    assert numbers["soft_targets"]["matrix"] == [pytest.approx([top, other]), pytest.approx([other, top])]
    assert "A label keeps 90.0% of its target" in out
    assert f"{gap:.2f}" in out
    assert numbers["warnings"] == []


def test_it_takes_the_words_of_train_and_writes_figures_and_numbers_only_where_it_is_told(cli, drawn_figures):
    _, numbers = inspected(cli, "smoothing=ordinal", "smoothing.prior.alpha=2", "seed=3")
    assert "alpha=2" in numbers["strategy"]["smoothing.prior"]
    assert sorted(os.listdir()) == ["seen"]
    made = sorted(os.listdir("seen"))
    assert made == ["epsilon.png", "inspection.json", "logit_gaps.png", "soft_targets.png"]
    files = [Path("seen", name).read_bytes() for name in made if name.endswith("png")]
    assert all(file[:4] == b"\x89PNG" and len(file) > 5_000 for file in files)


def test_without_an_output_nothing_is_made(cli):
    code, out, err = cli("inspect", "output=null")
    assert (code, err) == (0, "")
    assert "label" in out
    assert os.listdir() == []


def test_the_default_place_is_below_the_root_of_outputs(cli):
    code, _, err = cli("inspect", "output_root=there")
    assert code == 0
    (numbers,) = Path("there").glob("inspections/medical/*/inspection.json")
    assert str(numbers.parent) in err


def test_a_printed_page_fits_into_80_columns(cli):
    for words in (["smoothing=conditional"], ["smoothing=gradual", "loss=focal", "penalty=[confidence,margin]"]):
        out = cli("inspect", *words, "output=null")[1]
        assert max(map(len, out.splitlines())) <= 80


def test_no_net_is_made_and_no_step_is_taken(cli, monkeypatch):
    def refused(method):
        @functools.wraps(method)
        def refuse(*_, **__):
            raise AssertionError(f"{method.__qualname__} was called")

        return refuse

    monkeypatch.setattr(MLP, "__init__", refused(MLP.__init__))
    monkeypatch.setattr(Trainer, "fit", refused(Trainer.fit))
    assert cli("inspect", "output=null")[0] == 0
    with pytest.raises(AssertionError, match="MLP"):
        cli("train", *SHORT)


def test_a_schedule_that_early_stopping_may_cut_is_warned_of(cli):
    out, numbers = inspected(cli, "smoothing=gradual")
    curve = numbers["epsilon_over_progress"]
    assert curve["mean"] == pytest.approx([0.2 * (1 - x) for x in curve["progress"]])
    assert [moment["progress"] for moment in numbers["over_training"]] == [0, 0.25, 0.5, 0.75, 1]
    assert numbers["over_training"][-1]["smallest_logit_gap"] is None  # infinite
    assert any("early stopping may end the run from epoch 21" in text for text in numbers["warnings"])
    assert "warning: early stopping" in out
    assert inspected(cli, "smoothing=gradual", "callbacks=none")[1]["warnings"] == []
    assert inspected(cli, "smoothing=gradual", "trainer.max_epochs=20")[1]["warnings"] == []


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            ["smoothing=standard", "smoothing/prior=exclusive", "smoothing.strength.epsilon=0.5"],
            "the label loses its lead",
        ),
        (["smoothing=standard", "smoothing.strength.epsilon=0.6"], "epsilon reaches 0.6"),
        (["smoothing/strength=negative", "callbacks=none"], "negative smoothing: epsilon falls to"),
    ],
)
def test_what_a_user_may_not_have_meant_is_said(cli, words, text):
    warnings = inspected(cli, *words)[1]["warnings"]
    assert any(line.startswith(text) for line in warnings), warnings


def test_an_exclusive_epsilon_below_a_half_is_no_warning(cli):
    words = ("smoothing=standard", "smoothing/prior=exclusive", "smoothing.strength.epsilon=0.45")
    assert inspected(cli, *words)[1]["warnings"] == []


def test_loss_penalties_and_mixing_are_named_with_what_they_change(cli):
    _, numbers = inspected(cli, "loss=focal", "penalty=[confidence,margin]", "mixing=mixup")
    summary = "\n".join(numbers["summary"])
    for part in ("loss: Focal", "penalty.confidence: ", "penalty.margin: ", "mixing: Mixup"):
        assert part in summary
    assert len(inspected(cli, "smoothing=standard")[1]["summary"]) == 1


def test_a_strength_that_looks_at_the_model_is_swept_over_its_confidence(cli):
    _, numbers = inspected(cli, "smoothing=conditional")
    right = numbers["epsilon_over_confidence"]["right"]
    expected = [-(p * math.log2(p) + (1 - p) * math.log2(1 - p)) * 0.2 for p in right["confidence"]]
    assert right["mean"] == pytest.approx(expected, abs=1e-6)
    assert inspected(cli)[1]["epsilon_over_confidence"] is None


def test_the_tree_of_a_prior_is_shown_with_its_rows(cli):
    Path("tree.yaml").write_text("diagnosis:\n  harmless: [benign]\n  harmful: [malignant]\n")
    out, numbers = inspected(cli, "smoothing/prior=tree", "smoothing.prior.tree=tree.yaml")
    assert "harmless  228" in out
    assert "diagnosis  364" in out
    assert numbers["trees"]["smoothing.prior"].split() == ["diagnosis", "harmless", "benign", "harmful", "malignant"]


def test_a_learner_starts_untouched_and_says_what_moves_it(cli):
    out, numbers = inspected(cli, "smoothing=online")
    (learner,) = numbers["learners"]
    assert learner["part"] == "smoothing.prior"
    assert "training steps" in learner["moved_by"]
    assert "smoothing.prior learns: it starts here" in " ".join(out.split())


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["smoothing=standart"], "smoothing = standart: no such option; nearest: standard"),
        (["smoothing/strength=column", "smoothing.strength.column=noise"], "column = 'noise'"),
        (["smoothing=standard", "smoothing.strength.epsilon=1.5"], "smoothing.strength.epsilon = 1.5"),
        (["trainer.max_epochs=0"], "trainer.max_epochs = 0"),
        (["run=nowhere"], "run = 'nowhere': no such directory"),
        (["run=7"], "run = 7: expected text"),
        (["run=a", "smoothing=none"], "smoothing=none: run=... is inspected with its own config"),
        (["output=7"], "output = 7: expected text"),
        (["output=file"], "output = 'file': is a file"),
        (["-m", "seed=1,2"], "-m: smoothlab inspect runs once"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_made(cli, words, text):
    Path("file").write_text("")
    code, out, err = cli("inspect", *words)
    assert (code, out) == (2, "")
    assert err.startswith("smoothlab: ")
    assert text in err
    assert err.count("\n") == 1
    assert os.listdir() == ["file"]


def test_a_run_shows_the_matrix_that_it_learned_and_the_epsilon_that_it_used(cli):
    assert cli("train", *SHORT, "smoothing=online", "smoothing/strength=linear")[0] == 0
    run = only_run()
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    out, numbers = inspected(cli, f"run={run}", "checkpoint=last")
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    learned = state["smoother.prior._extra_state"]["kept"]["matrix"].double()
    epsilon = 0.2  # at its strongest
    expected = (1 - epsilon) * torch.eye(2, dtype=torch.float64) + epsilon * learned
    assert torch.allclose(torch.tensor(numbers["soft_targets"]["matrix"], dtype=torch.float64), expected, atol=1e-6)
    assert numbers["soft_targets_before_training"]["matrix"] != numbers["soft_targets"]["matrix"]
    assert numbers["run"]["by_epoch"]["epoch"] == [0, 1, 2, 3]
    assert numbers["run"]["by_epoch"]["epsilon_max"][0] == pytest.approx(0.2)
    assert Path("seen/epsilon_by_epoch.png").is_file()
    assert "it was moved by" in out
    assert cli("evaluate", f"run={run}")[0] == 0  # a checkpoint with a learner's state is scored again too
    code, _, err = cli("inspect", f"run={run}", f"output={run}/figures")
    assert code == 2
    assert "lies in the run" in err


def test_several_labels_a_sample_are_shown_label_by_label(cli):
    lines = ["x,tags", *(f"{k % 7},{['a;b', 'b', 'c'][k % 3]}" for k in range(60))]
    Path("tags.csv").write_text("\n".join(lines))
    out, numbers = inspected(
        cli,
        *(
            "data=table",
            "data.path=tags.csv",
            "data.target=tags",
            "data.labels=multilabel",
            "data.label_separator=semicolon",
        ),
        *("task=multilabel", "smoothing=multilabel", "smoothing.strength.epsilon=0.2"),
    )
    assert {label["name"]: (label["present"], label["absent"]) for label in numbers["labels"]} == {
        name: (pytest.approx(0.9), pytest.approx(0.1)) for name in "abc"
    }
    assert "What each label becomes" in out
    assert Path("seen/label_flow.png").is_file()
