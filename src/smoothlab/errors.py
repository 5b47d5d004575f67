"""Errors that say in one line what was wrong, where, and what would be right."""

from __future__ import annotations


class UserMistake(Exception):
    """A mistake in a command, a config or an input file; commands print its one line and exit with code 2."""


class BadRow(UserMistake):
    """A row of a table that cannot be read; its line has the row's number, to which a reader of parts adds a place."""


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
