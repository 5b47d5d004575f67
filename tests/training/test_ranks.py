"""Two ranks with half the batch each train what one process trains: weights, metrics, learned state, epsilon."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.loggers import Logger
from torch.testing import assert_close

from smoothlab.config.compose import compose_config, plain
from smoothlab.learner import learners_in
from smoothlab.tracking.console import quiet_lightning
from smoothlab.training.devices import make_trainer
from smoothlab.training.preparing import prepare

DATA = """
import pandas as pd
import torch
from smoothlab.data import Batch, TableEncoder
from smoothlab.data.module import MemoryData


class Clothes(MemoryData):
    def __init__(self, several: bool, batch_size: int = 16):
        super().__init__(batch_size=batch_size, eval_batch_size=8, shuffle_seed=0)
        self.several = several

    def read(self):
        generator = torch.Generator().manual_seed(0)
        values = torch.randn(155, 5, generator=generator)
        boots, shoes, hats = (values[:, k] + 0.3 * torch.randn(155, generator=generator) > 0.5 for k in range(3))
        labels = torch.stack([boots | shoes, boots, shoes, hats], 1).float()
        labels[torch.rand(155, 4, generator=generator) < 0.1] = -1
        frame = pd.DataFrame(values.numpy(), columns=list("abcde"))
        self.class_names = ["footwear", "boots", "shoes", "hats"]
        self.encoder = self.encoder or TableEncoder.fit(frame.iloc[:97])
        self.fingerprint = "clothes"
        labels = labels if self.several else labels.argmax(1)
        weight = {"sample_weight": torch.rand(155, generator=generator) * 2}
        everything = Batch(self.encoder.encode(frame), labels, torch.arange(155), weight)
        parts = {"train": slice(0, 97), "val": slice(97, 134), "test": slice(134, 155)}
        return {name: everything.take(part) for name, part in parts.items()}
