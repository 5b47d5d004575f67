"""The options of loss=, penalty= and mixing=: each is built, documented, and takes a step."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import torch

from smoothlab.classes import ClassInfo, NeedsClasses
from smoothlab.config.build import build
from smoothlab.config.compose import compose_config, plain
from smoothlab.data.batch import Batch
from smoothlab.errors import UserMistake
from smoothlab.nets import MLP
from smoothlab.tasks import ClassificationTask

CHECKOUT = Path(__file__).resolve().parents[2]
GROUPS = ("loss", "penalty", "mixing")
OPTIONS = [(group, path.stem) for group in GROUPS for path in sorted((CHECKOUT / "conf" / group).glob("*.yaml"))]
NET = "{_target_: smoothlab.nets.MLP, in_features: 12, num_classes: 2, hidden: [4]}"
# What an option needs to be told; it stands in the YAML as a mandatory key.
NEEDED: dict[tuple[str, str], list[str]] = {
    ("loss", "self_distillation"): [f"loss.net={NET}", "loss.checkpoint=teacher.ckpt"],
}
TOLD = NEEDED | {("loss", "hierarchical"): ["loss.tree={tumour: [benign, malignant]}"]}
INFO = ClassInfo(["benign", "malignant"], [357, 212], 569)


@pytest.fixture(autouse=True)
def teacher(tmp_path, monkeypatch):
    """A folder with the weights of a teacher in it."""
    monkeypatch.chdir(tmp_path)
    net = MLP(12, 2, hidden=[4])
    torch.save({"state_dict": {f"net.{name}": value for name, value in net.state_dict().items()}}, "teacher.ckpt")


def composed(group, option, *more):
    return plain(compose_config("train", [f"{group}={option}", *TOLD.get((group, option), []), *more]))


class Flat(torch.nn.Module):
    """A net for images, so that cutmix has some to cut."""

    def __init__(self):
        super().__init__()
        self.net = MLP(12, 2, hidden=[4])

    def forward(self, features):
        """Logits."""
        return self.net(features.flatten(1))


def task_of(config, net):
    parts = {name: build(config[name], name) for name in ("smoothing", "loss", "penalty")}
    for part in (parts["smoothing"], parts["loss"], *parts["penalty"].values()):
        if isinstance(part, NeedsClasses):
            part.bind(INFO)
    mixing = build(config["mixing"], "mixing", num_classes=2) or None
    return ClassificationTask(
        net,
        parts["smoothing"],
        INFO.class_names,
        loss=parts["loss"] or None,
        penalties=parts["penalty"],
        mixing=mixing,
        optimizer=torch.optim.SGD,
    )


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_each_option_takes_a_step_with_standard_smoothing(group, option):
    torch.manual_seed(0)
    images = group == "mixing"
    task = task_of(composed(group, option, "smoothing=standard"), Flat() if images else MLP(12, 2, hidden=[4]))
    features = torch.randn(6, 1, 3, 4) if images else torch.randn(6, 12)
    batch = Batch(features, torch.tensor([0, 1, 1, 0, 1, 0]), torch.arange(6))
    target, loss, penalties = task.terms(batch)
    assert target.epsilon == 0.1
    assert set(penalties) == ({option} - {"none"} if group == "penalty" else set())
    total = sum(penalties.values(), loss)
    assert total.ndim == 0
    total.backward()
    assert total.isfinite()
    assert all(weight.grad.isfinite().all() for weight in task.net.parameters())
    assert any(weight.grad.any() for weight in task.net.parameters())


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_each_file_says_its_command_and_comments_every_key(group, option):
    lines = (CHECKOUT / "conf" / group / f"{option}.yaml").read_text().splitlines()
    assert lines[0].startswith("#")
    assert any(f"smoothlab train {group}={option}" in line for line in lines[:2])
    for number, line in enumerate(lines):
        key = line.strip()
        if key and key[0].isalpha() and not key.startswith("_target_") and key != f"{option}:":
            assert lines[number - 1].strip().startswith("#"), f"{group}/{option}: {key} has no comment"


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_each_command_can_be_composed(group, option):
    text = (CHECKOUT / "conf" / group / f"{option}.yaml").read_text()
    line = next(line for line in text.splitlines() if f"smoothlab train {group}={option}" in line)
    words = shlex.split(line[line.index("smoothlab train") :])
    assert plain(compose_config("train", words[2:]))


@pytest.mark.parametrize(("group", "option"), sorted(NEEDED))
def test_what_an_option_needs_is_named_in_one_line(group, option):
    with pytest.raises(UserMistake, match=rf"^{group}\.\w+: missing; give it as {group}\.\w+=\.\.\.$"):
        plain(compose_config("train", [f"{group}={option}"]))


def test_several_penalties_stand_side_by_side():
    config = plain(compose_config("train", ["penalty=[margin,confidence]"]))
    assert set(task_of(config, MLP(12, 2, hidden=[4])).penalties) == {"margin", "confidence"}


def test_a_penalty_s_weight_may_be_a_schedule_on_the_command_line():
    schedule = "{_target_: smoothlab.smoothing.Linear, start: 0.1, end: 0.2}"
    config = composed("penalty", "max_suppression", f"penalty.max_suppression.weight={schedule}")
    weight = build(config["penalty"], "penalty")["max_suppression"].weight
    assert (weight.start, weight.end) == (0.1, 0.2)


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_the_strategies_page_names_it(group, option):
    page = (CHECKOUT / "docs" / "strategies.md").read_text()
    table = page.split(f"config: `{group}=`")[1].split("\n\n")[0]
    assert f"| `{option}` |" in table
