"""The multi-label task: its loss, its penalties as questions, mixing, and runs of an own data module end to end."""

from __future__ import annotations

import functools
import json

import pandas as pd
import pytest
import torch
from run_directories import SHORT
from torch import nn
from torch.testing import assert_close

import smoothlab
from smoothlab import InvalidArgument, Smoother, UserMistake
from smoothlab.data import Batch
from smoothlab.losses import Focal, Mixup, soft_binary_cross_entropy
from smoothlab.losses.penalties import ConfidencePenalty, LogitPenalty
from smoothlab.metrics import multilabel_hierarchical_metrics, multilabel_metrics
from smoothlab.smoothing import Constant, Half, MultilabelSmoother, Uniform
from smoothlab.tasks import ClassificationTask, MultilabelTask

NAMES = ["footwear", "boots", "shoes", "hats"]
TREE = "{clothes: {footwear: [boots, shoes], hats: null}}"

DATA = """
import pandas as pd
import torch
from smoothlab.data import Batch, TableEncoder
from smoothlab.data.module import MemoryData


class Clothes(MemoryData):
    def __init__(self, unknown: float = 0.0, batch_size: int = 32, **of_tables):
        super().__init__(batch_size=batch_size, eval_batch_size=64, shuffle_seed=0)
        self.unknown = unknown

    def read(self):
        generator = torch.Generator().manual_seed(0)
        values = torch.randn(300, 5, generator=generator)
        boots, shoes, hats = (values[:, k] + 0.3 * torch.randn(300, generator=generator) > 0.5 for k in range(3))
        labels = torch.stack([boots | shoes, boots, shoes, hats], 1).float()
        labels[torch.rand(300, 4, generator=generator) < self.unknown] = -1
        frame = pd.DataFrame(values.numpy(), columns=list("abcde"))
        self.class_names = ["footwear", "boots", "shoes", "hats"]
        self.encoder = self.encoder or TableEncoder.fit(frame.iloc[:200])
        self.fingerprint = "clothes"
        everything = Batch(self.encoder.encode(frame), labels, torch.arange(300))
        parts = {"train": slice(0, 200), "val": slice(200, 250), "test": slice(250, 300)}
        return {name: everything.take(part) for name, part in parts.items()}
"""
OWN = ["code=clothes_for_test.py", "data._target_=clothes_for_test.Clothes", "task=multilabel", "smoothing=multilabel"]
RUN = [*SHORT, "threads=1", "progress=none", *OWN, f"task.tree={TREE}"]


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def task_of(smoother=None, **options):
    torch.manual_seed(0)
    smoother = smoother or MultilabelSmoother(Constant(0.2), Half())
    optimizer = functools.partial(torch.optim.SGD, lr=0.1)
    return MultilabelTask(nn.Linear(3, 4), smoother, NAMES, optimizer=optimizer, **options)


def batch_of(unknown=()):
    labels = (drawn(6, 4, seed=1) > 0).float()
    for row, column in unknown:
        labels[row, column] = -1
    return Batch(drawn(6, 3), labels, torch.arange(6))


UNKNOWN = [(0, 1), (0, 2), (3, 0), *((5, column) for column in range(4))]


@pytest.fixture
def own_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clothes_for_test.py").write_text(DATA)
    return tmp_path


# The loss ------------------------------------------------------------------------------------------------------------


def test_the_loss_is_the_sum_over_samples_of_the_mean_over_known_labels():
    task, batch = task_of(), batch_of(UNKNOWN)
    target, loss, penalties = task.terms(batch)
    each = torch.nn.functional.binary_cross_entropy_with_logits(
        task.net(batch.features), 0.8 * batch.labels + 0.1, reduction="none"
    )
    expected = sum(row[known].mean() for row, known in zip(each, batch.labels >= 0, strict=True) if known.any())
    assert_close(loss, expected)
    assert penalties == {}
    assert target.epsilon == 0.2


@pytest.mark.parametrize("unknown", [(), UNKNOWN])
def test_a_loss_without_focus_is_the_binary_cross_entropy(unknown):
    batch = batch_of(unknown)
    plain, focal = task_of(), task_of(loss=Focal(gamma=0.0))
    (_, expected, _), (_, loss, _) = plain.terms(batch), focal.terms(batch)
    assert_close(loss, expected)
    assert_close(torch.autograd.grad(loss, focal.net.weight), torch.autograd.grad(expected, plain.net.weight))


def test_the_focal_loss_is_the_binary_one():
    task, batch = task_of(MultilabelSmoother(Constant(0.0), Half()), loss=Focal(gamma=2.0)), batch_of()
    p = torch.sigmoid(task.net(batch.features))
    right = torch.where(batch.labels > 0, p, 1 - p)
    assert_close(task.terms(batch)[1], ((1 - right).square() * -right.log()).mean(1).sum())


