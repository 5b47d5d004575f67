"""Any strength with any prior: composed by their options' names, and trained with for one step."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from smoothing_options import MULTILABEL, SHAPES, TOLD

from smoothlab.classes import ClassInfo
from smoothlab.config.build import build
from smoothlab.config.compose import compose_config, plain
from smoothlab.data import Batch
from smoothlab.errors import InvalidArgument, UserMistake
from smoothlab.models.teacher import without_teachers
from smoothlab.nets import MLP
from smoothlab.tasks import ClassificationTask, MultilabelTask

CONF = Path(__file__).resolve().parents[2] / "conf" / "smoothing"
STRENGTHS = sorted(path.stem for path in (CONF / "strength").glob("*.yaml"))
PRIORS = sorted(path.stem for path in (CONF / "prior").glob("*.yaml"))
LABEL_PRIORS = [option for option in PRIORS if f"smoothing/prior/{option}" in MULTILABEL]
CLASS_PRIORS = [option for option in PRIORS if option not in LABEL_PRIORS]
INFO = ClassInfo(["benign", "malignant"], [5, 3], num_rows=8, num_samples=8)


def node(group: str, option: str) -> dict:
    name = f"smoothing/{group}"
    words = [f"{name}={option}", *TOLD.get(f"{name}/{option}", [])]
    return without_teachers(plain(compose_config("train", words))["smoothing"])[group]


@pytest.fixture(scope="module")
def nodes() -> dict[str, dict[str, dict]]:
    return {
        "strength": {option: node("strength", option) for option in STRENGTHS},
        "prior": {option: node("prior", option) for option in PRIORS},
    }


def labels_of(kind: str) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    if kind == "votes":
        return torch.rand(8, 2, generator=generator).softmax(-1)
    if kind == "multilabel":
        return torch.randint(0, 2, (8, 2), generator=generator)
    return torch.tensor([0, 1, 1, 0, 0, 1, 0, 0])


def train_a_step(kind: str, strength: dict, prior: dict, **more: object) -> None:
    several = kind == "multilabel"
    made = f"smoothlab.smoothing.{'MultilabelSmoother' if several else 'Smoother'}"
    smoother = build({"_target_": made, "strength": strength, "prior": prior} | more, "smoothing")
    smoother.bind(INFO)
    torch.manual_seed(0)
    net = MLP(2, 2, hidden=[4], dropout=0.0)
    make_task = MultilabelTask if several else ClassificationTask
    task = make_task(net, smoother, INFO.class_names, optimizer=torch.optim.SGD).train()
    before = [parameter.detach().clone() for parameter in net.parameters()]
    optimizer = torch.optim.SGD(task.parameters(), lr=0.1)
    generator = torch.Generator().manual_seed(0)
    metadata = {"agreement": torch.rand(8, generator=generator)}
    batch = Batch(torch.randn(8, 2, generator=generator), labels_of(kind), torch.arange(8), metadata)
    target, loss, penalties = task.terms(batch)
    assert not penalties
    target.validate()
    (loss / 8).backward()
    optimizer.step()
    assert all(parameter.isfinite().all() for parameter in net.parameters())
    assert any(not torch.equal(new, old) for new, old in zip(net.parameters(), before, strict=True))


@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize("kind", ["labels", "votes"])
def test_each_strength_trains_with_each_prior(nodes, strength, kind):
    for option in CLASS_PRIORS:
        if f"smoothing/prior/{option}" not in SHAPES:
            train_a_step(kind, nodes["strength"][strength], nodes["prior"][option])


@pytest.mark.parametrize("strength", [option for option in STRENGTHS if option not in ("teacher", "negative")])
def test_each_strength_trains_with_each_prior_of_several_labels(nodes, strength):
    for option in LABEL_PRIORS:
        tree = {"tree": {"malignant": ["benign"]}} if option == "flow" else {}
        train_a_step("multilabel", nodes["strength"][strength], nodes["prior"][option] | tree, **tree)


def test_a_teacher_of_classes_is_refused_for_several_labels(nodes):
    with pytest.raises(InvalidArgument, match="net = "):
        train_a_step("multilabel", nodes["strength"]["teacher"], nodes["prior"]["half"])


@pytest.mark.parametrize("option", sorted(SHAPES))
def test_a_prior_of_another_shape_of_labels_says_so(nodes, option):
    with pytest.raises((UserMistake, ValueError), match=r"labels = .*: expected"):
        train_a_step("labels", nodes["strength"]["constant"], nodes["prior"][option.rsplit("/", 1)[1]])


@pytest.mark.parametrize(
    ("strength", "prior"), [("cosine", "tree"), ("uncertainty", "sord"), ("rules", "class_frequency"), ("auto", "zipf")]
)
def test_pairs_compose_from_the_command_line(strength, prior):
    words = [f"smoothing/strength={strength}", f"smoothing/prior={prior}"]
    words += [word for key in (f"strength/{strength}", f"prior/{prior}") for word in TOLD.get(f"smoothing/{key}", [])]
    config = plain(compose_config("train", words))["smoothing"]
    train_a_step("labels", config["strength"], config["prior"])
