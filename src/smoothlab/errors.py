"""Errors that say in one line what was wrong, where, and what would be right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class UserMistake(Exception):
    """A mistake in a command, a config or an input file; commands print its one line and exit with code 2."""


class BadRow(UserMistake):
    """A row of a table that cannot be read; its line has the row's number, to which a reader of parts adds a place."""


def reason_of(error: BaseException) -> str:
    """The first line of what an error says; its kind where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def readable(where: str, what: str = "", errors: tuple[type[Exception], ...] = (Exception,)) -> Iterator[None]:
    """Say in one line that something is not readable; what is one line already passes.

    Args:
        where: it is, for the line.
        what: it should be, such as "a tokenizer".
        errors: that its reader raises; decompressors and libraries have kinds of their own.

    Raises:
        UserMistake: in place of these errors.
    """
    try:
        yield
    except UserMistake:
        raise
    except errors as error:
        raise UserMistake(f"{where}: not readable{what and f' as {what}'} ({reason_of(error)})") from None


class RunFailed(RuntimeError):
    """A run ended with an error; its directory says so and keeps the last good checkpoint."""


class Terminated(KeyboardInterrupt):
    """A run was stopped by SIGTERM: interrupted, as by Ctrl-C, but to be started again by whoever took the machine."""


class InvalidArgument(ValueError):
    """An argument outside its range.

    Args:
        name: the argument as the caller writes it, such as ``"epsilon"``.
        value: what came.
        expected: what would be right, such as ``"a number in [0, 1)"``.
    """

    def __init__(self, name: str, value: object, expected: str) -> None:
        super().__init__(f"{name} = {value!r}: expected {expected}")
        self.name = name
        self.value = value
        self.expected = expected


class LabelOutOfRange(InvalidArgument, IndexError):
    """A label that is no class, and not -100, which leaves a row out.

    An IndexError too, as torch raises for such a label.

    Args:
        name: the argument that holds it.
        label: what came.
        num_classes: K.
    """

    def __init__(self, name: str, label: int, num_classes: int) -> None:
        super().__init__(
            name, label, f"-100 or a class in [0, {num_classes}); it is out of range for {num_classes} classes"
        )
