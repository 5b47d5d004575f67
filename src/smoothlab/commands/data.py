"""`smoothlab data list | fetch <name> | describe <what>`: public sets, and what is understood of any data."""

from __future__ import annotations

import difflib
import json
import math
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoothlab.commands.file_first import data_at
from smoothlab.config.compose import all_groups, compose_config, no_sweep, plain
from smoothlab.errors import UserMistake

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from smoothlab.data.parallel.describing import PairsDescription
    from smoothlab.data.table.describing import Description

# Keys of the whole config, beside those of the data, that say something about data.
OF_THE_CONFIG = ("data", "experiment", "seed", "code")
SHOWN = 40  # columns, and classes, that are listed


def run(words: Sequence[str]) -> int:
    """The command: 0 when done, a mistake in one line otherwise."""
    verb, *rest = words
    verbs: dict[str, Callable[[list[str]], None]] = {"list": list_sets, "fetch": fetch_sets, "describe": describe_data}
    if verb not in verbs:
        near = difflib.get_close_matches(verb, verbs, n=1)
        hint = f"; nearest: {near[0]}" if near else ""
        raise UserMistake(f"data {verb}: no such command{hint}; expected one of {', '.join(verbs)}")
    verbs[verb](rest)
    return 0


def completions(line: str) -> list[str]:
    """Words that may stand where the cursor is: commands, then names of sets."""
    from smoothlab.data.registry import public_sets

    parts = line.split()
    done = len(parts) - (0 if line.endswith(" ") else 1)  # words before the one that is being written
    begun = "" if line.endswith(" ") else parts[-1]
    known = ["list", "fetch", "describe"] if done == 2 else list(public_sets()) if parts[2] != "list" else []
    return [word for word in known if word.startswith(begun)]


def list_sets(words: list[str]) -> None:
    """Print the public sets by domain: what they are, under which terms, and where their files are.

    Raises:
        UserMistake: words that mean nothing.
    """
    from smoothlab.data.registry import public_sets
    from smoothlab.data.registry.fetching import place_of

    if words:
        raise UserMistake(f"data list {words[0]}: takes no words")
    table = _table("name", "what", "licence", "size", "here")
    domains = sorted({public_set.domain for public_set in public_sets().values()})
    for domain in domains:
        table.add_section()
        table.add_row(domain)
        for public_set in public_sets().values():
            if public_set.domain == domain:
                licence = re.split(r" \(|;", public_set.licence)[0] if public_set.terms == "open" else public_set.terms
                size = "" if public_set.bundled else _size(public_set.size)
                table.add_row(f"  {public_set.name}", public_set.shape, licence, size, place_of(public_set) or "-")
    console = _console()
    console.print(table)
    console.print("smoothlab data fetch <name> fetches one; training fetches what it needs", markup=False)


def fetch_sets(words: list[str]) -> None:
    """Fetch sets and say where they are.

    Raises:
        UserMistake: no name, an unknown one, or a file that cannot be had.
    """
    from smoothlab.data.registry import find_set, public_sets
    from smoothlab.data.registry.fetching import fetch_set

    if not words:
        raise UserMistake("data fetch: expected names, or all; smoothlab data list shows them")
    for public_set in list(public_sets().values()) if words == ["all"] else [find_set(word) for word in words]:
        fetched = fetch_set(public_set)
        folder = next((str(path.parent) for path in fetched.paths.values()), "with scikit-learn")
        print(f"{public_set.name}: {fetched.came_from}, {folder}")
        print(f"  licence: {public_set.licence}" + ("" if public_set.terms == "open" else f" [{public_set.terms}]"))
        print(f"  cite: {public_set.citation}")
        print(f"  note: {public_set.notes}")


