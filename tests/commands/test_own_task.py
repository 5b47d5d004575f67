"""A task class of one's own: one that keeps its kind works as its parent does; one of another kind is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from smoothlab.errors import UserMistake
from smoothlab.models.checkpoint import read_checkpoint
from smoothlab.models.model import model_from

ROWS = ["data=synthetic_retail", "data.rows=60", "data.val_rows=30", "data.test_rows=20"]
WORDS = [*ROWS, "trainer.max_epochs=1", "smoothing=standard", "logger=none", "progress=none", "figures=false"]
CODE = """
from pytorch_lightning import LightningModule

from smoothlab.tasks import ClassificationTask, Task, TranslationTask


class Kept(ClassificationTask):
    pass


class Regression(ClassificationTask):
    kind = "regression"


class Nameless(Task):
    monitored = {"val/nll": "min"}
    make_metrics = more_metrics = lambda self: []

    def count(self, metrics, logits, labels):
        pass

    def losses(self, logits, target, step):
        return logits.sum(), {}


class Unnamed(ClassificationTask):
    kind = None


class Listed(ClassificationTask):
    kind = ["classification"]


class Changed(ClassificationTask):
    def make_metrics(self):
        self.kind = "regression"
        return super().make_metrics()


class Foreign(LightningModule):
    kind = "classification"


def make(net, smoother, class_names, optimizer, scheduler=None, **more):
    return Regression(net, smoother, class_names, optimizer=optimizer, scheduler=scheduler)
"""


@pytest.fixture(autouse=True)
def own_code(empty_folder: Path) -> None:
    (empty_folder / "own_task_for_test.py").write_text(CODE)


def task_words(name: str) -> list[str]:
    return ["code=own_task_for_test.py", f"task._target_=own_task_for_test.{name}"]


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("Regression", "is of the kind 'regression'"),
        ("Nameless", "says no kind"),
        ("Unnamed", "says no kind"),
        ("Listed", "is of the kind ['classification']"),
        ("Foreign", "is no task"),
    ],
)
def test_a_task_of_another_kind_is_one_line_before_a_directory_is_made(cli, name, what):
    code, _, error = cli("train", *WORDS, *task_words(name))
    assert code == 2
    assert f"task._target_ = 'own_task_for_test.{name}': {what}" in error
    assert len(error.strip().splitlines()) == 1
    assert not Path("outputs").exists()


@pytest.mark.parametrize("name", ["Changed", "make"])
def test_a_kind_that_is_seen_only_when_the_task_is_made_is_refused_too(cli, name):
    code, _, error = cli("train", *WORDS, *task_words(name))
    assert code == 2
    assert "regression" in error
    assert len(error.strip().splitlines()) == 1
    assert not Path("outputs").exists()


def test_a_sweep_refuses_it_when_it_is_composed(cli):
    code, _, error = cli("train", "-m", *WORDS, *task_words("Regression"), "seed=0,1")
    assert code == 2
    assert "is of the kind 'regression'" in error
    assert not Path("outputs").exists()
    assert not Path("multirun").exists()


def test_one_that_keeps_its_kind_gives_the_numbers_of_its_parent(cli):
    assert cli("train", *WORDS, *task_words("Kept"))[0] == 0
    assert cli("train", *WORDS, "output_root=parent")[0] == 0
    own, parent = (next(Path(place).glob("*/*")) for place in ("outputs", "parent"))
    results = [json.loads((run / "results.json").read_text())["metrics"] for run in (own, parent)]
    assert results[0] == results[1]
    assert cli("evaluate", f"run={own}", "code=own_task_for_test.py")[0] == 0


def test_a_checkpoint_of_another_kind_is_not_read_as_a_classification(cli):
    assert cli("train", *WORDS)[0] == 0
    (path,) = Path("outputs").rglob("last.ckpt")
    content = read_checkpoint(path)
    model_from(content)
    content["smoothlab"]["kind"] = "regression"
    with pytest.raises(UserMistake, match="the checkpoint's kind of task is 'regression'"):
        model_from(content)
