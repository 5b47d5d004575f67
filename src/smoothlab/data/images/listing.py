"""Images that a table lists."""

from __future__ import annotations

from pathlib import Path

from smoothlab.data.images.image_set import ImageSet
from smoothlab.data.table.kinds import check_columns
from smoothlab.data.table.reading import read_table
from smoothlab.errors import InvalidArgument, UserMistake


def read_listing(path: Path, column: str, target: list[str]) -> ImageSet:
    """A table with a column of paths, from the table's own folder on, and the labels beside it.

    Args:
        path: of the table.
        column: with the paths.
        target: the column with the label, or a column a class; none is refused.

    Raises:
        UserMistake: no such table or column, an empty path, or a path without a file.
    """
    if not target:
        raise InvalidArgument("target", None, "the column with the label")
    frame = read_table(path, key="data.path")
    check_columns("image_column", [column], frame)
    empty = frame[column].isna()
    if empty.any():
        raise UserMistake(f"{path}: column {column!r}, data row {int(empty.to_numpy().argmax()) + 1} is empty")
    files = [path.parent / str(name) for name in frame[column]]
    missing = next((file for file in files if not file.is_file()), None)
    if missing is not None:
        raise UserMistake(f"{path}: {missing}, which column {column!r} names, does not exist")
    twice = len(files) - len(set(files))
    notes = [f"{twice} rows name an image that another row names too; splits may share it"] if twice else []
    return ImageSet(frame.drop(columns=column), files, target=target, contents=[path], root=path.parent, notes=notes)
