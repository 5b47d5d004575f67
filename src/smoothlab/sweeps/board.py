"""What many runs have come to while they go on: a bar and a table on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from smoothlab.reports.rounding import duration
from smoothlab.sweeps.folder import say

LINE_SECONDS = 5.0  # at most one line of progress in this time, but for failures
LOOK_SECONDS = 1.0  # between two looks at the runs, for a terminal
PICTURES = 4  # of the board a second
AROUND = 5  # lines of a terminal beside the rows
NARROW = 56  # columns below which there is no bar, but its numbers
WIDE = 80  # columns from which the range of the values is shown
TRAINING = "training"


@dataclass
class Row:
    """Runs that belong together: an arm, or jobs that differ in their seed alone.

    Args:
        runs: how many are planned.
        values: of those that are done.
        failed: how many failed.
        running: whether one of them runs now.
        share: of the training of those that run, in [0, 1].
    """

    runs: int
    values: list[float | None] = field(default_factory=list)
    failed: int = 0
    running: bool = False
    share: float = 0.0

    @property
    def ended(self) -> int:
        """Runs that are done or failed."""
        return len(self.values) + self.failed

    @property
    def state(self) -> str:
        """In a word or two."""
        failed = f"{self.failed} failed" if self.failed else ""
        if self.ended >= self.runs:
            return failed or "done"
        share = f" {self.share:.0%}" if self.share else ""
        return ", ".join(filter(None, [f"runs{share}" if self.running else "waits", failed]))


class Board:
    """A context in which a bar, with the time left, and a table of rows stand below what is printed.

    The numbers are of unfinished work: the table compares nothing and advises nothing.

    Args:
        of: what a row is, such as ``arm``.
        value: what the numbers are, such as ``val NLL``.
        answers: whether an answer follows the training; it is taken to last as long as what came before.
    """

    def __init__(self, of: str, value: str, *, answers: bool = False) -> None:
        self.of, self.value, self.answers = of, value, answers
        self.total = self.done = 0
        self.rows: dict[str, Row] = {}
        self._phase, self._note = "composing", ""
        self._begun = self._since = time.monotonic()
        self._before: float | None = None  # seconds before the training
        self._trained = 0.0  # runs' worth of those that are not over
        self._speed: tuple[float, int] = (self._begun, 0)  # since when runs end, and how many had ended then
        self._shown = 0.0  # of the bar, which never goes back
        self._last_line = float("-inf")
        self._live: Live | None = None

    def __enter__(self) -> Board:
        if sys.stderr.isatty():
            console = Console(stderr=True)
            self._live = Live(self, console=console, refresh_per_second=PICTURES, transient=True)
            self._live.start(refresh=True)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the board away; what is printed then has the terminal for itself."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    @property
    def look_seconds(self) -> float:
        """How long to wait for a run before the next look at those that go on."""
        return LINE_SECONDS if self._live is None else LOOK_SECONDS

    def phase(self, name: str) -> None:
        """Say what goes on, such as ``judging``."""
        self._phase, self._since = name, time.monotonic()

    def expect(self, rows: Mapping[str, int], *, total: int = 0, done: int = 0) -> None:
        """Begin to train.

        Args:
            rows: how many more runs of each row.
            total: how many more runs whose rows are not known yet.
            done: how many of them are done.
        """
        now = time.monotonic()
        if self._before is None:
            self._before = now - self._begun if self.answers else 0.0
        for name, runs in rows.items():
            row = self.rows.setdefault(name, Row(0))
            row.runs += runs
            self.total += runs
        self.total += total
        self.done += done
        self._speed = now, self.done
        self.phase(TRAINING)

    def look(self, running: Iterable[tuple[str, float]], together: Sequence[tuple[int, float]] = ()) -> None:
        """Show which runs go on.

        Args:
            running: the row of each, and the share of its training that is done.
            together: how many nets train as one, and their share; of each process.
        """
        shares = dict(running)
        for name, row in self.rows.items():
            row.running, row.share = name in shares, shares.get(name, 0.0)
        self._trained = sum(nets * share for nets, share in together)
        shown = [f"{nets} nets as one, {share:.0%} of their epochs" for nets, share in together if share]
        self._note = ", ".join(shown)
        if shown:
            self._line(self._note)

    def advance(self, name: str, what: str, value: float | None = None, *, failed: bool = False) -> None:
        """One more run has ended.

        Args:
            name: of its row; one that is not there is made.
            what: the run, for a line.
            value: of its validation; None: it has none.
            failed: or was cut off, of which a line tells always.
        """
        self.done += 1
        self._trained = max(0.0, self._trained - 1)
        row = self.rows.setdefault(name, Row(1))
        if failed:
            row.failed += 1
        else:
            row.values.append(value)
        if self._live is not None and failed:
            say(what)
        elif self._live is None:
            self._line(what, always=failed or self.done == self.total)

    def _line(self, what: str, *, always: bool = False) -> None:
        if self._live is None and (always or time.monotonic() - self._last_line >= LINE_SECONDS):
            self._last_line = time.monotonic()
            left = self.left
            say(f"[{self.done}/{self.total}] {what}{f'; {left}' if left and self.done < self.total else ''}")

    @property
    def left(self) -> str:
        """How long it still takes, in words; empty where nothing tells."""
        seconds = self._seconds_left()
        return "" if seconds is None else f"{duration(seconds)} left"

    def _seconds_left(self) -> float | None:
        if self._before is None:
            return None
        if self._phase != TRAINING:
            return max(0.0, self._before - (time.monotonic() - self._since))
        began, ended = self._speed
        done = self.done - ended + self._trained
        if done <= 0:
            return None
        left = max(0.0, self.total - self.done - self._trained)
        return (time.monotonic() - began) / done * left + self._before

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._bar(options.max_width)
        if self._note:
            yield Text(self._note, no_wrap=True, overflow="ellipsis", style="dim")
        if self.rows:
            yield from self._table(options.max_width, max(1, console.height - AROUND - bool(self._note)))

    def _bar(self, width: int) -> Table:
        seconds, passed = self._seconds_left(), time.monotonic() - self._begun
        if seconds is not None:
            self._shown = max(self._shown, passed / max(passed + seconds, 1e-9))
        runs = f" {self.done}/{self.total}" if self._phase == TRAINING else ""
        cells: list[Any] = [Text(f"{self._phase}{runs}", no_wrap=True, overflow="ellipsis")]
        if width >= NARROW:
            cells.append(ProgressBar(100, 100 * self._shown, width=min(40, width - 45), pulse=seconds is None))
        cells.append(Text(f"{_clock(passed)}  {self.left}", no_wrap=True, overflow="ellipsis"))
        line = Table.grid(padding=(0, 1))
        line.add_row(*cells)
        return line

    def _table(self, width: int, most: int) -> RenderResult:
        table = Table(box=None, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
        table.add_column(self.of, no_wrap=True, overflow="ellipsis", max_width=max(10, width - 42))
        table.add_column("runs", justify="right", no_wrap=True)
        table.add_column(f"{self.value} so far", justify="right", no_wrap=True)
        if width >= WIDE:
            table.add_column("least to most", justify="right", no_wrap=True)
        table.add_column("state", no_wrap=True, overflow="ellipsis")
        rows = list(self.rows.items())
        shown = sorted(range(len(rows)), key=lambda place: _interest(rows[place][1]))[:most]
        for place in sorted(shown):
            name, row = rows[place]
            values = [value for value in row.values if value is not None]
            mean = f"{statistics.fmean(values):.4f}" if values else ""
            ends = [f"{min(values):.4f} to {max(values):.4f}" if len(values) > 1 else ""] if width >= WIDE else []
            table.add_row(Text(name), f"{row.ended}/{row.runs}", mean, *ends, row.state)
        yield table
        if len(rows) > len(shown):
            yield Text(f"and {len(rows) - len(shown)} more", style="dim")


def _interest(row: Row) -> int:
    """Which rows a low terminal shows: those that run, then those with numbers, then the others."""
    return 0 if row.running else 1 if row.ended else 2


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
