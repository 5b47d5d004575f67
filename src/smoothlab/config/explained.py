"""The files of the config as their reader sees them: each key with its value and the comment that explains it."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import yaml

from smoothlab.errors import UserMistake, reason_of
from smoothlab.yaml_limits import LOADER, load_yaml

HERE = "_here_"
GLOBAL = "_global_"
OF_PYTHON = re.compile(r"_\w+_$")  # _target_ and the like, which a user of the command line leaves alone


@dataclass(frozen=True)
class Key:
    """A key with its explanation.

    Args:
        name: as on the command line, with dots.
        value: the default as the file writes it; ``???`` where there is none.
        comment: what stands above it, or behind it.
    """

    name: str
    value: str
    comment: str


@dataclass(frozen=True)
class Choice:
    """An entry of a file's defaults: the option of a group.

    Args:
        group: its path; empty for a file of the same folder.
        option: its name.
        package: where its keys go, ``_here_`` or a name; None: where the group's own go.
        override: whether it exchanges what another file has chosen.
        comment: what stands behind it.
    """

    group: str
    option: str
    package: str | None
    override: bool
    comment: str


@dataclass(frozen=True)
class ConfigFile:
    """What one file says.

    Args:
        about: what it is for, from its first lines.
        examples: commands that use it.
        package: where its keys go, where it says so; None: where its group's go.
        choices: its defaults.
        keys: its own keys, without those of Python.
    """

    about: str
    examples: tuple[str, ...]
    package: str | None
    choices: tuple[Choice, ...]
    keys: tuple[Key, ...]


def config_file(name: str, folders: Sequence[Path] = ()) -> ConfigFile:
    """The file of a command, ``predict``, or of an option, ``smoothing/gradual``.

    Args:
        name: its path without the ending.
        folders: looked at behind smoothlab's own, in their order.

    Raises:
        UserMistake: no such file, or it is no YAML.
    """
    for folder in (*own_folders(), *folders):
        if (path := folder / f"{name}.yaml").is_file():
            return read(path)
    raise UserMistake(f"{name}: no such config file")


@cache
def own_folders() -> tuple[Path, ...]:
    """Where smoothlab's own configs lie."""
    spec = importlib.util.find_spec("smoothlab.conf")
    return tuple(Path(place) for place in (spec.submodule_search_locations or ())) if spec else ()


