"""Which files the data of a config come from, and their states: how a command knows that nothing has changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

# Of our data, what comes from the files that their keys name, from installed packages, or from the config alone.
BY_NAME = {
    *("smoothlab.data.TableData", "smoothlab.data.TextData", "smoothlab.data.ParquetStream"),
    *("smoothlab.data.arrays.ArrayData", "smoothlab.data.images.ImageData"),
    *("smoothlab.data.synthetic.synthetic_data", "smoothlab.data.SyntheticTranslation"),
}
OURS = "smoothlab.data."  # functions that read files of a known content, or none
TABLES = (".csv", ".tsv", ".parquet")
PACKAGES = ("smoothlab", "torch", "scikit-learn", "pandas", "numpy")
State = list[Any]


def files_read(config: Mapping[str, Any]) -> list[State] | None:
    """Name, size and time of change of each file that the data and own code of a config come from.

    Args:
        config: the resolved config of a run.

    Returns:
        The files' states, after the versions of the packages that read them; None where other files may be read: by
        own classes and functions, a table of images, a pretrained encoder's package.
    """
    data = config["data"]
    texts = list(_texts([data, config.get("code")]))
    of_table = str(data.get("_target_")).endswith("ImageData") and any(text.endswith(TABLES) for text in texts)
    pretrained = data.get("pretrained") is not None or data.get("encoder", "pooled") != "pooled"
    if data.get("_target_") not in BY_NAME or any(map(_foreign, data.values())) or of_table or pretrained:
        return None
    read: list[State] = [[name, version(name)] for name in PACKAGES]
    for text in texts:
        read += states(Path(text))
    return read


def _foreign(node: Any) -> bool:
    """Whether a part of the data is an object of somebody's own, which may read anything."""
    if isinstance(node, Mapping):
        return not str(node.get("_target_", OURS)).startswith(OURS) or any(map(_foreign, node.values()))
    return isinstance(node, list) and any(map(_foreign, node))


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield from [node] if node else []
    elif isinstance(node, Mapping | list):
        for value in node.values() if isinstance(node, Mapping) else node:
            yield from _texts(value)


def states(path: Path) -> Iterator[State]:
    """Name, size, time of change and number of a file, or of each file below a folder; nothing where there is none."""
    try:
        entries = sorted(path.rglob("*")) if path.is_dir() else [path]
    except (OSError, ValueError):  # no name of a file at all
        return
    for entry in entries:
        try:
            state = entry.stat()
        except (OSError, ValueError):
            continue
        if "__pycache__" not in entry.parts:
            yield [str(entry), state.st_size, state.st_mtime_ns, state.st_ino]


def is_file(path: Path) -> bool:
    """Whether a text that may be a path names a file."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long for a name, or with a zero in it
        return False
