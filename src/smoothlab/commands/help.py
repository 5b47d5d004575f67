"""What `--help` prints: of all commands, of one, of a config group, of an option."""

from __future__ import annotations

import difflib
import re
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from smoothlab.commands.manual import FIRST_STEPS, PAGES, QUESTIONS, Page, Words
from smoothlab.errors import UserMistake

if TYPE_CHECKING:
    from smoothlab.config.explained import Choice, Key

HELP = ("--help", "-h")
WIDEST, NARROWEST = 100, 60  # characters of a line
HEAD = 26  # of what is explained, where the explanation begins
WITHOUT_CONFIG = {"data", "report", "sweep"}  # commands of their own words; every other one has a config of its name
FILE_FIRST = {"train", "compare"}  # commands whose first word may be a file
LIKE_TRAIN = {"train", "compare", "inspect"}  # commands that take every group and key of train


def overview() -> str:
    """Commands, first steps, and how to ask on."""
    return _text(
        [
            "smoothlab: train classifiers whose confidence can be trusted",
            "",
            "usage: smoothlab <command> [group=option ...] [key=value ...]",
            "",
            "commands",
            *_explained((name, page.about) for name, page in PAGES.items()),
            "",
            "first steps",
            *_commands(FIRST_STEPS),
            "",
            "more help",
            *_commands(QUESTIONS),
            "",
            "exit codes: 0 done, 1 a run failed, 2 a mistake in the command, 130 interrupted",
        ]
    )


def command_help(name: str, words: Sequence[str]) -> str:
    """The help of a command, or of the group or option that the words beside ``--help`` name.

    Args:
        name: of the command.
        words: its own, such as ``["--help", "smoothing=gradual"]``.

    Raises:
        UserMistake: one of them names nothing.
    """
    page = PAGES[name]
    asked = [word for word in words if word not in HELP]
    if name in WITHOUT_CONFIG or not asked:
        return _command(name, page)
    from smoothlab.commands.file_first import with_file
    from smoothlab.config.compose import all_groups, check_overrides, translate_config_dir

    folders = [Path(value) for value in _config_dirs(asked)]
    words = with_file(asked, name) if name in FILE_FIRST and not asked[0].startswith("hydra.") else asked
    overrides = [word for word in translate_config_dir(words) if word not in ("-m", "--multirun")]
    searched = [word for word in overrides if word.startswith("hydra.searchpath=")]
    groups = {group: options for group, options in all_groups(searched).items() if group.split("/")[0] in _taken(name)}
    named = [word for word in overrides if "=" not in word]
    for word in named:
        if word.startswith("-"):
            raise UserMistake(f"{word}: no such option; beside --help stand groups, options of them and --config-dir")
        if word not in groups:
            near = difflib.get_close_matches(word, groups, n=1)
            hint = f"nearest: {near[0]}; " if near else ""
            raise UserMistake(f"{word}: no such config group; {hint}groups: {', '.join(groups) or 'none'}")
    check_overrides(name, [word for word in overrides if word not in named])
    chosen = [word.partition("=") for word in asked if word.partition("=")[0] in groups]
    parts = [
        _option(group, option, folders) if option else _group(name, group, groups[group], folders)
        for group, _, options in chosen
        for option in options.strip("[]").split(",")  # several penalties, or a sweep
    ]
    return "\n\n".join(parts) or _command(name, page)


def _taken(name: str) -> set[str]:
    """The config groups that a command takes."""
    from smoothlab.config.explained import config_file

    files = [config_file(file) for file in {name, *(("train",) if name in LIKE_TRAIN else ())}]
    return {choice.group.split("/")[0] for file in files for choice in file.choices if not choice.override}


def _config_dirs(words: Sequence[str]) -> Iterator[str]:
    """The folders that ``--config-dir`` gives."""
    for before, word in pairwise(["", *words]):
        if before in ("-cd", "--config-dir"):
            yield word
        elif word.startswith(("-cd=", "--config-dir=")):
            yield word.partition("=")[2]


