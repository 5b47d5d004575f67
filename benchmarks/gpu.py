"""Everything that a GPU is to show, on any CUDA machine in about ten minutes; writes results/gpu.md and gpu.json.

    python benchmarks/gpu.py                          all parts
    python benchmarks/gpu.py --parts losses,ranks     some of them
    python benchmarks/gpu.py --device cpu --tiny      the kit itself, where there is no GPU; writes with --output alone

Each part is a process of its own with a limit of time; what was measured within it stands. What fails, is missing or
takes too long is a line of the page with its reason. Times are of CUDA events, forward and backward, medians; ratios
are to F.cross_entropy on the same logits. Memory is the growth of the peak of torch's allocator over a step, in
multiples of the logits, whose gradient (1.0) every way leaves. Peers that are not installed are said so.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smoothlab import SoftTarget, linear_soft_cross_entropy, soft_cross_entropy
from smoothlab.targets import PerClass, PerSample

RESULTS = Path(__file__).resolve().parent / "results" / "gpu"
EPSILON = 0.1
CLASSES = (10, 100, 1000, 8000, 32000, 128000)
ELEMENTS, TINY_ELEMENTS = 2**26, 2**12  # of the logits
MATRIX_CLASSES = 8000  # a (K, K) prior beyond is larger than the logits
HIDDEN = 512  # of the large-vocabulary loss
BASE = "cross-entropy"
Way = Callable[[], Tensor]
SECONDS = {"losses": 180, "vocabulary": 90, "loop": 120, "ranks": 90, "fsdp": 60, "translation": 120}


class Missing(Exception):
    """A peer, or a device, that is not here."""


def rows_of(classes: int, tiny: bool) -> int:
    """Rows of logits of about one size for each number of classes."""
    return max(8, min(65536, (TINY_ELEMENTS if tiny else ELEMENTS) // classes))


def plain(z: Tensor, y: Tensor) -> Tensor:
    """The formula as anybody would write it, for torch.compile."""
    log_p = F.log_softmax(z.float(), -1)
    label = log_p.gather(1, y.unsqueeze(1)).squeeze(1)
    return -((1 - EPSILON) * label + EPSILON * log_p.mean(-1)).mean()


@functools.cache
def compiled() -> Any:
    """The plain formula by torch.compile, for each shape anew."""
    return torch.compile(plain, dynamic=False)


def liger(name: str) -> Any:
    """A function of liger-kernel.

    Raises:
        Missing: it is not installed, or not for this device.
    """
    try:
        from liger_kernel.transformers import functional
    except (ImportError, RuntimeError) as error:
        raise Missing(f"liger-kernel: {error}") from None
    return getattr(functional, name)


def loss_ways(classes: int, device: str, dtype: torch.dtype, tiny: bool) -> tuple[Tensor, dict[str, Way | Missing]]:
    """Logits, and every way to a loss on them, the first being what all are compared with."""
    generator = torch.Generator(device).manual_seed(0)
    rows = rows_of(classes, tiny)
    z = torch.randn(rows, classes, device=device, dtype=dtype, generator=generator).requires_grad_()
    y = torch.randint(0, classes, (rows,), device=device, generator=generator)
    vector = torch.rand(classes, device=device, generator=generator)
    epsilons = torch.rand(rows, device=device, generator=generator) * 2 * EPSILON

    def ours(prior: Any = None, base: Tensor = y, epsilon: float | Tensor = EPSILON) -> Way:
        return lambda: soft_cross_entropy(z, SoftTarget(base, epsilon, prior))

    ways: dict[str, Way | Missing] = {
        BASE: lambda: F.cross_entropy(z, y),
        "uniform": ours(),
        "exclusive": ours("exclusive"),
        "vector": ours(vector / vector.sum()),
        "by sample": ours(epsilon=epsilons),
        "torch smoothing": lambda: F.cross_entropy(z, y, label_smoothing=EPSILON),
        "plain, compiled": lambda: compiled()(z, y),
    }
    if classes <= MATRIX_CLASSES:
        rows_prior = torch.rand(rows, classes, device=device, generator=generator).softmax(1)
        matrix = torch.rand(classes, classes, device=device, generator=generator).softmax(1)
        ways |= {"matrix": ours(PerClass(matrix)), "rows": ours(PerSample(rows_prior)), "votes": ours(base=rows_prior)}
    try:
        function = liger("liger_cross_entropy")
        ways["Liger"] = lambda: function(z, y, label_smoothing=EPSILON)
    except Missing as missing:
        ways["Liger"] = missing
    return z, ways


def vocabulary_ways(classes: int, device: str, dtype: torch.dtype, tiny: bool) -> tuple[list[Tensor], dict[str, Any]]:
    """Hidden rows and weight, and every way to the loss of the logits that they make."""
    generator = torch.Generator(device).manual_seed(0)
    rows, size = (16, 8) if tiny else (4096, HIDDEN)
    hidden = torch.randn(rows, size, device=device, dtype=dtype, generator=generator).requires_grad_()
    weight = torch.randn(classes, size, device=device, dtype=dtype, generator=generator) * size**-0.5
    weight = weight.detach().requires_grad_()
    y = torch.randint(0, classes, (rows,), device=device, generator=generator)
    target = SoftTarget(y, EPSILON)
    ways: dict[str, Any] = {
        BASE: lambda: F.cross_entropy(F.linear(hidden, weight), y),
        "ours, fused": lambda: linear_soft_cross_entropy(hidden, weight, None, target),
        "linear + ours": lambda: soft_cross_entropy(F.linear(hidden, weight), target),
        "linear + torch smoothing": lambda: F.cross_entropy(F.linear(hidden, weight), y, label_smoothing=EPSILON),
        "torch fused, no smoothing": lambda: F.linear_cross_entropy(hidden, weight, y),
    }
    try:
        function = liger("liger_fused_linear_cross_entropy")
        ways["Liger fused"] = lambda: function(hidden, weight, y, label_smoothing=EPSILON)
    except Missing as missing:
        ways["Liger fused"] = missing
    return [hidden, weight], ways


def step(leaves: Sequence[Tensor], way: Way) -> None:
    """Forward and backward."""
    for leaf in leaves:
        leaf.grad = None
    way().backward()


def milliseconds(leaves: Sequence[Tensor], way: Way, rounds: int) -> float:
    """Median time of a step, after some that warm up."""
    on_gpu = leaves[0].is_cuda
    for _ in range(2):
        step(leaves, way)
    times = []
    for _ in range(rounds):
        if on_gpu:
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            step(leaves, way)
            end.record()
            torch.cuda.synchronize()
            times.append(begin.elapsed_time(end))
        else:
            started = time.perf_counter()
            step(leaves, way)
            times.append((time.perf_counter() - started) * 1000)
    return float(statistics.median(times))


def peak_growth(leaves: Sequence[Tensor], way: Way, logits_bytes: int) -> float | None:
    """Growth of the allocator's peak over a step, in multiples of the logits; None without a GPU."""
    if not leaves[0].is_cuda:
        return None
    for leaf in leaves:
        leaf.grad = None
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    step(leaves, way)
    torch.cuda.synchronize()
    return float((torch.cuda.max_memory_allocated() - before) / logits_bytes)


