"""Two processes with uneven shards report the metrics of all samples, each counted once."""

from __future__ import annotations

import multiprocessing
import socket

import numpy as np
import pytest
import torch

from smoothlab import metrics

SHARDINGS = (
    ((0, 130), (130, 200)),  # the second rank has fewer, in other batches
    ((0, 200), (200, 200)),  # and here none
)


def draw():
    random = np.random.default_rng(0)
    values = random.normal(size=(200, 3)) * 2
    return values, random.integers(0, 3, 200), random.integers(0, 2, (200, 3))


def rank(number: int, port: int, answers) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=number, world_size=len(SHARDINGS[0])
    )
    values, labels, votes = draw()
    for shards in SHARDINGS:
        single, several = metrics.ClassificationMetrics(3), metrics.MultilabelMetrics(3)
        start, stop = shards[number]
        for part in np.array_split(np.arange(start, stop), 3 - number):
            single.update(values[part], labels[part])
            several.update(values[part], votes[part])
        together = single.compute(), several.compute()
        single.update(values[:0], labels[:0])  # and the states are the rank's own again
        answers.put((stop - start, *together, float(single.sums[0]), tuple(single.table.shape)))
    torch.distributed.destroy_process_group()


def test_ranks_agree_with_one_process():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    processes = [context.Process(target=rank, args=(number, port, answers)) for number in range(2)]
    for process in processes:
        process.start()
    results = [answers.get(timeout=300) for _ in range(2 * len(SHARDINGS))]
    for process in processes:
        process.join(timeout=60)
        assert process.exitcode == 0
    values, labels, votes = draw()
    single = metrics.classification_metrics(values, labels, from_logits=True)
    several = metrics.multilabel_metrics(values, votes, from_logits=True)
    for samples, streamed, streamed_several, weight, shape in results:
        assert streamed == pytest.approx(single, abs=1e-12)
        assert streamed_several == pytest.approx(several, abs=1e-12)
        assert weight == samples
        assert len(shape) == 2
