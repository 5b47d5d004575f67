"""Known findings about label smoothing, tried again: sweeps of `smoothlab train`, and tables of what came out.

    python benchmarks/findings.py run overfitted clean ...     # trains what is not there yet, below build/findings
    python benchmarks/findings.py table                        # the tables, for docs/findings.md

Every number is the mean over seeds and, after the sign, its standard error. Temperatures and the p of the logit norm
are chosen on validation predictions. `dry_bean` is fetched once, or read from SMOOTHLAB_DATA_MIRROR.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml

from smoothlab.calibration import LogitNormalisation, Temperature
from smoothlab.metrics import aurc, classification_metrics
from smoothlab.sweeps.ledger import Ledger

FOLDER = Path("build/findings")
RESULTS = Path("benchmarks/results/findings.md")
PAGE = Path("docs/findings.md")
FIGURES = Path("docs/figures")
DIAGRAMS = {0.0: "over_confident", 0.05: "well_calibrated", 0.4: "under_confident"}  # of the overfitted nets, seed 0
SHOWN = ("nll", "accuracy", "ece", "confidence_gap", "aurc")


@dataclass(frozen=True)
class Finding:
    """A sweep, and how its runs are told.

    Args:
        command: what a user types; the sweep's folder is added.
        by: overrides whose values name the rows of the table.
        columns: what is shown.
        after: a second sweep, made from the directories of the first.
        of: the finding whose runs these are, where they are not its own.
    """

    command: str
    by: tuple[str, ...]
    columns: tuple[str, ...]
    after: Callable[[Path], list[list[str]]] | None = None
    of: str | None = None


STRENGTHS = "smoothing=standard smoothing.strength.epsilon=0.0,0.05,0.1,0.2,0.4"
EPSILON = "smoothing.strength.epsilon"
# All epochs, and the checkpoint of the best accuracy, as is usual where nobody looks at probabilities.
LONG = "callbacks=none callbacks.best_checkpoint.monitor=val/accuracy callbacks.best_checkpoint.mode=max"
SEEDS = "seed=0,1,2,3,4"


def students(teachers: Path) -> list[list[str]]:
    """A small student of each teacher."""
    made = []
    for entry in Ledger.read(teachers).entries:
        options = dict(word.split("=", 1) for word in entry.overrides)
        made.append(
            shlex.split(
                f"smoothlab train experiment=retail {DISTILLED} smoothing=teacher net.hidden=[16] "
                f"seed={options['seed']} "
                f"smoothing/strength=constant smoothing.strength.epsilon=0.9 "
                f"\"smoothing.prior.net.path='{teachers / entry.directory}'\""
            )
        )
    return made


BEANS = (
    f"smoothlab train -m experiment=agriculture/dry_bean net.hidden=[256,256] {LONG} logger=csv {STRENGTHS} seed=0,1,2"
)
DISTILLED = "data.rows=4000 trainer.max_epochs=60 logger=csv"
FINDINGS = {
    "overfitted": Finding(
        f"smoothlab train -m experiment=retail data.rows=2000 net.hidden=[256,256] {LONG} logger=csv {STRENGTHS} "
        f"{SEEDS}",
        (EPSILON,),
        ("nll", "accuracy", "ece", "confidence_gap", "nll (scaled)", "ece (scaled)"),
    ),
    "beans": Finding(
        BEANS,
        (EPSILON,),
        ("nll", "accuracy", "ece", "confidence_gap", "nll (scaled)", "ece (scaled)"),
    ),
    "clean": Finding(
        f"smoothlab train -m experiment=retail data.domain.separation=6 logger=csv {STRENGTHS} {SEEDS}",
        (EPSILON,),
        ("nll", "accuracy", "ece", "confidence_gap", "nll (scaled)"),
    ),
    "selective": Finding(BEANS, (EPSILON,), ("accuracy", "aurc", "aurc (scaled)", "aurc (logit norm)"), of="beans"),
    "fixed": Finding(
        "smoothlab train -m experiment=medical/synthetic_votes logger=csv "
        f"smoothing=none,slight,standard,agreement,auto {SEEDS}",
        ("smoothing",),
        ("nll", "accuracy", "ece", "confidence_gap", "nll (scaled)"),
    ),
    "noise": Finding(
        "smoothlab train -m experiment=retail data.rows=4000 data.noise=symmetric data.noise_rate=0.0,0.1,0.2,0.4 "
        "logger=csv smoothing=standard smoothing.strength.epsilon=0.0,0.1,0.2 seed=0,1,2",
        ("data.noise_rate", EPSILON),
        ("nll", "accuracy", "ece", "confidence_gap", "nll (scaled)"),
    ),
    "teachers": Finding(
        f"smoothlab train -m experiment=retail {DISTILLED} net.hidden=[256,256] smoothing=standard "
        f"smoothing.strength.epsilon=0.0,0.1,0.3 {SEEDS}",
        (EPSILON,),
        ("nll", "accuracy", "student nll", "student accuracy", "student ece"),
        students,
    ),
}


def command(words: Sequence[str]) -> None:
    """Run `smoothlab <words>`; a run that fails ends this program."""
    print(shlex.join(words), file=sys.stderr, flush=True)
    code = "import sys; from smoothlab.commands import main; sys.exit(main(sys.argv[1:]))"
    subprocess.run([sys.executable, "-c", code, *words[1:]], check=True, stdout=subprocess.DEVNULL)


def run(name: str) -> None:
    """Train what is not there yet."""
    finding, folder = FINDINGS[name], FOLDER / name
    if finding.of:
        run(finding.of)
        return
    command([*shlex.split(finding.command), "progress=none", f"hydra.sweep.dir={folder}", "hydra.launcher.n_jobs=2"])
    for number, words in enumerate(finding.after(folder) if finding.after else ()):
        place = FOLDER / f"{name}_after" / str(number)
        if not (place / "results.json").is_file():
            command([*words, "progress=none", f"hydra.run.dir={place}"])


def read(path: Path, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities and labels of a run."""
    table = pd.read_parquet(path / "predictions" / f"{split}.parquet")
    columns = [column for column in table if column.startswith("prob_")]
    names = {column.removeprefix("prob_"): k for k, column in enumerate(columns)}
    probabilities = torch.tensor(table[columns].to_numpy()).clamp_min(1e-300)
    return probabilities.log(), torch.tensor([names[label] for label in table["label"]])