def side_by_side(leaves: Sequence[Tensor], ways: dict[str, Any], logits_bytes: int, rounds: int) -> dict[str, Any]:
    """Milliseconds and memory of each way, or why it has none."""
    results: dict[str, Any] = {}
    for name, way in ways.items():
        try:
            if isinstance(way, Missing):
                raise way
            results[name] = {
                "ms": milliseconds(leaves, way, rounds),
                "memory": peak_growth(leaves, way, logits_bytes),
            }
        except Exception as error:  # out of memory, no compiler, no such call: the others go on
            results[name] = {"why": (str(error).strip().splitlines() or [type(error).__name__])[0][:120]}
            if leaves[0].is_cuda:
                torch.cuda.empty_cache()
    return results


def measured_losses(device: str, tiny: bool) -> Iterator[dict[str, Any]]:
    """Every loss at every number of classes."""
    for dtype in (torch.float32, torch.bfloat16):
        for classes in CLASSES[:2] if tiny else CLASSES:
            z, ways = loss_ways(classes, device, dtype, tiny)
            if tiny:
                ways.pop("plain, compiled")  # a minute of compiling
            sides = side_by_side([z], ways, z.numel() * z.element_size(), 2 if tiny else 20)
            yield {"dtype": str(dtype).split(".")[1], "shape": list(z.shape), "ways": sides}
            del z, ways


