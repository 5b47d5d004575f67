"""Two processes with uneven shards report the metrics of all samples, each counted once."""

from __future__ import annotations

import multiprocessing
import socket

import numpy as np
import pytest
import torch

from smoothlab import metrics

SHARDS = ((0, 130), (130, 200))  # the second rank has fewer, in other batches


def draw():
    random = np.random.default_rng(0)
    values = random.normal(size=(200, 3)) * 2
    return values, random.integers(0, 3, 200), random.integers(0, 2, (200, 3))


def rank(number: int, port: int, shards, answers) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=number, world_size=len(shards)
    )
    values, labels, votes = draw()
    single, several = metrics.ClassificationMetrics(3), metrics.MultilabelMetrics(3)
    start, stop = shards[number]
    for part in np.array_split(np.arange(start, stop), 3 - number):
        single.update(values[part], labels[part])
        several.update(values[part], votes[part])
    together = single.compute(), several.compute()
    single.update(values[:0], labels[:0])  # and the states are the rank's own again
    answers.put((number, *together, float(single.sums[0]), tuple(single.table.shape)))
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("shards", [SHARDS, ((0, 200), (200, 200))], ids=["uneven", "one empty"])
def test_ranks_agree_with_one_process(shards):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    processes = [context.Process(target=rank, args=(number, port, shards, answers)) for number in range(len(shards))]
    for process in processes:
        process.start()
    found = [answers.get(timeout=120) for _ in processes]
    for process in processes:
        process.join(timeout=60)
        assert process.exitcode == 0
    values, labels, votes = draw()
    single = metrics.classification_metrics(values, labels, from_logits=True)
    several = metrics.multilabel_metrics(values, votes, from_logits=True)
    for number, streamed, streamed_several, weight, shape in found:
        assert streamed == pytest.approx(single, abs=1e-12)
        assert streamed_several == pytest.approx(several, abs=1e-12)
        assert weight == shards[number][1] - shards[number][0]
        assert len(shape) == 2