def judged(path: Path) -> dict[str, float]:
    """What a run's test predictions are worth: as they are, with a temperature, ranked by normed logits."""
    (chosen, chosen_labels), (logits, labels) = read(path, "val"), read(path, "test")
    metrics = classification_metrics(logits, labels, from_logits=True)
    scaled = Temperature().fit(chosen, chosen_labels)(logits)
    after = classification_metrics(scaled, labels, from_logits=True)
    normed = LogitNormalisation().fit(chosen, chosen_labels)(logits) if logits.shape[1] > 2 else logits
    return (
        {name: metrics[name] for name in SHOWN}
        | {f"{name} (scaled)": after[name] for name in SHOWN}
        | {"aurc (logit norm)": aurc(normed, labels, from_logits=True)}
    )


def runs(name: str) -> pd.DataFrame:
    """A row a run."""
    finding = FINDINGS[name]
    folder = FOLDER / (finding.of or name)
    rows = []
    for number, entry in enumerate(Ledger.read(folder).entries):
        options = dict(word.split("=", 1) for word in entry.overrides)
        row: dict[str, float | str] = {key: _number(options[key]) for key in finding.by}
        row |= judged(folder / entry.directory)
        if finding.after:
            student = judged(FOLDER / f"{name}_after" / str(number))
            row |= {f"student {key}": value for key, value in student.items()}
        rows.append(row)
    return pd.DataFrame(rows)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def table(name: str) -> list[str]:
    """Lines of Markdown."""
    finding, results = FINDINGS[name], runs(name)
    grouped = results.groupby(list(finding.by), sort=False)
    mean, error = grouped.mean(), grouped.std() / np.sqrt(grouped.size().iloc[0])
    heads = [key.rsplit(".", 1)[-1] for key in finding.by] + list(finding.columns)
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for key in mean.index:
        cells = [
            f"{part:g}" if isinstance(part, float) else part for part in (key if isinstance(key, tuple) else (key,))
        ]
        for column in finding.columns:
            digits = 4 if "aurc" in column else 3
            cells.append(f"{mean.loc[key, column]:.{digits}f} ± {error.loc[key, column]:.{digits}f}")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def penultimate(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """What the last linear layer of a run's net sees of the test samples, and their labels."""
    from smoothlab.data.module import MemoryData
    from smoothlab.models.loading import load
    from smoothlab.models.model import Model
    from smoothlab.training.preparing import prepare

    data = prepare(yaml.safe_load((path / "config.yaml").read_text())).data
    model = load(path)
    assert isinstance(data, MemoryData)
    assert isinstance(model, Model)
    batch = data.split("test")
    *hidden, _ = model.net.children()
    with torch.inference_mode():
        seen = batch.features.float()
        for layer in hidden:
            seen = layer(seen)
    return seen.double().numpy(), batch.labels.numpy()


def scatter(seen: np.ndarray, labels: np.ndarray) -> float:
    """Variance within classes over variance between their means; smaller is tighter."""
    means = np.stack([seen[labels == k].mean(0) for k in np.unique(labels)])
    place = np.searchsorted(np.unique(labels), labels)
    within = np.square(seen - means[place]).sum(1).mean()
    between = np.square(means[place] - seen.mean(0)).sum(1).mean()
    return float(within / between)


def clusters() -> list[str]:
    """The figure of three classes of beans without and with smoothing, and the scatter of all classes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    folder = FOLDER / "beans"
    values: dict[float, list[float]] = {}
    figure = Figure(figsize=(7.2, 3.4), dpi=150, layout="constrained")
    panels = iter(figure.subplots(1, 2))
    for entry in Ledger.read(folder).entries:
        words = dict(word.split("=", 1) for word in entry.overrides)
        epsilon = float(words[EPSILON])
        seen, labels = penultimate(folder / entry.directory)
        values.setdefault(epsilon, []).append(scatter(seen, labels))
        if words["seed"] == "0" and epsilon in (0.0, 0.1):
            axes, three = next(panels), np.isin(labels, (0, 1, 2))
            means = np.stack([seen[labels == k].mean(0) for k in range(3)])
            plane = np.linalg.svd(means - means.mean(0), full_matrices=False)[2][:2]
            flat = (seen[three] - means.mean(0)) @ plane.T
            for k, colour in enumerate(("#0072B2", "#D55E00", "#009E73")):
                at = flat[labels[three] == k]
                axes.scatter(at[:, 0], at[:, 1], s=4, color=colour, alpha=0.5, linewidths=0)
            axes.set_title(f"epsilon {epsilon:g}", loc="left", fontsize=10)
            axes.set_xticks([])
            axes.set_yticks([])
    FigureCanvasAgg(figure).print_png(FIGURES / "clusters.png")
    lines = ["| epsilon | within / between |", "|---|---|"]
    for epsilon, each in sorted(values.items()):
        lines.append(f"| {epsilon:g} | {np.mean(each):.3f} ± {np.std(each, ddof=1) / np.sqrt(len(each)):.3f} |")
    return lines


def diagrams() -> None:
    """Copies of three runs' reliability diagrams, for docs/reliability.md."""
    folder = FOLDER / "overfitted"
    for entry in Ledger.read(folder).entries:
        words = dict(word.split("=", 1) for word in entry.overrides)
        if words["seed"] == "0" and float(words[EPSILON]) in DIAGRAMS:
            drawn = folder / entry.directory / "figures" / "reliability_test.png"
            shutil.copy(drawn, FIGURES / f"{DIAGRAMS[float(words[EPSILON])]}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(FINDINGS)}; none is all")
    options = parser.parse_args()
    names = options.names or list(FINDINGS)
    if options.what == "run":
        for name in names:
            run(name)
        return
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    about = f"{date.today()}, commit {commit.stdout.strip()}, torch {torch.__version__}"
    parts = {name: table(name) for name in names}
    if "overfitted" in names:
        diagrams()
    if "beans" in names:
        parts["clusters"] = clusters()
    page = PAGE.read_text()
    lines = [
        "# Findings",
        "",
        f"`python benchmarks/findings.py run`, then `table`; {about}. docs/findings.md says what they mean.",
        "",
    ]
    for name, values in parts.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, rest = page.split(begin)
        page = before + begin + "\n".join([*values, "", f"({about})", ""]) + rest[rest.index(end) :]
        lines += [f"## {name}", "", *([f"`{FINDINGS[name].command}`", ""] if name in FINDINGS else []), *values, ""]
    PAGE.write_text(page)
    RESULTS.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