def measured_vocabulary(device: str, tiny: bool) -> Iterator[dict[str, Any]]:
    """The loss of a linear layer's outputs."""
    for dtype in (torch.float32, torch.bfloat16):
        for classes in (64,) if tiny else (32000, 128000):
            leaves, ways = vocabulary_ways(classes, device, dtype, tiny)
            rows = leaves[0].shape[0]
            sides = side_by_side(leaves, ways, rows * classes * leaves[0].element_size(), 2 if tiny else 10)
            yield {"dtype": str(dtype).split(".")[1], "shape": [rows, classes], "ways": sides}
            del leaves, ways


def trained(words: Sequence[str], folder: str) -> dict[str, Any]:
    """Fit seconds, test NLL and accuracy of ``smoothlab train``, or its last line."""
    command = [sys.executable, "-m", "smoothlab", "train", *words, f"hydra.run.dir={folder}", "logger=none"]
    done = subprocess.run([*command, "progress=none", "figures=false"], capture_output=True, text=True)
    if done.returncode:
        return {"why": (done.stderr.strip().splitlines() or ["no word"])[-1][-160:]}
    results = json.loads(Path(folder, "results.json").read_text())
    test = results["metrics"]["test"]
    return {
        "seconds": results["seconds"]["fit"],
        "epochs": results["epochs"],
        **{k: test.get(k) for k in ("nll", "bleu")},
    }


def measured_loop(device: str, tiny: bool) -> Iterator[dict[str, Any]]:
    """The whole training: a table's net and an image net, in 32 bit and bf16, against the CPU; four runs at a time."""
    epochs = 1 if tiny else 5
    gpu = "gpu" if device == "cuda" else "cpu"
    table = ["data=synthetic_medical", f"data.rows={200 if tiny else 100_000}", "data.batch_size=1024"]
    cases = {
        "table, CPU": [*table, "trainer=cpu"],
        "table, device": [*table, f"trainer={gpu}"],
        "table, device, bf16-mixed": [*table, f"trainer={gpu}", "trainer.precision=bf16-mixed"],
        "table, device, compile": [*table, f"trainer={gpu}", "compile=true"],
    }
    if tiny:
        cases = {"table, device": cases["table, device"]}
    with tempfile.TemporaryDirectory() as folder:
        for place, (name, words) in enumerate(cases.items()):
            yield {"case": name, **trained([*words, f"trainer.max_epochs={epochs}"], f"{folder}/{place}")}
        sweep = [*table, f"trainer={gpu}", f"trainer.max_epochs={epochs}", "seed=0,1", "hydra.launcher.n_jobs=2"]
        for engine in ("single", "batched"):  # nets on a GPU do not stack: the second says what that costs
            words = ["train", "-m", *sweep, f"engine={engine}", f"hydra.sweep.dir={folder}/{engine}", "logger=none"]
            started = time.perf_counter()
            done = subprocess.run([sys.executable, "-m", "smoothlab", *words], capture_output=True, text=True)
            why = {"why": done.stderr.strip().splitlines()[-1][-160:]} if done.returncode else {}
            yield {"case": f"2 runs, engine={engine}", "seconds": time.perf_counter() - started, **why}


