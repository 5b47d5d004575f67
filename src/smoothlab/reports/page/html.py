"""The report as one HTML file that needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from smoothlab.reports.page.contents import Contents
from smoothlab.reports.page.palette import chart_css
from smoothlab.reports.page.svg import Chart, printable
from smoothlab.version import __version__


def render_html(report: Contents) -> str:
    """The page. Nothing but its own style sheet and script can run in it: the policy names them by their hash.

    Args:
        report: what it says; every text is escaped, wherever it came from.
    """
    css, script = _part("page.css") + chart_css(), _part("page.js")
    policy = "; ".join(
        [
            "default-src 'none'",
            f"style-src '{_hash(css)}'",
            f"script-src '{_hash(script)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    return (
        _environment()
        .from_string(_part("report.html"))
        .render(
            report=report,
            css=Markup(css),  # noqa: S704 - our own file, as are the script and the charts' elements
            script=Markup(script),  # noqa: S704
            policy=Markup(policy),  # noqa: S704
            version=__version__,
        )
    )


@cache
def _environment() -> Environment:
    made = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=_finalised, trim_blocks=True, lstrip_blocks=True
    )
    made.globals["svg"] = _svg
    return made


def _finalised(value: object) -> object:
    """Texts without what no page can hold; what is markup already stays as it is."""
    return value if isinstance(value, Markup) else printable(value)


def _svg(chart: Chart) -> Markup:
    return Markup(chart.inline())  # noqa: S704 - made of elements, whose texts were escaped as they were written


@cache
def _part(name: str) -> str:
    return files("smoothlab.reports.page").joinpath("templates", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
