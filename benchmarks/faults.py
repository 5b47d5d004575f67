"""What happens to a user's mistakes and to damaged files: fuzzed command lines, mutated run directories.

python benchmarks/faults.py words 10000          command lines in one process: exit code, lines, what is left behind
python benchmarks/faults.py directories 2000     run directories with bits flipped, files cut off, values of other types
python benchmarks/faults.py kills 500            SIGKILL at a random change of the disk, then the same command again
python benchmarks/faults.py cuts 500             the power is cut there: what was not synced is gone; then the same

A case is bad where a command ends by a traceback, by another exit code than 0, 1 or 2, with more than one line on
standard error after exit 2, with files left behind after it, after more than 10 seconds of the processor (or 2 minutes
by the clock), or with other numbers and no word. After a kill or a cut it is bad where the command, given again, does
not end with the bytes of a run that nothing disturbed: metrics.csv, predictions, tables, results but for seconds and
machine, every tensor of both checkpoints; what a line said is lost is counted as such. The figures go to
benchmarks/results/faults.md.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
import io
import json
import math
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("WANDB_MODE", "disabled")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # of whose threads a fork would have none

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

from faulty_disk import CUT, KILL, KILL_ALL, STOP, Disk, case, run_command, undisturbed_disk
from undisturbed import differences

from smoothlab.commands.main import main as smoothlab
from smoothlab.config.compose import all_groups, compose_config
from smoothlab.errors import UserMistake

SLOW = 10.0  # seconds of the processor, whatever else it has to do
HUNG = 120.0  # seconds by the clock
ONE_EPOCH = ["trainer.max_epochs=1", "logger=csv", "progress=none", "figures=false", "threads=1"]


def call(words: list[str]) -> tuple[int | str, str, str, float]:
    """Exit code, or the exception that came through; standard output, standard error, seconds (infinite: it hung)."""
    out, err, start, clock = io.StringIO(), io.StringIO(), time.process_time(), time.monotonic()
    code: int | str
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = USES[words[0]](*words[1:]) if words[0] in USES else smoothlab(words)
        except BaseException as error:  # what a command lets through is what is looked for
            code = f"{type(error).__name__}: {error}"
    seconds = time.process_time() - start if time.monotonic() - clock < HUNG else float("inf")
    return code, out.getvalue(), err.getvalue(), seconds


def use_export(model: str, rows: str) -> int:
    """What somebody does with an exported model; prints its probabilities."""
    import pandas as pd

    from smoothlab.export import load

    try:
        print(load(model).predict(pd.read_csv(rows)).to_csv())
    except UserMistake as mistake:
        print(mistake, file=sys.stderr)
        return 2
    return 0


USES: dict[str, Callable[..., int]] = {"use an export of": use_export}


def judged(code: int | str, err: str, seconds: float, left: set[Path]) -> str:
    """A name for what was bad; empty where nothing was."""
    if code not in (0, 1, 2) or "Traceback" in err:
        return "traceback"
    if seconds > SLOW:
        return "slow"
    if code == 2 and len(err.strip().splitlines()) != 1:
        return "not one line"
    return "left behind" if code == 2 and left else ""


# Command lines


def values_of(draw: random.Random, options: list[str]) -> str:
    """A value as users, tired or hostile, type it."""
    plain = [
        "1",
        "0",
        "-1",
        "0.5",
        "1e400",
        "nan",
        "inf",
        "null",
        "true",
        "",
        "''",
        "abc",
        "größe",
        "a=b",
        "a[b",
        "[",
        "]",
        "{",
    ]
    nested = [
        "[1,2]",
        "[null]",
        "[a,null]",
        "{a:1}",
        "{}",
        "[]",
        "[[1]]",
        "{_target_:os.system}",
        "[{a:1}]",
        "1,2",
        "a,b,",
    ]
    names = ["${seed}", "${nowhere}", "${oc.env:HOME}", "${oc.env:NOWHERE}", "${hydra:nowhere}", "${name}", "${", "???"]
    paths = [
        "../x",
        "/proc/self/mem",
        "/dev/null",
        "~/x",
        "'~/x'",
        "'$HOME/x'",
        "nowhere.csv",
        ".",
        "a" * 300,
        "'a\tb'",
    ]
    targets = ["os.system", "torch.load", "torch.nn.Linear", "smoothlab.nets.MLP", "smoothlab.nets", "a.b", "3", "."]
    ranges = ["range(1,3)", "interval(0,1)", "choice(1,2)", "glob(*)", "shuffle(1,2)", "int(a)", "str(1)", "tag(a,1)"]
    return draw.choice([*plain, *nested, *names, *paths, *targets, *ranges, *options])


def command_lines(draw: random.Random, count: int) -> Iterator[list[str]]:
    """Commands with one to three overrides; keys and options of the config, some misspelt."""
    groups = all_groups()
    configs = {
        name: compose_config(name, []) for name in ("train", "compare", "inspect", "evaluate", "predict", "export")
    }
    keys = {name: list(leaves(config)) for name, config in configs.items()}
    options = sorted({option for values in groups.values() for option in values})
    for _ in range(count):
        name = draw.choice(["train"] * 6 + list(configs))
        words = []
        for _ in range(draw.choice([1, 1, 1, 2, 3])):
            key = draw.choice([draw.choice(keys[name]), draw.choice(keys[name]), draw.choice(sorted(groups))])
            if draw.random() < 0.1:
                at = draw.randrange(len(key))
                key = key[:at] + draw.choice(["", "x", ".", "/", "@", "=", " ", "é"]) + key[at + 1 :]
            sign = draw.choice([""] * 8 + ["+", "++", "~", "--"])
            words.append(f"{sign}{key}={values_of(draw, options)}" if draw.random() < 0.97 else f"{sign}{key}")
        if draw.random() < 0.1:
            words.insert(0, draw.choice(["-m", "--cfg", "--help", "--config-dir", "-x", "--resolve", "--info", "-"]))
        yield [name, *words]


def leaves(config: object, at: str = "") -> Iterator[str]:
    """Dotted keys of a config, Hydra's own too."""
    from omegaconf import DictConfig

    assert isinstance(config, DictConfig)
    for key in config:
        node, name = config._get_node(key), f"{at}.{key!s}" if at else str(key)
        yield name
        if isinstance(node, DictConfig) and not node._is_none() and not node._is_missing():
            yield from leaves(node, name)


