"""Images in a folder a class."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from smoothlab.classes import ClassTree
from smoothlab.data.images.decoding import SUFFIXES
from smoothlab.data.images.image_set import LABEL, ImageSet, joined
from smoothlab.data.table.splits import WORDS
from smoothlab.errors import UserMistake

SPLIT_OF = {word: split for split, words in WORDS.items() for word in words if len(word) > 2}


def read_folders(root: Path) -> ImageSet:
    """The images below ``root``: ``<class>/*.png``, or ``train/<class>/*.png`` and ``test/...`` (and ``val/...``).

    Folders in folders are a tree of classes: the class is the folder that holds the images, called by its name, or by
    its path ``"fruit > apple"`` where the name is not the only one. Hidden files are ignored, other kinds of files too,
    with a note.

    Raises:
        UserMistake: no images, one class alone, images outside a class folder, or a split without a test.
    """
    tops = sorted(folder.name for folder in root.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    split_of = _split_folders(root, tops)
    files: list[Path] = []
    paths: list[tuple[str, ...]] = []
    splits: list[str] = []
    ignored: Counter[str] = Counter()
    empty: list[str] = []
    for name in sorted(split_of, key=lambda name: list(WORDS).index(split_of[name])) if split_of else [""]:
        start = root / name
        for folder, inner, names in os.walk(start, followlinks=True):
            inner[:] = sorted(name for name in inner if not name.startswith("."))
            parts = Path(folder).relative_to(start).parts
            before = len(files)
            for file in sorted(names):
                suffix = os.path.splitext(file)[1].lower()
                if file.startswith("."):
                    continue
                if suffix not in SUFFIXES:
                    ignored[suffix or file] += 1
                    continue
                if not parts:
                    raise UserMistake(
                        f"{Path(folder) / file}: expected images in a folder a class, such as {start / 'cat' / file}"
                    )
                files.append(Path(folder) / file)
                paths.append(parts)
                splits.append(split_of.get(name, ""))
            if parts and not inner and len(files) == before:
                empty.append(" > ".join(parts))
    if not files:
        raise UserMistake(f"data.path = {str(root)!r}: no image in it ({' '.join(sorted(SUFFIXES))})")
    classes = sorted(set(paths))
    if len(classes) < 2:
        raise UserMistake(f"data.path = {str(root)!r}: one class, {classes[0][-1]!r}; expected two folders at least")
    last = Counter(parts[-1] for parts in classes)
    name_of = {parts: parts[-1] if last[parts[-1]] == 1 else " > ".join(parts) for parts in classes}
    nested = any(len(parts) > 1 for parts in classes)
    notes = [f"{number} files {suffix} are no images and left out" for suffix, number in sorted(ignored.items())]
    if empty:
        notes.append(f"folders without an image are no classes: {joined(dict.fromkeys(empty))}")
    if split_of and (others := [name for name in tops if name not in split_of]):
        notes.append(f"folders beside {joined(split_of)} are left out: {joined(others)}")
    return ImageSet(
        pd.DataFrame({LABEL: pd.Series([name_of[parts] for parts in paths], dtype=object)}),
        files=files,
        splits=np.array(splits, dtype=object) if split_of else None,
        tree=ClassTree.from_paths(" > ".join(parts) for parts in classes) if nested else None,
        root=root,
        notes=notes,
    )


def _split_folders(root: Path, names: list[str]) -> dict[str, str]:
    """The splits that folders are named after, by folder; none where no folder is called train.

    Raises:
        UserMistake: there is none for test, or a split has two.
    """
    split_of = {name: SPLIT_OF[name.lower()] for name in names if name.lower() in SPLIT_OF}
    if "train" not in split_of.values():
        return {}
    if "test" not in split_of.values():
        raise UserMistake(
            f"data.path = {str(root)!r}: has {joined(split_of)} but no folder test; add one, or name {root / 'train'} "
            "to have it split at random"
        )
    if len(set(split_of.values())) < len(split_of):
        raise UserMistake(f"data.path = {str(root)!r}: {joined(split_of)} are folders of the same split")
    return split_of
