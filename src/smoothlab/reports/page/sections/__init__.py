"""The sections of a report, a file each; ``SECTIONS`` has them in the order in which they are read."""

from __future__ import annotations

from collections.abc import Callable

from smoothlab.reports.page.material import Material
from smoothlab.reports.page.section import Section
from smoothlab.reports.page.sections.arms import arms
from smoothlab.reports.page.sections.classes import classes
from smoothlab.reports.page.sections.conditions import conditions
from smoothlab.reports.page.sections.curves import epochs, reliability, risk_and_coverage
from smoothlab.reports.page.sections.numbers import numbers
from smoothlab.reports.page.sections.runs import problems, runs
from smoothlab.reports.page.sections.settings import settings

SECTIONS: tuple[Callable[[Material], Section | None], ...] = (
    arms,
    reliability,
    risk_and_coverage,
    epochs,
    conditions,
    classes,
    settings,
    runs,
    problems,
    numbers,
)