def _command(name: str, page: Page) -> str:
    """Usage, keys, groups and examples of a command."""
    from smoothlab.config.explained import config_file

    lines = [f"smoothlab {name}: {page.about}", "", "usage", *(f"  {usage}" for usage in page.usage)]
    lines += ["", *_wrapped(page.more), ""]
    if page.words:
        lines += ["words", *_explained(page.words), ""]
    if name not in WITHOUT_CONFIG:
        file = config_file(name)
        lines += ["keys", *_key_lines(file.keys), ""]
        own = [choice for choice in file.choices if choice.group and not choice.override]
        if own:
            lines += ["config groups, with the default option and the others", *_group_lines(own), ""]
    if name in LIKE_TRAIN - {"train"}:
        lines += ["Every group and key of train means the same here: smoothlab train --help", ""]
    if name in LIKE_TRAIN:
        lines += ["more help", *_commands(QUESTIONS[1:4]), ""]
    return _text([*lines, "examples", *_commands(page.examples), "", f"read on: {page.read}"])


def _group_lines(choices: Sequence[Choice]) -> Iterator[str]:
    """Groups with what is chosen by default, what they are for, and their options."""
    from smoothlab.config.compose import all_groups

    groups = all_groups()
    for choice in choices:
        yield from _entry(_assigned(choice.group, choice.option), choice.comment, ", ".join(groups[choice.group]))
        for inner in groups:
            if inner.startswith(f"{choice.group}/"):
                yield from _entry(inner, "", ", ".join(groups[inner]))


def _group(name: str, group: str, options: Iterable[str], folders: Sequence[Path]) -> str:
    """The options of a group, each by its first sentence."""
    from smoothlab.config.explained import config_file

    abouts = ((option, config_file(f"{group}/{option}", folders).about) for option in options)
    lines = [f"{group}: its options", "", *_explained((option, _sentence(about)) for option, about in abouts)]
    return _text([*lines, "", f"the keys of an option: smoothlab {name} --help {group}=<option>"])


def _option(group: str, option: str, folders: Sequence[Path]) -> str:
    """What an option is for, what it chooses, and its keys."""
    from smoothlab.config.explained import all_keys, config_file

    file = config_file(f"{group}/{option}", folders)
    lines = [f"{group}={option}", "", *_wrapped(file.about), ""]
    chosen = [f"{choice.group.strip('/')}={choice.option}" for choice in file.choices if choice.override]
    if chosen:
        lines += ["chooses", *_wrapped(", ".join(chosen)), ""]
    keys: dict[str, Key] = {}
    for key in all_keys(group, option, folders):
        first = keys.get(key.name, key)  # its own value holds, and is explained where it comes from
        keys[key.name] = replace(first, comment=first.comment or key.comment)
    lines += ["keys", *_key_lines(keys.values()), ""] if keys else []
    examples = [(command, what.strip()) for command, _, what in (line.partition("  ") for line in file.examples)]
    lines += ["examples", *_commands(examples), ""] if examples else []
    return _text(lines[:-1])


def _key_lines(keys: Iterable[Key]) -> Iterator[str]:
    for key in keys:
        yield from _entry(_assigned(key.name, key.value), ("Required. " if key.value == "???" else "") + key.comment)


def _assigned(name: str, value: str) -> str:
    """``key=value`` where the value is the default that one would type."""
    return name if value == "???" or value.startswith("${") or "${now" in value else f"{name}={value}"


def _sentence(text: str) -> str:
    """The first sentence of a text."""
    return re.split(r"(?<=[.?])\s+(?=[A-Z])", text, maxsplit=1)[0]


def _explained(entries: Iterable[tuple[str, str]]) -> Iterator[str]:
    for head, *paragraphs in entries:
        yield from _entry(head, *paragraphs)


def _entry(head: str, *paragraphs: str) -> Iterator[str]:
    """What is explained, and beside it, or below where it is long, its explanation."""
    indent = " " * HEAD
    lines = [line for paragraph in paragraphs for line in textwrap.wrap(paragraph, _width() - HEAD)]
    first = f"  {head}"
    if len(first) >= HEAD or not lines:
        yield from textwrap.wrap(head, _width() - 2, initial_indent="  ", subsequent_indent="    ")
    else:
        yield f"{first:<{HEAD}}{lines.pop(0)}"
    yield from (indent + line for line in lines)


def _commands(commands: Words) -> Iterator[str]:
    """Commands with what they do behind them, or below where there is no room."""
    head = 4 + max((len(command) for command, _ in commands if len(command) < _width() * 0.6), default=0)
    for command, what in commands:
        if 4 + len(command) <= head and head + len(what) <= _width():
            yield (f"  {command}".ljust(head) + what).rstrip()
        else:
            yield from (line for line in (f"  {command}", f"      {what}") if line.strip())


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _width())


def _width() -> int:
    return max(NARROWEST, min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns))


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines)