def words(count: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Fuzz command lines; nothing is trained, since the last word, always there, is a mistake of its own."""
    draw, outcomes, bad = random.Random(seed), Counter[str](), []
    importlib.import_module("smoothlab.training.preparing")  # what each process imports once is no line's time
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for line in command_lines(draw, count):
            last = {
                "train": ["trainer.max_epochs=0"],
                "compare": ["budget=nowhere"],
                "inspect": ["trainer.max_epochs=0"],
            }
            code, _, err, seconds = call([*line, *last.get(line[0], [])])
            left = set(Path().iterdir())
            what = judged(code, err, seconds, left)
            outcomes[what or f"exit {code}"] += 1
            if what:
                bad.append(f"{what}: {' '.join(line)!r} -> {code} {err.strip()[-300:]!r} {seconds:.0f} s")
            for path in left:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    return outcomes, bad


# Run directories


def mutate_bits(content: bytes, draw: random.Random) -> bytes:
    """One to eight bits flipped."""
    changed = bytearray(content)
    for _ in range(draw.randint(1, 8)):
        if changed:
            changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def mutate_length(content: bytes, draw: random.Random) -> bytes:
    """Cut off, emptied, or lengthened."""
    cut = content[: draw.randrange(len(content) + 1)]
    return draw.choice([cut, cut, b"", b"\0" * len(content), content + b"\xff\xfe", content * 2])


def mutate_values(content: bytes, draw: random.Random) -> bytes:
    """Another type in place of a number or a word of a text file."""
    text = content.decode("latin-1")
    spots = list(re.finditer(r"-?\d+(\.\d+)?|\b[a-z_]{3,}\b", text))
    if not spots:
        return mutate_bits(content, draw)
    spot = draw.choice(spots)
    value = draw.choice(
        ["null", "[]", "{}", '"x"', "-1", "1e999", "Infinity", "NaN", "[" * 10_000, "*a", "true", "9" * 400]
    )
    return (text[: spot.start()] + value + text[spot.end() :]).encode("latin-1")


MUTATIONS: list[Callable[[bytes, random.Random], bytes]] = [mutate_bits, mutate_length, mutate_values]


def numbers_of(name: str, out: str) -> object:
    """The numbers that a command gave, where it gave some."""
    if name in ("predict", "predict of an ensemble"):
        return Path("predicted.csv").read_text()
    if name == "report":
        return json.loads(Path("page/report.json").read_text())["table"]
    if name == "status":
        return {row["directory"]: row["objective"] for row in json.loads(out) if row["objective"] is not None}
    return out if name in ("evaluate", "use an export", "use an ONNX export") else None


def changed(name: str, before: object, now: object, output: str) -> bool:
    """Whether numbers are others than before, and nothing that was said tells so."""
    if name == "status" and isinstance(before, dict) and isinstance(now, dict):  # what is not shown is not changed
        return any(now[run] != before.get(run) for run in now)
    return now != before and not re.search(
        "left out|not what was written|damaged|differ|unreadable", output, re.IGNORECASE
    )


def directories(count: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Mutate one file of a sweep of two runs, an ensemble or an export, then give it to every command that reads it."""
    draw, outcomes, bad = random.Random(seed), Counter[str](), []
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        sweep = ["train", "-m", "seed=0,1", "hydra.launcher.name=two", "calibrator=temperature", *ONE_EPOCH]
        assert call(sweep)[0] == 0
        place = Path("outputs/sweeps/medical/two")
        run, other = sorted(path.parent for path in place.glob("*/results.json"))
        rows = Path("rows.csv")
        rows.write_text(breast_cancer_rows())
        assert call(["ensemble", f"runs=['{run}','{other}']", "output=outputs/both"])[0] == 0
        for kind in ("torch", "onnx"):
            assert call(["export", f"run='{run}'", "output=outputs/exported", f"format={kind}"])[0] == 0
        shutil.copytree("outputs", "whole")
        to_predict = [f"input={rows}", "output=predicted.csv"]
        commands = {
            "evaluate": ["evaluate", f"run='{run}'"],
            "predict": ["predict", f"run='{run}'", *to_predict, "conformal=aps"],
            "export": ["export", f"run='{run}'", "output=exported", "format=torch"],
            "report": ["report", str(place), "--out", "page"],
            "status": ["sweep", "status", str(place), "--json"],
            "resume": [*sweep, "resume=auto"],
            "ensemble": ["ensemble", f"runs=['{run}','{other}']", "output=ensemble"],
            "predict of an ensemble": ["predict", "run=outputs/both", *to_predict],
            "use an export": ["use an export of", "outputs/exported/model.pt2", str(rows)],
            "use an ONNX export": ["use an export of", "outputs/exported/model.onnx", str(rows)],
        }
        of_others = {"exported": ["use an export", "use an ONNX export"], "both": ["predict of an ensemble"]}
        of_run = [name for name in commands if not name.startswith("use")]
        before = {}
        for name, command in commands.items():
            code, out, err, _ = call(command)
            assert code == 0, (name, err)
            before[name] = numbers_of(name, out)
            tidy()
        files = [file for file in sorted(run.rglob("*")) if file.is_file() and file.suffix not in (".png", ".lock")]
        files += [file for file in place.iterdir() if file.is_file() and file.name != ".lock"]
        files += [file for name in of_others for file in Path("outputs", name).rglob("*") if file.is_file()]
        for _ in range(count):
            file, mutate = draw.choice(files), draw.choice(MUTATIONS)
            name = draw.choice(of_others.get(file.parts[1], of_run))
            content = file.read_bytes()
            file.write_bytes(mutate(content, draw))
            code, out, err, seconds = call(commands[name])
            what = judged(code, err, seconds, set())
            if not what and code == 0:
                page = Path("page/report.html")
                output = out + err + (page.read_text() if page.is_file() else "")
                if changed(name, before[name], numbers_of(name, out), output):
                    what = "other numbers, no word"
            outcomes[what or f"exit {code}"] += 1
            if what:
                where = f"{name}, {mutate.__name__} of {file.relative_to('outputs')}"
                bad.append(f"{what}: {where} -> {code} {err.strip()[-300:]!r} {seconds:.0f} s")
            tidy()
    return outcomes, bad


def tidy() -> None:
    """Put everything back as it was."""
    shutil.rmtree("outputs")
    shutil.copytree("whole", "outputs")
    for name in ("page", "exported", "ensemble"):
        shutil.rmtree(name, ignore_errors=True)
    Path("predicted.csv").unlink(missing_ok=True)


def breast_cancer_rows() -> str:
    """Five raw rows of the default data set, as a CSV."""
    from sklearn.datasets import load_breast_cancer

    return str(load_breast_cancer(as_frame=True).data.head(5).to_csv(index=False))


# Kills and power cuts

TINY = ["trainer.max_epochs=2", "logger=csv", "progress=none", "figures=false", "threads=1", "net.dropout=0.3"]
TINY += ["scheduler=cosine"]
COMMANDS = {  # words, and how many of a hundred cases
    "train": (["train", *TINY, "resume=auto"], 50),
    "sweep": (["train", "-m", "seed=0,1", "hydra.launcher.name=two", *TINY], 30),
    "calibrate": (["train", *TINY, "calibrator=temperature", "resume=auto"], 8),
    "ranks": (["train", *TINY, "trainer=ddp_cpu", "resume=auto"], 6),
    "compare": (["compare", *TINY[:1], *TINY[2:3], "logger=csv", "threads=1", "take=[standard]", "seeds=2"], 6),
}


def kills(
    count: int, seed: int, seconds: float = math.inf, command: str | None = None
) -> tuple[Counter[str], list[str]]:
    """A signal at a random change of the disk.

    SIGKILL to the process that makes it, or to the command with all of its processes, or SIGTERM to the command.
    """
    return _disturbed(count, seed, seconds, command, cut=False)


def cuts(
    count: int, seed: int, seconds: float = math.inf, command: str | None = None
) -> tuple[Counter[str], list[str]]:
    """Cut the power at a random change of the disk."""
    return _disturbed(count, seed, seconds, command, cut=True)


def _disturbed(
    count: int, seed: int, seconds: float, command: str | None, *, cut: bool
) -> tuple[Counter[str], list[str]]:
    _warm_up()
    draw, outcomes, bad = random.Random(seed), Counter[str](), []
    names = [name for name, (_, share) in COMMANDS.items() for _ in range(share) if command in (None, name)]
    chosen = [draw.choice(names) for _ in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        changes: dict[str, int] = {}
        for name in sorted(set(chosen)):
            changes[name] = undisturbed_disk(COMMANDS[name][0], Path(folder) / "whole" / name).changes
        started = time.monotonic()
        for number, name in enumerate(chosen):
            if time.monotonic() - started > seconds:
                break
            fault = CUT if cut else draw.choice([KILL, KILL_ALL, STOP])
            with case(Path(folder) / str(number)) as disk:
                disk.at, disk.fault, disk.seed = draw.randint(1, changes[name]), fault, draw.randrange(2**32)
                what = disturbed_case(name, disk, Path(folder) / "whole" / name / "work", draw)
            kind = what.split(": ")[0]
            outcomes[f"{name}: {kind}"] += 1
            if kind not in ("the same", "lost, and said", "ended before it"):
                bad.append(f"{number}: {name}, {fault} at {disk.at} of {changes[name]}: {what}")
    return outcomes, bad


def disturbed_case(name: str, disk: Disk, whole: Path, draw: random.Random) -> str:
    """Disturb a command, give it again, and compare; a name for what came, with the reason after a colon."""
    words, log = COMMANDS[name][0], disk.root.parent / "log"
    run_command(words, disk.root, log, disk)
    if not (where := disk.failed):
        return "ended before it"
    lost = disk.cut(draw) if disk.fault == CUT else []
    if "Traceback" in log.read_text():
        return f"traceback: at {where}: {log.read_text()[-300:]!r}"
    code = run_command(words, disk.root, log)
    output = log.read_text()
    if "Traceback" in output or code not in (0, 2):
        return f"not resumed: at {where}: exit {code} {output.strip()[-600:]!r}; lost {lost}"
    others = differences(whole, disk.root)
    if code == 2:
        return (
            f"lost, and said: {output.strip()}"
            if len(output.strip().splitlines()) == 1
            else f"not one line: {output!r}"
        )
    return f"other bytes: at {where}: {others}; lost {lost}" if others else "the same"


def _warm_up() -> None:
    """Import what a command does, and compose once what every case composes again."""
    import importlib

    from smoothlab.commands import compare, train
    from smoothlab.processes.server import PRELOAD

    for module in PRELOAD:
        importlib.import_module(module)
    composed = functools.cache(lambda name, words: compose_config(name, list(words)))
    for command in (train, compare):
        command.compose_config = lambda name, words=(): composed(name, tuple(words)).copy()  # type: ignore[attr-defined]
    for name in ("train", "calibrate", "ranks"):
        composed("train", tuple(COMMANDS[name][0][1:]))


def main() -> None:
    """Run one kind of fault, print what was found, and the first bad cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["words", "directories", "kills", "cuts"])
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--command", choices=COMMANDS, help="of kills and cuts: this one alone")
    parser.add_argument("--seconds", type=float, default=math.inf, help="of kills and cuts: start no case after these")
    options = parser.parse_args()
    disturbing = {
        name: functools.partial(mode, seconds=options.seconds, command=options.command)
        for name, mode in (("kills", kills), ("cuts", cuts))
    }
    outcomes, bad = ({"words": words, "directories": directories} | disturbing)[options.kind](
        options.count, options.seed
    )
    print("\n".join(bad), file=sys.stderr)
    print(
        json.dumps(
            {
                "kind": options.kind,
                "count": sum(outcomes.values()),
                "seed": options.seed,
                **dict(sorted(outcomes.items())),
            }
        )
    )


if __name__ == "__main__":
    main()
