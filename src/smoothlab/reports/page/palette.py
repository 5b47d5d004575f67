"""Colours and strokes of the charts, for light and dark paper; the meaning of a mark never hangs on colour alone."""

from __future__ import annotations

# Okabe and Ito's colours, told apart by all common forms of colour blindness; darker or paler where the paper asks.
LIGHT = {
    "paper": "#ffffff",
    "ink": "#1f2328",
    "soft": "#5b636b",
    "grid": "#e3e6e9",
    "axis": "#8b939b",
    "band": "#d5d9dd",
    "over": "#d55e00",
    "under": "#0072b2",
    "arm0": "#3b4148",
    "arm1": "#0072b2",
    "arm2": "#d55e00",
    "arm3": "#00845f",
    "arm4": "#b8578f",
    "arm5": "#9a6b00",
    "rest": "#b9bfc5",
}
DARK = {
    "paper": "#15181c",
    "ink": "#e7eaed",
    "soft": "#a3abb3",
    "grid": "#2a2f35",
    "axis": "#6d757d",
    "band": "#3b4249",
    "over": "#ff8c42",
    "under": "#4fa9e6",
    "arm0": "#d0d5da",
    "arm1": "#4fa9e6",
    "arm2": "#ff8c42",
    "arm3": "#33c798",
    "arm4": "#e48fc0",
    "arm5": "#e2b03f",
    "rest": "#565e66",
}
ARMS = 6  # that have a colour of their own; the others are thin and grey
DASHES = ("", "", "7 3", "2 3", "8 3 2 3", "12 4")
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def mark_of(place: int) -> str:
    """The class of the ``place``-th arm's marks: ``arm0`` is the baseline, ``rest`` whatever has no colour."""
    return f"arm{place}" if place < ARMS else "rest"


def chart_css() -> str:
    """The style sheet of all charts: light, and dark on screens that ask for it; paper is always light.

    No variables: programs that show a lone SVG file often know none.
    """
    shape = f"""\
.chart text {{ font: 11px {FONT}; font-variant-numeric: tabular-nums; }}
.chart .head {{ font-size: 12.5px; font-weight: 600; }}
.chart .small {{ font-size: 10px; }}
.chart .line {{ fill: none; stroke-width: 1.8; stroke-linejoin: round; }}
.chart .rest.line {{ stroke-width: 1; }}
.chart .range {{ stroke: none; opacity: .14; }}
.chart .grid, .chart .axis {{ stroke-width: 1; }}
.chart .guide {{ fill: none; stroke-width: 1.2; stroke-dasharray: 5 4; }}
.chart .whisker {{ stroke-width: 1.6; }}
.chart .pale {{ opacity: .38; }}
.chart .hollow {{ stroke-width: 1.6; }}
"""
    dashes = "".join(
        f".chart .line.{mark_of(place)} {{ stroke-dasharray: {dash}; }}\n" for place, dash in enumerate(DASHES) if dash
    )
    dark = "".join(f"  {rule}\n" for rule in _colours(DARK).splitlines())
    return f"{shape}{dashes}{_colours(LIGHT)}@media screen and (prefers-color-scheme: dark) {{\n{dark}}}\n"


def _colours(palette: dict[str, str]) -> str:
    rules = [
        f".chart {{ background: {palette['paper']}; }}",
        f".chart text {{ fill: {palette['ink']}; }}",
        f".chart text.soft {{ fill: {palette['soft']}; }}",
        f".chart .grid {{ stroke: {palette['grid']}; }}",
        f".chart .axis {{ stroke: {palette['axis']}; }}",
        f".chart .guide {{ stroke: {palette['axis']}; }}",
        f".chart .band {{ fill: {palette['band']}; }}",
        f".chart .row {{ fill: {palette['grid']}; opacity: .45; }}",
        f".chart .count {{ fill: {palette['axis']}; }}",
        f".chart .dot {{ fill: {palette['ink']}; }}",
        f".chart .stripe {{ stroke: {palette['paper']}; stroke-width: 1.4; }}",
        f".chart .hollow {{ fill: {palette['paper']}; }}",
    ]
    for name in ("over", "under", "soft", "rest", *(f"arm{place}" for place in range(ARMS))):
        colour = palette[name]
        rules += [
            f".chart .fill.{name}, .chart .range.{name} {{ fill: {colour}; }}",
            f".chart .line.{name}, .chart .whisker.{name}, .chart .hollow.{name} {{ stroke: {colour}; }}",
        ]
    return "\n".join(rules) + "\n"