def read(path: Path) -> ConfigFile:
    """What a file says.

    Raises:
        UserMistake: it is no YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
        load_yaml(text)  # refuses what is too deep to walk through
        node = yaml.compose(text, Loader=LOADER)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise UserMistake(f"{path}: cannot be read as YAML ({reason_of(error)})") from None
    lines = text.splitlines()
    package = re.search(r"^#\s*@package\s+(\S+)", text, re.MULTILINE)
    about, examples, start = _header(lines)
    file = _Lines(text, lines, start)
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    choices = [choice for key, value in pairs if key.value == "defaults" for choice in _choices(value, file)]
    keys = [
        key for name, value in pairs if name.value not in ("defaults", "hydra") for key in _keys(name, value, "", file)
    ]
    return ConfigFile(about, tuple(examples), package.group(1) if package else None, tuple(choices), tuple(keys))


def all_keys(group: str, option: str, folders: Sequence[Path] = (), package: str | None = None) -> Iterator[Key]:
    """The keys that an option brings, then those of the files that it is put together from; names with their group.

    Args:
        group: such as ``data``.
        option: such as ``table``.
        folders: as of ``config_file``.
        package: where its keys go; None: where the file or the group says.
    """
    file = config_file(f"{group}/{option}", folders)
    if package is None:
        package = file.package if file.package is not None else group.replace("/", ".")
    prefix = "" if package == GLOBAL else f"{package}."
    for key in file.keys:
        yield replace(key, name=prefix + key.name)
    for choice in file.choices:
        if choice.override or choice.option in ("none", "null"):
            continue
        inner, _, name = f"{choice.group}/{choice.option}".strip("/").rpartition("/")
        if choice.group.startswith("/"):
            inner = choice.group.strip("/")
        else:
            inner = f"{group}/{inner}".strip("/")
        here = package if choice.package == HERE or not choice.group else None
        yield from all_keys(inner, name, folders, here)


@dataclass(frozen=True)
class _Lines:
    """The text of a file, by characters and by lines, and the line behind its header."""

    text: str
    lines: Sequence[str]
    start: int

    def comment(self, line: int, end: yaml.Mark) -> str:
        """What stands right above a line, and behind the value that ends at ``end``."""
        above: list[str] = []
        k = line - 1
        while k >= self.start and self.lines[k].strip().startswith("#"):
            above.insert(0, self.lines[k].strip().lstrip("#").strip())
            k -= 1
        behind = self.behind(end)
        return re.sub(r"\s*-{3,}", "", " ".join([*above, *([behind] if behind else [])]))  # a ruled line

    def behind(self, end: yaml.Mark) -> str:
        """The comment behind a value."""
        line = self.lines[end.line] if end.line < len(self.lines) else ""
        comment = re.match(r"\s+#\s*(.*)$", line[end.column :])
        return comment.group(1) if comment else ""


def _header(lines: Sequence[str]) -> tuple[str, list[str], int]:
    """What a file is for, the commands that stand there, and the line where it ends.

    Where the first comment stands right above a key, the header is its first sentence with the commands below it.
    """
    block = next((k for k, line in enumerate(lines) if not line.startswith("#")), len(lines))
    whole = block == len(lines) or re.match(r"\s*$|defaults:|_", lines[block]) is not None
    about: list[str] = []
    examples: list[str] = []
    for k, line in enumerate(lines[:block]):
        words = line.lstrip("#").strip()
        if words.startswith("@package"):
            continue
        sentence, colon, command = re.split(r"([:?]) (?=smoothlab )|$", words, maxsplit=1)
        if words.startswith("smoothlab "):
            examples.append(words)
        elif not whole and (examples or (about and about[-1].endswith((".", "?")))):
            return " ".join(about), examples, k
        elif colon:
            about.append(sentence + (colon if colon == "?" else "."))
            examples.append(command)
        else:
            about.append(words)
    return " ".join(about), examples, block


def _choices(node: yaml.Node, file: _Lines) -> Iterator[Choice]:
    """The entries of ``defaults``."""
    for entry in node.value:
        if isinstance(entry, yaml.ScalarNode):
            if entry.value != "_self_":
                path, _, package = entry.value.partition("@")
                yield Choice("", path, package or None, False, file.behind(entry.end_mark))
            continue
        for key, value in entry.value:
            group, _, package = str(key.value).partition("@")
            override, comment = group.startswith("override "), file.behind(value.end_mark)
            yield Choice(group.removeprefix("override ").strip(), str(value.value), package or None, override, comment)


def _keys(name: yaml.Node, value: yaml.Node, prefix: str, file: _Lines) -> Iterator[Key]:
    """A key, or those of the mapping that it holds; without what is Python's."""
    full, line = f"{prefix}{name.value}", name.start_mark.line
    block = isinstance(value, yaml.CollectionNode) and not value.flow_style
    if OF_PYTHON.match(str(name.value)):
        return
    if block and isinstance(value, yaml.MappingNode):
        inside = [str(key.value) for key, _ in value.value]
        pairs = value.value if "_partial_" not in inside else []  # a function, which is Python's
        keys = [key for inner, inner_value in pairs for key in _keys(inner, inner_value, f"{full}.", file)]
        about = file.comment(line, name.end_mark)
        yield from (replace(key, comment=key.comment or about) if key is keys[0] else key for key in keys)
        return
    written = (
        "[...]"
        if block
        else re.sub(r"(?<=,)\s+|\s+(?=[\]}])", "", file.text[value.start_mark.index : value.end_mark.index])
    )
    yield Key(full, written, file.comment(line, name.end_mark if block else value.end_mark))