"""
# 97 = 6 * 16 + 1: the last step of each epoch has one sample, and rank 1 none. Of five batches of the 37 validation
# samples rank 1 has two, of three of the 21 test samples one.
ROWS = ["data=synthetic_retail", "data.rows=97", "data.val_rows=37", "data.test_rows=21", "data.eval_batch_size=8"]
SHORT = ["logger=none", "progress=none", "threads=1"]
LONG = ("standard", "float32", "adaptive", "early stopping")  # more than 50 steps
WIDE = ["trainer.precision=64-true"]
NARROW = ["optimizer=sgd", "optimizer.lr=0.05"]  # AdamW divides rounding errors by small numbers
TREE = "{clothes: {footwear: [boots, shoes], hats: null}}"
OWN = ["data=synthetic_retail", "data._target_=clothes_for_test.Clothes"]
TRANSLATION = [
    *("experiment=translation", "data.rows=60", "data.val_rows=13", "data.test_rows=9", "data.eval_batch_tokens=128"),
    *("net.width=16", "net.heads=2", "net.hidden=16", "net.encoder_blocks=1", "net.decoder_blocks=1", "net.dropout=0"),
    *("task.validation_bleu=true", "scheduler=none"),
]
CASES: dict[str, list[str]] = {
    "none": [*ROWS, "smoothing=none", "scheduler=cosine"],
    "standard": [*ROWS, "smoothing=standard", "penalty=confidence", "trainer.gradient_clip_val=0.1"],
    "gradual": [*ROWS, "smoothing=gradual", "trainer.accumulate_grad_batches=2"],
    "adaptive": [*ROWS, "smoothing=adaptive"],
    "online": [*ROWS, "smoothing=online"],
    "conditional": [*ROWS, "smoothing=conditional"],
    "hierarchical": [*ROWS, "smoothing=hierarchical"],
    "frequency": [*ROWS, "smoothing=prior"],
    "auto": [*ROWS, "smoothing=auto"],
    "self_distilled": [*ROWS, "smoothing=self_distilled"],
    "ada_focal": [*ROWS, "loss=ada_focal"],
    "early stopping": [*ROWS, "smoothing=standard", "optimizer.lr=0.1"],
    "weighted": [*OWN, "+data.several=false", "smoothing=standard"],
    "multilabel": [*OWN, "+data.several=true", "task=multilabel", "smoothing=multilabel", "smoothing/prior=flow"],
    "translation": TRANSLATION,
    "float32": [*ROWS, "smoothing=online", *NARROW],
}


class Rows(Logger):
    """Keeps what is logged."""

    name = version = ""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, float]] = []

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.rows.append(dict(metrics))

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        pass


def words_of(case: str, ranks: int, folder: str) -> list[str]:
    words = [*CASES[case], *SHORT, *([] if case == "float32" else WIDE)]
    words.append(f"trainer.max_epochs={8 if case in LONG else 3}")
    if case == "translation":
        words.append(f"data.batch_tokens={256 // ranks}")
    else:
        words.append(f"data.batch_size={16 // ranks}")
    if case in ("weighted", "multilabel"):
        words.append(f"code={folder}/clothes_for_test.py")
    if case == "multilabel":
        words.append(f"task.tree={TREE}")
    return [*words, *(["trainer=ddp_cpu", f"trainer.devices={ranks}"] if ranks > 1 else [])]


def values_of(case: str, ranks: int, folder: str) -> dict[str, Any]:
    values = plain(compose_config("train", words_of(case, ranks, folder)))
    if case in ("weighted", "multilabel"):
        node = values["data"]
        values["data"] = {name: node[name] for name in ("_target_", "several", "batch_size")}
    return values


class Seen:
    """What a task publishes of its splits, before Lightning makes float32 of it, and the rows that it was shown."""

    def __init__(self, task: Any) -> None:
        self.published: dict[str, float] = {}
        self.rows: list[int] = []
        publish, count = task._publish, task._count

        def published(split: str, metrics: Any) -> dict[str, float]:
            values = publish(split, metrics)
            self.published |= values
            return values

        def counted(metrics: Any, batch: Any) -> torch.Tensor:
            if metrics is task.test_metrics:
                self.rows += batch.rows.tolist()
            return count(metrics, batch)

        task._publish, task._count = published, counted


def trained(case: str, ranks: int, folder: str) -> dict[str, Any]:
    """What is left of a training: rows of metrics, weights, learned state, metrics of the test set."""
    values = values_of(case, ranks, folder)
    rows, stopping = Rows(), EarlyStopping("val/nll", patience=1 if case == "early stopping" else 99)
    with quiet_lightning():
        prepared = prepare(values)
        task, data = prepared.task, prepared.data
        options = {"logger": rows, "callbacks": [stopping], "enable_checkpointing": False}
        trainer = make_trainer(values, prepared.allowed, **options)
        trainer.fit(task, datamodule=data)
        steps = trainer.global_step
        seen = Seen(task)
        trainer.test(task, datamodule=data, verbose=False)
        tested = {name: value for name, value in seen.published.items() if name.startswith("test/")}
    weights = {name: tensor for name, tensor in task.state_dict().items() if isinstance(tensor, torch.Tensor)}
    states = [dict(learner.kept) for learner in learners_in(task)]
    best = float(stopping.best_score)
    report = {"rows": rows.rows, "weights": weights, "kept": states, "steps": steps, "test": tested, "best": best}
    return report | {"tested": seen.rows}


def on_one_rank(rank: int, folder: str, cases: list[str]) -> dict[str, dict[str, Any]]:
    from ranks import be_rank_of_two

    be_rank_of_two(rank)
    torch.set_num_threads(1)
    return {case: trained(case, 2, folder) for case in cases}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = tmp_path_factory.mktemp("ranks")
    (made / "clothes_for_test.py").write_text(DATA)
    return str(made)


@pytest.fixture(scope="module")
def on_two(folder: str) -> list[dict[str, dict[str, Any]]]:
    from tests.support.ranks import on_ranks  # not at the top: the other process imports this file too

    return on_ranks(on_one_rank, folder, list(CASES), timeout=600.0)


@pytest.mark.parametrize("case", list(CASES))
def test_two_ranks_train_what_one_process_trains(case, on_two, folder):
    alone = trained(case, 1, folder)
    exact = 1e-4 if case == "float32" else 1e-12
    close = {"rtol": 1e-5, "atol": 1e-5} if case == "float32" else {"rtol": 1e-10, "atol": 1e-10}
    if case in LONG and case != "early stopping":
        assert alone["steps"] > 50
    assert sorted(row for rank in on_two for row in rank[case]["tested"]) == sorted(alone["tested"])
    for rank in on_two:
        there = rank[case]
        assert there["steps"] == alone["steps"]
        assert_close(there["weights"], alone["weights"], **close)
        assert_close(there["kept"], alone["kept"], **close)
        assert len(there["rows"]) == len(alone["rows"])
        for mine, theirs in zip(alone["rows"], there["rows"], strict=True):
            assert mine.keys() == theirs.keys()
            for name, value in mine.items():
                assert theirs[name] == pytest.approx(value, rel=exact, abs=exact), name
        assert there["test"] == pytest.approx(alone["test"], rel=exact, abs=exact)
        assert there["best"] == pytest.approx(alone["best"], rel=1e-5)


def test_what_the_cases_are_for(on_two):
    """Early stopping ends the training, smoothing changes its epsilon, and the strategies learn something."""
    first = on_two[0]
    assert len(first["early stopping"]["rows"]) < 8
    assert all(rank["none"]["tested"] for rank in on_two)
    epsilons = [row["smoothing/epsilon"] for row in first["adaptive"]["rows"]]
    assert len(set(epsilons)) > 2
    assert all(any(tensor.any() for tensor in first[case]["kept"][0].values()) for case in ("online", "self_distilled"))
    assert "train/penalty/confidence" in first["standard"]["rows"][0]
    assert "val/bleu" in first["translation"]["rows"][0]


def test_each_test_sample_is_counted_once(on_two):
    for case in CASES:
        if case != "translation":  # whose rows are tokens
            tested = [row for rank in on_two for row in rank[case]["tested"]]
            assert len(tested) == len(set(tested)) == 21, case


def test_ranks_hold_the_same_weights_to_the_last_bit(on_two):
    for case in CASES:
        first, other = (rank[case]["weights"] for rank in on_two)
        assert all(torch.equal(first[name], other[name]) for name in first), case
