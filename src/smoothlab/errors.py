"""Errors that say in one line what was wrong, where, and what would be right."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

# What a disk answers that is full, over its quota, read-only or broken, or whose names or files are limited.
REFUSALS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.ENAMETOOLONG, errno.ELOOP})


# What the extra `train` installs, by the names under which it is imported.
FRAMEWORK = frozenset(
    {
        *("hydra", "jinja2", "lightning_fabric", "lightning_utilities", "matplotlib", "omegaconf", "pandas", "pooch"),
        *("pyarrow", "pytorch_lightning", "rich", "rtdl_num_embeddings", "scipy", "sklearn", "tabm", "threadpoolctl"),
        *("torchmetrics", "wandb", "yaml"),
    }
)
# What the import of a torchvision says whose compiled operators do not load beside this torch; torchmetrics imports it.
OTHER_TORCHVISION = re.compile(r"operator torchvision::\w+ does not exist")


class UserMistake(Exception):
    """A mistake in a command, a config or an input file; commands print its one line and exit with code 2."""


class WrongInput(UserMistake, ValueError):
    """A mistake in what Python hands over; a ValueError too, as scikit-learn's callers expect."""


class BadRow(UserMistake):
    """A row of a table that cannot be read; its line has the row's number, to which a reader of parts adds a place."""


def unusable_framework(error: Exception, what: str) -> str | None:
    """One line where a package is missing that the extra ``train`` installs, or cannot be imported; else None.

    Args:
        error: of the import, here or in the warm server, whose trace is then its text.
        what: was asked for.
    """
    if isinstance(error, ModuleNotFoundError):
        package = str(error.name).partition(".")[0]
        if package in FRAMEWORK:
            return f"{what} needs the framework: pip install 'smoothlab[train]' (there is no package {package!r})"
    elif OTHER_TORCHVISION.search(str(error)):
        return (
            f"{what}: the installed torchvision was built for another torch, so that Lightning cannot be imported; "
            "install the one of torch's release and build, or pip uninstall torchvision"
        )
    return None


@contextmanager
def framework_needed(what: str) -> Iterator[None]:
    """Let imports say in one line that the framework is missing or cannot be imported.

    Args:
        what: needs it.

    Raises:
        ImportError: in place of what the import raised.
    """
    try:
        yield
    except (ModuleNotFoundError, RuntimeError) as error:
        if (line := unusable_framework(error, what)) is None:
            raise
        raise ImportError(line) from None


def reason_of(error: BaseException) -> str:
    """The first line of what an error says; its kind where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def disk_refusal(error: BaseException) -> str:
    """One line on what the disk refused, with the file where it is known; empty for any other error.

    A folder that was removed while a command wrote into it is such a refusal.
    """
    if not isinstance(error, OSError):
        return ""
    where = "" if error.filename is None else os.path.abspath(os.fsdecode(error.filename))
    if error.errno == errno.ENOENT and where and not os.path.isdir(os.path.dirname(where)):
        return f"{where}: cannot be written (its folder is gone)"
    return f"{where or 'a file'}: cannot be written ({error.strerror})" if error.errno in REFUSALS else ""


@contextmanager
def of_file(path: object) -> Iterator[None]:
    """Let an error of the disk name the file, which that of a write does not."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


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


class TrainingDiverged(RuntimeError):
    """The training has left the finite numbers.

    Args:
        step: the first optimizer step for which that is known, counted from 0.
        cause: what is likely behind it, in one line.
        seen: what was no finite number.
    """

    def __init__(self, step: int, cause: str, seen: str = "the loss") -> None:
        super().__init__(f"{seen} became non-finite at step {step}: {cause}")
        self.step = step
        self.cause = cause


class RankLost(RuntimeError):
    """Another rank did not come, or does not answer any more."""


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
