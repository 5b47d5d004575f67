"""From Enter to page: wall and CPU time of a comparison, beside importing torch and Lightning in the same round.

    python benchmarks/answer.py                    medical, a quick budget: first, and again with nothing to train
    python benchmarks/answer.py --members 64       that many nets as one stack beside as many single trainings
    python benchmarks/answer.py --members 64 --peers   the same nets in a plain loop over torch.func.vmap, and so many
                                                   of pytabkit's RealMLP, trained as one too (pip install pytabkit)
    python benchmarks/answer.py --sweep 300        a sweep of so many runs of two epochs, and again
    python benchmarks/answer.py --parts            what one run costs beside its steps, by profile

Every command is a process of its own in an empty folder. CPU seconds are the kernel's count for the process and all its
children. benchmarks/results/answer.md has the figures.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

COMMAND = [sys.executable, "-m", "smoothlab"]
MEDICAL = ["compare", "experiment=medical", "budget=quick"]
RUN = ("experiment=medical", "logger=csv", "progress=none", "figures=false")
# Parts of a run beside its steps, by the functions that they are.
PARTS = {
    "prepare a run like others": "prepare_like",
    "prepare the first": "prepare",
    "read and encode the data": "open_data",
    "an epoch's steps": "_epoch",
    "validation": "_validate",
    "end of an epoch": "end_epoch",
    "checkpoints": "save_checkpoint",
    "predict": "predicted",
    "scores": "scored_afterwards",
    "intervals": "uncertainty",
    "predictions and tables": "write_outcome",
    "versions and git": "provenance",
    "waiting for the disk": "sync_file",
    "waiting for folders": "sync_folder",
}


def timed(words: list[str]) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds, and wall seconds until the command said its first word."""
    before, started = os.times(), time.perf_counter()
    first = 0.0
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if not first and line.strip() and "srun" not in line:
                first = time.perf_counter() - started
        code = process.wait()
    if code:
        raise SystemExit(f"{' '.join(words)}: exit code {code}")
    wall, after = time.perf_counter() - started, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, used, first


def imports() -> float:
    """CPU seconds of importing torch and Lightning."""
    return timed([sys.executable, "-c", "import torch, pytorch_lightning"])[1]


def comparison(words: list[str], rounds: int) -> None:
    """A comparison, and the same again."""
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            imported = imports()
            command = [*COMMAND, *words, f"output_root={folder}"]
            wall, used, first = timed(command)
            print(
                f"round {number + 1}: {' '.join(words)}: {wall:.1f} s, {used:.1f} CPU s, {used / imported:.1f} x "
                f"importing torch and Lightning ({imported:.1f} CPU s); first word after {first:.1f} s"
            )
            wall, used, _ = timed(command)
            print(f"round {number + 1}: again: {wall:.1f} s, {used:.2f} CPU s")


def sweep(runs: int) -> None:
    """A sweep of runs of two epochs with each engine, and the batched one again."""
    words = ["train", "-m", *RUN, "trainer.max_epochs=2", f"seed=range({runs})", "data.split_seed=0"]
    for engine in ("batched", "single"):
        with tempfile.TemporaryDirectory() as folder:
            command = [*COMMAND, *words, f"engine={engine}", f"output_root={folder}"]
            wall, used, first = timed(command)
            print(f"sweep of {runs}, engine={engine}: {wall:.1f} s, {used:.1f} CPU s; first word after {first:.1f} s")
            wall, used, _ = timed(command)
            print(f"again: {wall:.1f} s, {used:.1f} CPU s")


def configs(members: int, *words: str) -> list[dict[str, Any]]:
    """Configs of runs that differ in seed and smoothing."""
    from smoothlab.config.compose import compose_config, plain

    made = []
    for seed in range(members):
        epsilon = 0.01 * (seed % 20)
        own = [
            f"seed={seed}",
            "data.split_seed=0",
            "smoothing=standard",
            f"smoothing.strength.epsilon={epsilon}",
            *words,
        ]
        made.append({**plain(compose_config("train", [*RUN, *own])), "engine": "batched"})
    return made


def stack(members: int, rounds: int) -> None:
    """CPU time of nets that train as one, beside as many trainings one after the other in the same process."""
    import torch

    from smoothlab.training.job import run_job
    from smoothlab.training.stacked.job import run_stacked

    torch.set_num_threads(1)
    ratios = []
    values = configs(members, "trainer.max_epochs=20")
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            run_job({**values[0], "engine": "single"}, f"{folder}/warm")
            start = time.process_time()
            run_stacked([(of_run, f"{folder}/together{n}") for n, of_run in enumerate(values)])
            middle = time.process_time()
            for n, of_run in enumerate(values):
                run_job({**of_run, "engine": "single"}, f"{folder}/alone{n}")
            alone, together = time.process_time() - middle, middle - start
        ratios.append(together / alone)
        print(f"{members} nets of at most 20 epochs: as one {together:.1f} CPU s, one by one {alone:.1f} CPU s")
    print(f"ratio {statistics.median(ratios):.3f} (median of {rounds})")


