"""A section of a report: its heading, its entry in the table of contents, and the blocks that it shows."""

from __future__ import annotations

from dataclasses import dataclass

from smoothlab.reports.page.svg import Chart
from smoothlab.reports.page.tables import Table

PAGE, MARKDOWN = "page", "markdown"  # the forms that a report is written in


@dataclass(frozen=True, kw_only=True)
class Block:
    """A piece of a section; ``templates/report.html`` and ``markdown.py`` each draw every kind of block.

    Args:
        only: the form that shows it; empty: both.
    """

    only: str = ""

    @property
    def kind(self) -> str:
        """The name by which both forms pick what draws it."""
        return type(self).__name__


@dataclass(frozen=True)
class Heading(Block):
    """A heading inside the section."""

    text: str


@dataclass(frozen=True)
class Paragraph(Block):
    """Pieces of text, each with the class that the page marks it by; empty: none."""

    pieces: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Figures(Block):
    """Charts, the first ``most`` of them in sight; every one is a file.

    Args:
        charts: what is drawn.
        layout: ``grid``, ``grid wide``, ``scroll`` for a wide chart, or empty: as wide as the page.
        most: charts in sight.
    """

    charts: tuple[Chart, ...]
    layout: str = ""
    most: int = 100

    @property
    def shown(self) -> tuple[Chart, ...]:
        """The charts in sight."""
        return self.charts[: self.most]


@dataclass(frozen=True)
class Listing(Block):
    """A table.

    Args:
        table: what is listed.
        sortable: whether its headings sort it.
        folded: what stands in place of the table until the reader opens it; empty: the table is in sight.
        is_open: whether a folded table begins open.
    """

    table: Table
    sortable: bool = True
    folded: str = ""
    is_open: bool = False


@dataclass(frozen=True)
class Glossary(Block):
    """Terms and what they mean."""

    terms: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class VariantSwitch(Block):
    """Shows the rows of one variant of the probabilities, or of both."""


@dataclass(frozen=True)
class Section:
    """A section of a report.

    Args:
        name: the anchor that links lead to; unique in the page, of letters and dashes.
        title: its heading.
        entry: what the table of contents calls it.
        blocks: what it shows, in order.
    """

    name: str
    title: str
    entry: str
    blocks: tuple[Block, ...]

    def shown(self, form: str) -> tuple[Block, ...]:
        """The blocks that ``form`` shows; a form leaves out a section that has none."""
        return tuple(block for block in self.blocks if block.only in ("", form))

    @property
    def charts(self) -> tuple[Chart, ...]:
        """Every chart of the section."""
        return tuple(chart for block in self.blocks if isinstance(block, Figures) for chart in block.charts)