def describe_data(words: list[str]) -> None:
    """Print what was understood of data, and what looks wrong with them.

    Raises:
        UserMistake: nothing is named, or the data cannot be used.
    """
    words, page, as_json = _options_of(words)
    if not words:
        raise UserMistake("data describe: expected a public set, a file, or data=...; see smoothlab data --help")
    config = compose_config("train", no_sweep("data", overrides_of(words)))
    _check_target(config.data)
    values = plain(config)

    from smoothlab.config.build import call
    from smoothlab.config.opening import make_data
    from smoothlab.data import ParallelData, RowData
    from smoothlab.data.parallel import describe_pairs
    from smoothlab.data.parts.loading import AUTO
    from smoothlab.data.table.sampling import described

    data = make_data(values)
    console = _console()
    if isinstance(data, RowData):
        description = call(lambda: described(data), "data")
        if page is not None:
            _write_page(description, page, str(values["data"].get("path") or values["name"]))
        if as_json:
            print(json.dumps(plain_json(asdict(description)), indent=1, ensure_ascii=False, allow_nan=False))
        else:
            show(description, console)
            if (rows := description.splits.get("train")) and data.loading.batch_size == AUTO:
                console.print(f"training batches of {data.loading.samples_of_a_batch(rows, 1)} rows (batch_size=auto)")
        return
    if page is not None or as_json:
        raise UserMistake("data describe: html= and --json are for tables")
    if isinstance(data, ParallelData):
        show_pairs(call(describe_pairs, "data", data), console)
        return
    call(data.setup, "data")
    for note in getattr(data, "notes", []):
        console.print(f"note: {note}", markup=False)
    table = _table("class", "train")
    for name, count in list(zip(data.class_names, data.class_counts, strict=True))[:SHOWN]:
        table.add_row(str(name), f"{count:,}")
    console.print(table)
    _say_rest(console, len(data.class_names), "classes")


def _options_of(words: list[str]) -> tuple[list[str], Path | None, bool]:
    """The words without those that say how the description is given, then where its page goes, and whether as JSON.

    Raises:
        UserMistake: the page has no name that ends in .html.
    """
    pages = [word.partition("=")[2] for word in words if word.startswith("html=")]
    if pages and not pages[-1].endswith((".html", ".htm")):
        raise UserMistake(f"html = {pages[-1]!r}: expected a file ending in .html")
    rest = [word for word in words if word != "--json" and not word.startswith("html=")]
    return rest, Path(os.path.expanduser(pages[-1])) if pages else None, "--json" in words


def _write_page(description: Description, page: Path, title: str) -> None:
    from smoothlab.reports.data_page import write_data_page

    try:
        write_data_page(description, page, title)
    except OSError as error:
        raise UserMistake(f"html = {str(page)!r}: cannot be written ({error.strerror or error})") from None