def peers(members: int, rounds: int) -> None:
    """CPU time of the same nets, rows, batches and epochs in a plain vmap loop, and of RealMLPs of their width."""
    import torch

    from smoothlab.config.opening import open_data
    from smoothlab.training.stacked.job import run_stacked

    torch.set_num_threads(1)
    values = configs(members, "trainer.max_epochs=20", "callbacks.early_stopping=null")
    data: Any = open_data(values[0])
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            start = time.process_time()
            run_stacked([(of_run, f"{folder}/{n}") for n, of_run in enumerate(values)])
            print(f"smoothlab, {members} runs with all their files: {time.process_time() - start:.1f} CPU s")
        for count in (members, 1):
            start = time.process_time()
            plain_loop(data, count)
            used = time.process_time() - start
            print(f"plain vmap loop, {count} nets: {used:.2f} CPU s, {used / count:.3f} a net")
        try:
            from pytabkit import RealMLP_TD_S_Classifier as RealMLP
        except ImportError:
            print("pytabkit is not there")
            continue
        train, val = data.split("train"), data.split("val")
        for count in (members, 1):
            start = time.process_time()
            options = {"hidden_sizes": [64, 64, 64], "batch_size": 32, "n_epochs": 20, "n_threads": 1}
            model = RealMLP(device="cpu", random_state=0, n_cv=count, val_metric_name="cross_entropy", **options)
            model.fit(train.features.numpy(), train.labels.numpy(), val.features.numpy(), val.labels.numpy())
            used = time.process_time() - start
            print(f"pytabkit RealMLP_TD_S, {count} nets: {used:.2f} CPU s, {used / count:.3f} a net")


def plain_loop(data: Any, members: int, epochs: int = 20, batch: int = 32) -> None:
    """Nets over ``torch.func.vmap``, each with its own order and epsilon; validated each epoch, best weights kept."""
    import torch
    from torch.func import functional_call, stack_module_state

    from smoothlab.nets import MLP

    train, val = data.split("train"), data.split("val")
    nets = [MLP(train.features.shape[1], len(data.class_names), hidden=[64, 64, 64]) for _ in range(members)]
    weights, _ = stack_module_state(nets)
    run = torch.vmap(lambda own, features: functional_call(nets[0], own, (features,)))
    epsilon = 0.01 * (torch.arange(members) % 20).view(-1, 1)
    optimizer = torch.optim.AdamW(weights.values(), lr=1e-3, fused=True)
    best = torch.full((members,), float("inf"))
    best_weights = {name: weight.detach().clone() for name, weight in weights.items()}
    for _ in range(epochs):
        orders = torch.stack([torch.randperm(len(train)) for _ in range(members)])
        for positions in orders.split(batch, 1):
            log_p = torch.log_softmax(run(weights, train.features[positions]), -1)
            right = -log_p.gather(-1, train.labels[positions].unsqueeze(-1)).squeeze(-1)
            loss = ((1 - epsilon) * right - epsilon * log_p.mean(-1)).mean(1).sum()
            for weight, gradient in zip(
                weights.values(), torch.autograd.grad(loss, list(weights.values())), strict=True
            ):
                weight.grad = gradient.contiguous()
            optimizer.step()
        with torch.no_grad():
            log_p = torch.log_softmax(run(weights, val.features.expand(members, *val.features.shape)), -1)
            nll = -log_p.gather(-1, val.labels.expand(members, -1).unsqueeze(-1)).mean((1, 2))
            better = nll < best
            best = torch.minimum(nll, best)
            for name, weight in weights.items():
                best_weights[name][better] = weight.detach()[better]


def parts(members: int) -> None:
    """Where the time of a stack goes, in milliseconds a run."""
    import torch

    from smoothlab.training.stacked.job import run_stacked

    torch.set_num_threads(1)
    values = configs(members, "trainer.max_epochs=20")
    with tempfile.TemporaryDirectory() as folder:
        run_stacked([(of_run, f"{folder}/warm{n}") for n, of_run in enumerate(values[:2])])
        profile = cProfile.Profile(time.process_time)
        profile.enable()
        run_stacked([(of_run, f"{folder}/{n}") for n, of_run in enumerate(values)])
        profile.disable()
    entries = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    for what, name in PARTS.items():
        seconds = sum(entry[3] for key, entry in entries.items() if key[2] == name and "smoothlab" in key[0])
        print(f"{what:<28}{1e3 * seconds / members:8.1f} ms a run")


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--members", type=int)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--sweep", type=int)
    parser.add_argument("--parts", action="store_true")
    parser.add_argument("words", nargs="*", help="of another comparison, such as compare data=dry_bean budget=quick")
    options = parser.parse_args()
    if options.parts:
        parts(options.members or 16)
    elif options.peers:
        peers(options.members or 64, options.rounds)
    elif options.members:
        stack(options.members, options.rounds)
    elif options.sweep:
        sweep(options.sweep)
    else:
        comparison(options.words or MEDICAL, options.rounds)


if __name__ == "__main__":
    main()