def _rank(rank: int, backend: str, device: str, meeting: str, answer: str) -> None:
    """One of two ranks: a step of DDP on half a batch; rank 0 says how far its gradient is from the whole batch's."""
    torch.distributed.init_process_group(backend, init_method=f"file://{meeting}", rank=rank, world_size=2)
    net, x, y = _problem(device)
    wrapped = nn.parallel.DistributedDataParallel(net)
    half = slice(rank * 32, rank * 32 + 32)
    soft_cross_entropy(wrapped(x[half]), SoftTarget(y[half], EPSILON)).backward()
    if rank == 0:
        alone, _, _ = _problem(device)
        soft_cross_entropy(alone(x), SoftTarget(y, EPSILON)).backward()
        pairs = zip(net.parameters(), alone.parameters(), strict=True)
        Path(answer).write_text(str(max(float((a.grad - b.grad).abs().max()) for a, b in pairs)))  # type: ignore[operator]
    torch.distributed.destroy_process_group()


def _problem(device: str) -> tuple[nn.Module, Tensor, Tensor]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 10))
    return net.to(device), torch.randn(64, 20).to(device), torch.randint(0, 10, (64,)).to(device)


def measured_ranks(device: str, tiny: bool) -> Iterator[dict[str, Any]]:
    """Two processes on one device, with gloo, and with NCCL, which needs a GPU each."""
    for backend in ("gloo", "nccl") if device == "cuda" else ("gloo",):
        case = f"two processes on one device, {backend}"
        with tempfile.TemporaryDirectory() as folder:
            answer = Path(folder, "answer")
            arguments = (backend, device, f"{folder}/meeting", str(answer))
            try:
                torch.multiprocessing.spawn(_rank, arguments, nprocs=2)
                yield {"case": case, "largest difference": float(answer.read_text())}
            except Exception as problem:
                lines = [line for line in str(problem).splitlines() if line.strip()]
                yield {"case": case, "why": lines[-1][-160:] if lines else type(problem).__name__}


def measured_fsdp(device: str, tiny: bool) -> Iterator[dict[str, Any]]:
    """FSDP on one rank, by the command."""
    words = ["data=synthetic_medical", "trainer=fsdp", "trainer.devices=1", f"trainer.max_epochs={1 if tiny else 3}"]
    with tempfile.TemporaryDirectory() as folder:
        yield {"case": "trainer=fsdp, one rank", **trained(words, f"{folder}/run")}


def measured_translation(device: str, tiny: bool) -> Iterator[dict[str, Any]]:
    """Multi30k for as long as the time allows."""
    words = ["experiment=translation/multi30k", f"trainer={'gpu' if device == 'cuda' else 'cpu'}"]
    seconds = 1 if tiny else SECONDS["translation"] // 2
    words.append(f"+trainer.max_time=00:00:{seconds // 60:02}:{seconds % 60:02}")
    with tempfile.TemporaryDirectory() as folder:
        yield {"case": f"Multi30k, {seconds} s", **trained(words, f"{folder}/run")}


PARTS: dict[str, Callable[[str, bool], Iterator[dict[str, Any]]]] = {
    "losses": measured_losses,
    "vocabulary": measured_vocabulary,
    "loop": measured_loop,
    "ranks": measured_ranks,
    "fsdp": measured_fsdp,
    "translation": measured_translation,
}


def in_time(part: str, device: str, tiny: bool) -> list[dict[str, Any]]:
    """A part in a process of its own, which writes a line for each thing that it has measured."""
    command = [sys.executable, str(Path(__file__).resolve()), "--parts", part, "--device", device, "--inside"]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        why = ""
        try:
            arguments = [*command, *(["--tiny"] if tiny else [])]
            if subprocess.run(arguments, stdout=out, stderr=errors, timeout=SECONDS[part]).returncode:
                errors.seek(0)
                why = (errors.read().strip().splitlines() or ["no word"])[-1][-200:]
        except subprocess.TimeoutExpired:
            why = f"the rest was not over within {SECONDS[part]} s"
        out.seek(0)
        record: list[dict[str, Any]] = [json.loads(line) for line in out.read().splitlines() if line.startswith("{")]
    return [*record, {"case": part, "why": why}] if why else record


def page(record: dict[str, Any]) -> str:
    """The results in Markdown."""
    lines = ["# On a GPU", ""]
    if record["device"] is None:
        return "\n".join([*lines, NOT_MEASURED]) + "\n"
    lines += [f"{record['device']}; torch {record['torch']}, Python {platform.python_version()}.", ""]
    for part, rows in record["parts"].items():
        lines += [f"## {HEADINGS[part]}", "", *_loss_tables(rows), *_list(rows), ""]
    return "\n".join(lines)


