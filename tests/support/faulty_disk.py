"""A disk that fails at a chosen change: it is full, a process is killed or stopped there, or the power is cut.

``install`` counts each change that this process, and those that it forks, make below a folder: files opened for
writing, writes, syncs, renames, removals, new folders. A power cut takes what was not synced: ``Disk.cut`` leaves of a
file what its last ``fsync`` saw, a part of what came later, or all of it, and of a folder's names likewise.
"""

from __future__ import annotations

import atexit
import builtins
import contextlib
import errno
import io
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KILL, KILL_ALL, STOP, CUT, FULL, FULL_ONCE = "kill", "kill all", "stop", "cut", "full", "full once"
NEEDS_ROOM = ("open", "write", "mkdir")  # what a full disk refuses; it still renames and removes
FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass
class Disk:
    """What is on the disk for sure, and where it fails.

    Args:
        root: the folder whose changes count; absolute.
        store: a folder elsewhere on the same file system, where the synced contents are kept.
        at: number of the change, from 1, at which it fails; 0 never.
        fault: what happens there.
        seed: draws how much of a write that is cut off arrives.
    """

    root: Path
    store: Path
    at: int = 0
    fault: str = KILL
    seed: int = 0

    def settle(self) -> None:
        """Take everything below ``root`` as synced; forget the changes that were counted."""
        shutil.rmtree(self.store, ignore_errors=True)
        for name in ("content", "inode", "names"):
            (self.store / name).mkdir(parents=True)
        for folder, _, files in os.walk(self.root):
            self.keep_names(folder)
            for name in files:
                self.keep_content(os.path.join(folder, name))

    @property
    def changes(self) -> int:
        """How many changes were made."""
        with contextlib.suppress(FileNotFoundError):
            return (self.store / "count").stat().st_size
        return 0

    @property
    def failed(self) -> str:
        """What was going on when it failed; empty where it has not."""
        with contextlib.suppress(FileNotFoundError):
            return (self.store / "failed" / "what").read_text()
        return ""

    def keep_content(self, path: str) -> None:
        """A file was synced: its content is on the disk, whatever becomes of its name."""
        if not os.path.isfile(path) or os.path.islink(path):
            return
        inode = str(os.stat(path).st_ino)
        self._pin(path, inode)
        shutil.copyfile(path, self.store / "content" / f"{inode}.{os.getpid()}")
        REAL["replace"](self.store / "content" / f"{inode}.{os.getpid()}", self.store / "content" / inode)

    def keep_names(self, folder: str) -> None:
        """A folder was synced: its names are on the disk."""
        names = {}
        for entry in os.scandir(folder):
            names[entry.name] = entry.inode()
            if entry.is_file(follow_symlinks=False):
                self._pin(entry.path, str(entry.inode()))
        place = self.store / "names" / str(os.stat(folder).st_ino)
        with REAL["open"](f"{place}.{os.getpid()}", "w") as file:
            json.dump(names, file)
        REAL["replace"](f"{place}.{os.getpid()}", place)

    def _pin(self, path: str, inode: str) -> None:
        """Keep a file's number from being that of another one when it is removed."""
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            os.link(path, self.store / "inode" / inode)

    def cut(self, draw: random.Random) -> list[str]:
        """Leave below ``root`` what a power cut may leave; no process may live that writes there.

        Returns:
            What was lost, a line a file or name.
        """
        lost: list[str] = []
        likely = draw.choice([0.0, 0.5, 0.5, 1.0])  # how likely an unsynced change is on the disk all the same
        after = self.store / "after"
        self._rebuild(self.root, os.stat(self.root).st_ino, after, draw, likely, lost)
        shutil.rmtree(self.root)
        shutil.move(after, self.root)
        return lost

    def _rebuild(
        self, now: Path | None, inode: int, to: Path, draw: random.Random, likely: float, lost: list[str]
    ) -> None:
        to.mkdir()
        synced = self._names(inode)
        there = {} if now is None else {entry.name: entry.inode() for entry in os.scandir(now)}
        for name in sorted({*synced, *there}):
            inode = there.get(name, 0) if draw.random() < likely else synced.get(name, 0)
            if inode != there.get(name, 0):
                lost.append(f"the {'removal' if name not in there else 'name'} of {to.name}/{name}")
            if not inode:
                continue
            place = None if now is None or there.get(name) != inode else now / name
            if place is not None and place.is_symlink():
                os.symlink(os.readlink(place), to / name)
            elif place.is_dir() if place is not None else (self.store / "names" / str(inode)).is_file():
                self._rebuild(place, inode, to / name, draw, likely, lost)
            else:
                self._rebuild_file(place, inode, to / name, draw, likely, lost)

    def _rebuild_file(
        self, now: Path | None, inode: int, to: Path, draw: random.Random, likely: float, lost: list[str]
    ) -> None:
        content, pinned = self.store / "content" / str(inode), self.store / "inode" / str(inode)
        synced = content.read_bytes() if content.is_file() else b""
        current = now or (pinned if pinned.is_file() else None)
        written = synced if current is None else current.read_bytes()
        if written != synced and draw.random() >= likely:
            length = draw.randint(0, len(written))
            parts = [synced, written[:length], written[:length] + b"\0" * (len(written) - length)]
            if written.startswith(synced):  # what follows was appended: the beginning stands
                parts = [synced + part[len(synced) :] for part in parts]
            lost.append(f"writes to {to.parent.name}/{to.name}")
            written = draw.choice(parts)
        to.write_bytes(written)

    def _names(self, inode: int) -> dict[str, int]:
        place = self.store / "names" / str(inode)
        return json.loads(place.read_text()) if place.is_file() else {}

    # In the processes that are watched

    def change(self, kind: str, path: Any, do: Callable[[], Any], part: Callable[[float], Any] | None = None) -> Any:
        """Count a change and make it, unless the disk fails at it."""
        where = _absolute(path)
        if where is None or not (where == str(self.root) or where.startswith(f"{self.root}/")):
            return do()
        count = REAL["os.open"](self.store / "count", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        REAL["write"](count, b".")
        number = os.fstat(count).st_size
        os.close(count)
        if self.at and number >= self.at and (self._first(kind, where) or self.fault == FULL):
            self._fail(kind, where, part)
        return do()

    def _first(self, kind: str, where: str) -> bool:
        """Whether the disk fails now; once, in one process, at a change that it can fail at."""
        if self.fault in (FULL, FULL_ONCE) and kind not in NEEDS_ROOM:
            return False
        try:
            REAL["mkdir"](self.store / "failed")
        except FileExistsError:
            return False
        with REAL["open"](self.store / "failed" / "what", "w") as file:
            file.write(f"{kind} {os.path.relpath(where, self.root)}")
        return True

    def _fail(self, kind: str, where: str, part: Callable[[float], Any] | None) -> None:
        if self.fault in (FULL, FULL_ONCE):
            if kind in NEEDS_ROOM:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *([] if kind == "write" else [where]))
            return
        if self.fault == STOP:
            os.kill(int((self.store / "process").read_text()), signal.SIGTERM)
            return
        if part is not None:
            part(random.Random(self.seed).random())
        if self.fault in (CUT, KILL_ALL):
            os.kill(int((self.store / "process").read_text()), signal.SIGKILL)  # all others die with the command
        os.kill(os.getpid(), signal.SIGKILL)