@pytest.mark.parametrize("unknown", [(), UNKNOWN])
def test_penalties_are_those_of_each_answer(unknown):
    batch = batch_of(unknown)
    task = task_of(penalties={"confidence": ConfidencePenalty(0.3), "logit": LogitPenalty(0.1)})
    _, loss, penalties = task.terms(batch)
    z = task.net(batch.features)
    p, known = torch.sigmoid(z), batch.labels >= 0
    each = {"confidence": 0.3 * (p * p.log() + (1 - p) * (1 - p).log()), "logit": 0.05 * z.square()}
    for name, values in each.items():
        rows = [row[there].mean() for row, there in zip(values, known, strict=True) if there.any()]
        assert_close(penalties[name], sum(rows))
    target = task.smoother(batch.labels)
    assert_close(loss, soft_binary_cross_entropy(z, target, reduction="sum"))


def test_a_masked_label_takes_no_part():
    class Masked(nn.Linear):
        def forward(self, features):
            return super().forward(features).index_fill(1, torch.tensor([2]), -torch.inf)

    task, batch = task_of(penalties={"confidence": ConfidencePenalty(0.3)}), batch_of()
    task.net = Masked(3, 4)
    _, loss, penalties = task.terms(batch)
    (loss + penalties["confidence"]).backward()
    assert task.net.weight.grad.isfinite().all()
    assert not task.net.weight.grad[2].any()
    smaller = soft_binary_cross_entropy(
        task.net(batch.features)[:, [0, 1, 3]], task.smoother(batch.labels[:, [0, 1, 3]]), reduction="sum"
    )
    assert_close(loss, smaller)


def test_what_is_unknown_in_one_of_two_samples_is_unknown_in_their_mixture():
    task, batch = task_of(mixing=Mixup(1.0, 4)), batch_of(UNKNOWN)
    torch.manual_seed(3)
    _, labels = task.mixed(batch.features, batch.labels)
    torch.manual_seed(3)
    _, shares = Mixup(1.0, 4)(batch.features, batch.labels.clamp_min(0))
    torch.manual_seed(3)
    _, known = Mixup(1.0, 4)(batch.features, (batch.labels >= 0).float())
    assert torch.equal(labels < 0, known < 1 - 1e-6)
    assert_close(labels[labels >= 0], shares[labels >= 0])


def test_a_smoother_goes_with_its_kind_of_task():
    with pytest.raises(InvalidArgument, match="smoother = 'Smoother': expected a MultilabelSmoother, such as"):
        task_of(Smoother(Constant(0.1), Uniform()))
    optimizer = functools.partial(torch.optim.SGD, lr=0.1)
    with pytest.raises(InvalidArgument, match="smoother = 'MultilabelSmoother': expected a Smoother, or the multi"):
        ClassificationTask(nn.Linear(3, 4), MultilabelSmoother(Constant(0.1), Half()), NAMES, optimizer=optimizer)


# Runs ----------------------------------------------------------------------------------------------------------------


def test_a_run_of_own_data_from_training_to_prediction(own_data):
    run = smoothlab.train([*RUN, "smoothing/prior=flow", "+data.unknown=0.1", "trainer.max_epochs=15"])
    results = run.results
    metrics = results["metrics"]["test"]
    assert metrics["accuracy"] > 0.75
    assert metrics["hierarchical_f1"] > 0.6
    assert 0 <= metrics["hierarchy_violations"] < 0.2
    low, high = results["uncertainty"]["test"]["intervals"]["nll"]
    assert low < metrics["nll"] < high

    table = pd.read_parquet(run.path / "predictions" / "test.parquet")
    assert list(table) == ["row", *(f"{what}_{name}" for what in ("label", "pred", "prob") for name in NAMES)]
    probability, label, predicted = (
        table[[f"{what}_{name}" for name in NAMES]].to_numpy() for what in ("prob", "label", "pred")
    )
    assert ((probability > 0.5) == predicted).all()
    known = {"from_logits": False, "mask": label == label}
    exact = multilabel_metrics(probability, label, **known)
    assert exact["nll"] == pytest.approx(metrics["nll"], rel=1e-6)
    assert exact["macro_f1"] == pytest.approx(metrics["macro_f1"])
    hierarchy = smoothlab.classes.Hierarchy({"clothes": {"footwear": ["boots", "shoes"], "hats": None}}, NAMES)
    on_tree = multilabel_hierarchical_metrics(probability, label, hierarchy, **known)
    assert on_tree["hierarchical_f1"] == pytest.approx(metrics["hierarchical_f1"])

    rows = run.metrics
    assert (rows["train/kl"] >= 0).all()
    assert rows["smoothing/epsilon"].to_numpy() == pytest.approx(0.1)
    assert rows["val/nll"].iloc[-1] < rows["val/nll"].iloc[0]
    assert {"val/hierarchical_f1", "val/hierarchy_violations"} <= set(rows)

    values = drawn(4, 5)
    model = smoothlab.load(run.path, code="clothes_for_test.py")
    predicted = model.predict(pd.DataFrame(values.numpy(), columns=list("abcde")))
    assert list(predicted) == [*(f"pred_{name}" for name in NAMES), *(f"prob_{name}" for name in NAMES)]
    assert predicted["prob_hats"].to_numpy() == pytest.approx(
        torch.sigmoid(model.logits(pd.DataFrame(values.numpy(), columns=list("abcde"))))[:, 3].numpy(), abs=1e-6
    )

    from smoothlab.training.evaluating import evaluate

    assert evaluate(run.path, code="clothes_for_test.py") == results["metrics"]


