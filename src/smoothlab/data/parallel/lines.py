"""Text files with a sentence a line."""

from __future__ import annotations

from pathlib import Path

from smoothlab.errors import UserMistake, readable
from smoothlab.unpacking import unpacked


def read_text(path: str | Path, key: str) -> str:
    """The text of a UTF-8 file, unpacked where its name ends in .gz, .bz2, .xz or .zip; a byte order mark is left out.

    Args:
        path: the file.
        key: what to call the path in an error.

    Raises:
        UserMistake: no such file, one that cannot be read, or one that is not UTF-8, with the line.
    """
    path, where = Path(path), f"{key} = {str(path)!r}"
    if path.is_dir() or not path.exists():
        raise UserMistake(f"{where}: {'a folder, expected a file' if path.is_dir() else 'no such file'}")
    with readable(where):
        content = unpacked(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserMistake(
            f"{where}: not UTF-8, the first wrong byte is {error.object[error.start]:#04x} in line {line}; "
            "save it as UTF-8"
        ) from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise UserMistake(f"{where}: line {line} has a zero byte, which is no text in UTF-8; save it as UTF-8")
    return text


def lines_of(text: str) -> list[str]:
    """Lines that end at a line feed, with or without a carriage return before it, and at nothing else.

    ``str.splitlines`` also cuts at U+2028, U+0085, form feeds and more, which occur within sentences of crawled texts:
    one of them would shift every later sentence against its translation.
    """
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()  # what follows the last line feed is no line
    return [line.removesuffix("\r") for line in lines]