HEADINGS = {
    "losses": "Losses on given logits",
    "vocabulary": "Losses of a linear layer's outputs",
    "loop": "The whole training",
    "ranks": "Two processes on one device",
    "fsdp": "FSDP",
    "translation": "Translation",
}
NOT_MEASURED = """\
Not measured: no GPU was at hand. `make gpu` runs the tests marked `gpu` and `benchmarks/gpu.py` on any machine with
CUDA, in about ten minutes, and writes this page: losses (forward and backward, every prior, float32 and bf16, memory)
against F.cross_entropy, torch.compile of the plain formula and Liger at K from 10 to 128,000; the fused loss of large
vocabularies; the whole training in 32 bit, bf16 and compiled; two processes on one GPU with gloo and NCCL; FSDP on one
rank; Multi30k with BLEU for a minute.

The kit itself was tried on the CPU with tiny sizes and gloo (`make gpu SMOOTHLAB_GPU=cpu`); `tests/test_gpu_kit.py`
tests what it writes. There is no Triton kernel of smoothlab's: on CUDA the losses take the path that they took before,
and nothing is claimed about its speed there."""


def _loss_tables(rows: list[dict[str, Any]]) -> list[str]:
    """Times and memory, a line a shape."""
    rows = [row for row in rows if "ways" in row]
    if not rows:
        return []
    names = list(dict.fromkeys(name for row in rows for name in row["ways"]))
    lines = []
    for what, digits in (("ms", 2), ("memory", 2)):
        title = f"{BASE}, ms, then ratios of time" if what == "ms" else "memory, in multiples of the logits"
        lines += [f"{title}:", "", f"| dtype | shape | {' | '.join(names)} |", f"|{'---|' * (len(names) + 2)}"]
        for row in rows:
            base = row["ways"][BASE].get("ms", math.nan)
            cells = []
            for name in names:
                value = row["ways"].get(name, {}).get(what)
                scale = base if what == "ms" and name != BASE else 1.0
                cells.append("-" if value is None else f"{value / scale:.{digits}f}")
            lines.append(f"| {row['dtype']} | {tuple(row['shape'])} | {' | '.join(cells)} |")
        lines.append("")
    reasons = {f"{name}: {way['why']}" for row in rows for name, way in row["ways"].items() if "why" in way}
    return [*lines, *(f"- {reason}" for reason in sorted(reasons))]


def _list(rows: list[dict[str, Any]]) -> list[str]:
    """A line a case."""
    lines = []
    for row in [row for row in rows if "case" in row]:
        values = [f"{k} {v:.4g}" for k, v in row.items() if isinstance(v, int | float)]
        lines.append(
            f"- {row['case']}: {', '.join(values) or 'not measured'}{'; ' + row['why'] if 'why' in row else ''}"
        )
    return lines


def device_name(device: str) -> str | None:
    """What is measured; None where there is no such device."""
    if device == "cpu":
        return f"the CPU ({os.cpu_count()} cores), to try the kit"
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--tiny", action="store_true", help="sizes to try the kit with")
    parser.add_argument("--output", type=Path, help="without its ending")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args(words)
    parts = asked.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; parts: {', '.join(PARTS)}")
    if asked.inside:
        for row in PARTS[parts[0]](asked.device, asked.tiny):
            print(json.dumps(row), flush=True)
        return
    name = device_name(asked.device)
    record: dict[str, Any] = {"device": name, "torch": torch.__version__, "parts": {}}
    for part in parts if name is not None else ():
        print(part, flush=True)
        record["parts"][part] = in_time(part, asked.device, asked.tiny)
    text = page(record)
    output = asked.output or (RESULTS if asked.device == "cuda" else None)
    if output is not None:
        output.with_suffix(".md").write_text(text)
        if name is not None:
            output.with_suffix(".json").write_text(json.dumps(record, indent=1))
    print(text)


if __name__ == "__main__":
    main()