@pytest.mark.parametrize(
    "options",
    [
        ["smoothing/strength=cosine", "smoothing/prior=half", "smoothing.strength.end=0.2"],
        ["smoothing/strength=uncertainty", "smoothing/prior=prevalence", "loss=focal"],
        ["smoothing/strength=accuracy", "smoothing/prior=flip", "penalty=[confidence,margin]", "mixing=mixup"],
        [
            "smoothing/strength=none",
            "callbacks.best_checkpoint.monitor=val/micro_f1",
            "callbacks.best_checkpoint.mode=max",
        ],
    ],
    ids=lambda options: options[0].split("=")[1],
)
def test_strengths_priors_losses_and_penalties_train_from_the_command_line(own_data, options):
    run = smoothlab.train([*RUN, *options])
    json.dumps(run.results, allow_nan=False)
    assert run.metrics["train/loss"].notna().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["smoothing=standard"], "task.smoother = 'Smoother': expected a MultilabelSmoother, such as"),
        (
            ["task=classification", f"task.tree={TREE}"],
            "task: classification, but the data have several labels a sample; take task=multilabel",
        ),
        (["smoothing/prior=uniform"], "does not fit the data: prior = 'uniform': expected one of multi-label"),
        (["task.tree=[boots, hats]"], "classes = 'footwear': expected a node of the tree"),
        (
            ["smoothing/prior=flow", "task.tree=null"],
            "smoothing.prior.tree = None: expected nested names or a file of them: the data have no tree",
        ),
        (["smoothing/strength=negative"], "smoothing.strength = 'Negative': expected one of at least 0"),
        (["smoothing.unclosed=drop"], "smoothing.unclosed = 'drop': expected one of close, refuse"),
    ],
)
def test_mistakes_are_one_line(own_data, options, message):
    of_tree = any(option.startswith("task.tree=[") for option in options)
    with pytest.raises(UserMistake) as caught:
        smoothlab.train([*(option for option in RUN if not (of_tree and option.startswith("task.tree"))), *options])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_tree_of_classes_adds_its_metrics_to_a_classification(own_data):
    run = smoothlab.train([*SHORT, "threads=1", "task.tree={tumour: [benign, malignant]}"])
    metrics = run.results["metrics"]["test"]
    assert metrics["accuracy_level_1"] == metrics["accuracy"]
    assert metrics["hierarchical_distance"] == pytest.approx(1 - metrics["accuracy"])
    assert metrics["mistake_severity"] == 1.0
    assert run.metrics["val/accuracy_level_1"].to_numpy() == pytest.approx(run.metrics["val/accuracy"].to_numpy())


def test_a_metric_that_is_not_defined_is_left_out_of_the_results():
    from smoothlab.classes import Hierarchy
    from smoothlab.metrics import HierarchicalMetrics
    from smoothlab.scoring.splits import score

    class Perfect:
        kind = "classification"
        num_bins = 15

        def more_metrics(self):
            return [HierarchicalMetrics(Hierarchy(["a", "b"], ["a", "b"]))]

    class Trainer:
        def predict(self, task, dataloaders):
            return [{"logits": 5 * torch.eye(2), "labels": torch.arange(2), "rows": torch.arange(2)}]

    class Data:
        def loader(self, split):
            return split

    (scores,) = score(Perfect(), Data(), Trainer(), ["test"]).values()
    assert "mistake_severity" not in scores.metrics
    assert scores.metrics["accuracy_level_1"] == 1.0