REAL: dict[str, Any] = {
    "open": builtins.open,
    "io.open": io.open,
    "os.open": os.open,
    **{name: getattr(os, name) for name in ("write", "fsync", "rename", "replace", "mkdir", "unlink", "remove")},
}


def _absolute(path: Any) -> str | None:
    if isinstance(path, int):
        try:
            return os.readlink(f"/proc/self/fd/{path}").removesuffix(" (deleted)")
        except OSError:
            return None
    return os.path.abspath(os.fsdecode(path))


def install(disk: Disk) -> None:
    """Put the disk in the place of the system's calls, for the rest of this process's life and of its children's."""

    class Raw(io.FileIO):
        def write(self, data: Any) -> int:
            def part(share: float) -> None:
                super(Raw, self).write(bytes(data)[: int(share * len(bytes(data)))])

            return int(disk.change("write", self.fileno(), lambda: super(Raw, self).write(data), part))

    def opened(
        file: Any, mode: str = "r", buffering: int = -1, encoding: Any = None, errors: Any = None, newline: Any = None,
        closefd: bool = True, opener: Any = None,
    ) -> Any:  # fmt: skip
        if not set(mode) & set("wax+") or opener is not None:
            return REAL["open"](file, mode, buffering, encoding, errors, newline, closefd, opener)
        raw = disk.change("open", file, lambda: Raw(file, mode.replace("b", "").replace("t", ""), closefd))
        if buffering == 0:
            return raw
        buffered = (io.BufferedRandom if "+" in mode else io.BufferedWriter)(raw)
        if "b" in mode:
            return buffered
        text = io.TextIOWrapper(buffered, io.text_encoding(encoding), errors, newline, line_buffering=buffering == 1)
        text.mode = mode
        return text

    def os_open(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        def real() -> int:
            return int(REAL["os.open"](path, flags, mode, dir_fd=dir_fd))

        return int(disk.change("open", path, real)) if flags & FLAGS and dir_fd is None else real()

    def fsync(descriptor: int) -> None:
        number = descriptor if isinstance(descriptor, int) else descriptor.fileno()

        def real() -> None:
            REAL["fsync"](number)
            path = os.readlink(f"/proc/self/fd/{number}")
            (disk.keep_names if os.path.isdir(path) else disk.keep_content)(path)

        disk.change("fsync", number, real)

    def write(descriptor: int, data: bytes) -> int:
        def part(share: float) -> None:
            REAL["write"](descriptor, data[: int(share * len(data))])

        return int(disk.change("write", descriptor, lambda: REAL["write"](descriptor, data), part))

    def renaming(name: str) -> Callable[..., Any]:
        def changed(source: Any, target: Any, **more: Any) -> Any:
            return disk.change("rename", target, lambda: REAL[name](source, target, **more))

        return changed

    def of_path(kind: str, name: str) -> Callable[..., Any]:
        def changed(path: Any, *arguments: Any, **more: Any) -> Any:
            def real() -> Any:
                done = REAL[name](path, *arguments, **more)
                if kind == "mkdir":  # a number that another folder had
                    (disk.store / "names" / str(os.stat(path).st_ino)).unlink(missing_ok=True)
                return done

            return disk.change(kind, path, real) if more.get("dir_fd") is None else real()

        return changed

    builtins.open = io.open = opened  # type: ignore[assignment]
    os.open, os.fsync, os.write = os_open, fsync, write  # type: ignore[assignment]
    os.rename, os.replace = renaming("rename"), renaming("replace")
    os.mkdir, os.unlink, os.remove = of_path("mkdir", "mkdir"), of_path("remove", "unlink"), of_path("remove", "remove")


def run_command(words: Sequence[str], folder: Path, log: Path, disk: Disk | None = None) -> int:
    """Run a command of smoothlab's in a fork of this process, and wait until nothing of it is left.

    Args:
        words: the command line.
        folder: its working directory.
        log: takes its standard output and error.
        disk: on which it runs; None: the machine's own.

    Returns:
        Its exit code; minus the signal that ended it.
    """
    process = os.fork()
    if process == 0:
        code = 1
        try:
            os.setsid()
            atexit._clear()  # what the parent cleans up at its end is not this process's
            os.chdir(folder)
            target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(target, 1)
            os.dup2(target, 2)
            sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
            if disk is not None:
                (disk.store / "process").write_text(str(os.getpid()))
                install(disk)
            code = _call(words)
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(process, 0)
    while _works_in(str(folder)):  # those that die with the command
        time.sleep(0.01)
    return os.waitstatus_to_exitcode(status)


def _works_in(folder: str) -> bool:
    for process in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{process}/cwd") == folder:
                return True
    return False


def _call(words: Sequence[str]) -> int:
    import torch

    from smoothlab.commands.main import main
    from smoothlab.processes import serving

    torch.set_num_threads(1)
    serving.warm = True  # so that what a sweep starts is forked too, and has the disk
    try:
        return main(words)
    except BaseException:
        traceback.print_exc()
        return 1


def undisturbed_disk(words: Sequence[str], place: Path) -> Disk:
    """The disk of a command that nothing disturbed, which counted its changes.

    Args:
        words: the command line.
        place: a new folder; ``work`` in it is the disk's root.

    Raises:
        AssertionError: the command failed; with what it wrote.
    """
    (place / "work").mkdir(parents=True)
    disk = Disk(place / "work", place / "store")
    disk.settle()
    assert run_command(words, disk.root, place / "log", disk) == 0, (place / "log").read_text()
    return disk


@contextlib.contextmanager
def case(root: Path) -> Iterator[Disk]:
    """A working folder, and a disk below which it stands; both are gone afterwards."""
    (root / "work").mkdir(parents=True)
    disk = Disk(root / "work", root / "store")
    disk.settle()
    try:
        yield disk
    finally:
        shutil.rmtree(root, ignore_errors=True)