def plain_json(value: Any) -> Any:
    """A value without what JSON does not hold: numbers that are not finite are null, tuples are lists."""
    if isinstance(value, dict):
        return {str(key): plain_json(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def overrides_of(words: Sequence[str]) -> list[str]:
    """The overrides of ``smoothlab train`` that these words mean: a set, a file, and keys with or without ``data.``."""
    overrides = []
    of_the_config = {*OF_THE_CONFIG, *words_of_training()}
    for word in words:
        if word.startswith("-"):
            raise UserMistake(f"{word}: no such option; see smoothlab data --help")
        key, equals, _ = word.partition("=")
        if not equals:
            overrides += _named(word)
        elif key.lstrip("+~").split(".")[0].split("/")[0] in of_the_config:
            overrides.append(word)
        else:
            overrides.append(f"data.{word}")
    return overrides


def words_of_training() -> set[str]:
    """Keys and groups of ``smoothlab train`` that are no keys of a table."""
    config = compose_config("train", ["data=table"])
    groups = {name.split("/")[0] for name in all_groups()}
    return (set(map(str, config)) | groups) - set(map(str, config.data))


def _named(word: str) -> list[str]:
    """A word without a key: a data config, a public set, or a file."""
    from smoothlab.data.registry import find_set

    options = all_groups()["data"]
    if word in options:
        return [f"data={word}"]
    if Path(word).exists() or Path(word).suffix or "/" in word:
        return data_at(word)
    name = find_set(word).name
    if name not in options:
        raise UserMistake(f"{name}: no data config reads it yet; smoothlab data fetch {name} fetches its files")
    return [f"data={name}"]


def _check_target(data: Any) -> None:
    """Where a table's target is not given, say which columns there are.

    Raises:
        UserMistake: it is not given.
    """
    from omegaconf import OmegaConf

    if not (OmegaConf.is_missing(data, "target") and isinstance(data.get("path"), str)):
        return
    from smoothlab.data import read_table

    keys = ("separator", "encoding", "decimal", "header", "names")
    reading: Any = OmegaConf.to_container(data)
    words = reading["missing_words"] or ()
    frame = read_table(data.path, key="data.path", missing_words=words, **{key: reading[key] for key in keys})
    shown = ", ".join(map(str, frame.columns[:SHOWN])) + (", ..." if len(frame.columns) > SHOWN else "")
    raise UserMistake(f"data.target: missing; give it as target=<column>, one of {shown}")


def show(description: Description, console: Console) -> None:
    """Print what was understood of a table: columns, classes, and what looks wrong, the most costly first."""
    if description.sample:
        console.print(description.sample)
    console.print(
        ", ".join(
            [
                f"{len(description.columns)} columns",
                *(f"{rows:,} rows for {name}" for name, rows in description.splits.items()),
            ]
        )
    )
    table = _table("column", "kind", "used as", "missing", "values", "example", "the model gets")
    for column in description.columns[:SHOWN]:
        why = str(column.get("note") or "").split(";")[0]  # the rest stands in the notes
        role = f"{column['role']} ({why})" if why else column["role"]
        counts = (f"{column['missing']:,}" if column["missing"] else "", f"{column['distinct']:,}")
        table.add_row(str(column["name"]), column["kind"], role, *counts, str(column["example"]), column["becomes"])
    console.print(table)
    _say_rest(console, len(description.columns), "columns")
    table = _table("class", *description.splits)
    for class_row in description.classes[:SHOWN]:
        table.add_row(str(class_row["name"]), *(f"{class_row[split]:,}" for split in description.splits))
    console.print(table)
    _say_rest(console, len(description.classes), "classes")
    if description.positive is not None:
        other = next(row["name"] for row in description.classes if row["name"] != description.positive)
        console.print(f"positive class: {description.positive} (data.positive={other} makes it the other)")
    for part in description.measured:
        apart = "rows of other groups" if part["split"] == "group" else "the latest rows"
        console.print(
            f"measured: a small model is right for {part['random']:.3f} of rows drawn at random, with "
            f"{part['column']!r} as a feature, and for {part['apart']:.3f} of {apart}"
        )
    _say_notes(console, description.notes, description.warnings)


def show_pairs(description: PairsDescription, console: Console) -> None:
    """Print what was understood of sentence pairs."""
    source, target = description.vocabularies
    console.print(f"vocabularies: {source:,} source tokens, {target:,} target tokens (the classes)")
    table = _table("split", "pairs", "batches", "source tokens", "mean, longest", "target tokens", "mean, longest")
    for split in description.splits:
        sides = [
            word
            for side in ("source", "target")
            for word in (f"{split[f'{side} tokens']:,}", f"{split[f'{side} mean']:.1f}, {split[f'{side} longest']}")
        ]
        table.add_row(split["split"], f"{split['pairs']:,}", f"{split['batches']:,}", *sides)
    console.print(table)
    for cut in description.examples:
        console.print(" -> ".join(" | ".join(tokens) for tokens in cut))
    _say_notes(console, description.notes, description.warnings)


def _say_notes(console: Console, notes: Sequence[str], warnings: Sequence[str]) -> None:
    for sentence in (*(f"note: {note}" for note in notes), *(f"warning: {warning}" for warning in warnings)):
        console.print(sentence, markup=False)
    if not warnings:
        console.print("nothing looks wrong")


def _say_rest(console: Console, count: int, what: str) -> None:
    if count > SHOWN:
        console.print(f"and {count - SHOWN} more {what}")


def _table(*heads: str) -> Table:
    """An empty table; numbers stand to the right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    numbers = ("size", "missing", "values", "train", "val", "test", "all")
    for head in heads:
        right, whole = head in numbers, head in (*numbers, "name", "kind", "here", "licence")
        table.add_column(Text(head), justify="right" if right else "left", no_wrap=whole, overflow="fold")
    return table


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False, markup=False)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.0f} kB"
