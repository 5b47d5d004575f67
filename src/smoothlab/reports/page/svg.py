"""Charts as SVG, built element by element, so that no text can become markup."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as Tree  # only builds; nothing is parsed

from smoothlab.reports.page.palette import chart_css

NAMESPACE = "http://www.w3.org/2000/svg"
CHARACTER = 6.1  # pixels a character of the charts' font takes, about
# What XML cannot hold: control characters, lone surrogates, the two non-characters.
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# Marks that turn the reading direction, with which a name could make its neighbours read wrongly.
TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")


def printable(text: object) -> str:
    """``text`` with a replacement character for what no page and no XML file can hold."""
    whole = str(text)
    return whole if whole.isprintable() else UNPRINTABLE.sub("\ufffd", TURNING.sub("", whole))


def shortened(text: object, pixels: float) -> str:
    """As much of ``text`` as fits into so many pixels, an ellipsis where it was cut."""
    whole = printable(text)
    room = max(2, int(pixels / CHARACTER))
    return whole if len(whole) <= room else whole[: room - 1].rstrip() + "…"


@dataclass(frozen=True)
class Chart:
    """A finished chart.

    Args:
        name: of its file, without an ending.
        title: its heading.
        describes: what is seen in it, for who does not see it.
        caption: what a reader has to know to read it; may be empty.
        root: the ``svg`` element.
    """

    name: str
    title: str
    describes: str
    caption: str
    root: Any

    def inline(self) -> str:
        """The element for use inside a page that has the charts' style sheet."""
        return str(Tree.tostring(self.root, encoding="unicode"))

    def file(self) -> str:
        """A file of its own."""
        whole = Tree.Element("svg", {"xmlns": NAMESPACE, **self.root.attrib})
        Tree.SubElement(whole, "style").text = chart_css()
        whole.extend(self.root)
        return '<?xml version="1.0" encoding="UTF-8"?>\n' + str(Tree.tostring(whole, encoding="unicode")) + "\n"


class Drawing:
    """An SVG of ``width`` x ``height`` pixels that elements are added to."""

    def __init__(self, name: str, width: float, height: float) -> None:
        self.name, self.width, self.height = name, width, height
        size = {"viewBox": f"0 0 {_n(width)} {_n(height)}", "width": _n(width), "height": _n(height)}
        self.root = Tree.Element("svg", {"class": "chart", "role": "img", **size})
        self._into = self.root

    def chart(self, title: str, describes: str, caption: str = "") -> Chart:
        """Finish: the title and the description become what a screen reader says."""
        self.root.set("aria-label", printable(f"{title}. {describes}"))
        return Chart(self.name, printable(title), printable(describes), printable(caption), self.root)

    def add(self, tag: str, mark: str, says: str = "", **attributes: Any) -> Any:
        """Add an element of class ``mark``; ``says`` is shown when it is pointed at."""
        named = {
            key.replace("_", "-"): value if isinstance(value, str) else _n(value) for key, value in attributes.items()
        }
        element = Tree.SubElement(self._into, tag, {"class": mark, **named})
        if says:
            Tree.SubElement(element, "title").text = printable(says)
        return element

    def text(self, x: float, y: float, text: object, mark: str = "", *, anchor: str = "start", room: float = 0) -> None:
        """Write a line of text, cut to ``room`` pixels if given; the whole is shown when it is pointed at."""
        shown = shortened(text, room) if room else printable(text)
        element = self.add("text", mark, x=x, y=y, text_anchor=anchor)
        element.text = shown
        if shown != printable(text):
            Tree.SubElement(element, "title").text = printable(text)

    @contextmanager
    def clipped(self, panel: Panel) -> Iterator[None]:
        """What is added inside is cut off at the panel's edges."""
        name = f"inside-{self.name}"
        clip = Tree.SubElement(Tree.SubElement(self.root, "defs"), "clipPath", {"id": name})
        size = {"width": _n(panel.width + 2), "height": _n(panel.height + 2)}
        Tree.SubElement(clip, "rect", {"x": _n(panel.left - 1), "y": _n(panel.top - 1), **size})
        self._into = Tree.SubElement(self.root, "g", {"clip-path": f"url(#{name})"})
        yield
        self._into = self.root

    def stripes(self) -> str:
        """Stripes to lay over a bar, as a value of ``fill``; the name is unique as long as the drawing's is."""
        name = f"stripes-{self.name}"
        size = {"width": "5", "height": "5", "patternUnits": "userSpaceOnUse", "patternTransform": "rotate(45)"}
        pattern = Tree.SubElement(Tree.SubElement(self.root, "defs"), "pattern", {"id": name, **size})
        Tree.SubElement(pattern, "line", {"class": "stripe", "x1": "0", "y1": "0", "x2": "0", "y2": "5"})
        return f"url(#{name})"

    def legend(self, names: Sequence[tuple[str, str]], x: float, y: float, width: float, columns: int = 2) -> float:
        """Lines with their names, ``(mark, name)`` each, from ``(x, y)`` down; returns the height it took."""
        columns = min(columns, max(1, len(names)))
        column = width / columns
        for place, (mark, name) in enumerate(names):
            left, top = x + (place % columns) * column, y + (place // columns) * 16
            self.add("path", f"line {mark}", d=f"M{_n(left)} {_n(top + 8)}h22")
            self.text(left + 28, top + 12, name, room=column - 34)
        return 16.0 * math.ceil(len(names) / columns)


class Panel:
    """A pair of axes inside a drawing, which turns data into pixels.

    Args:
        drawing: where it stands.
        left: pixels; also ``top``, ``width`` and ``height``.
        x: lowest and highest value of the horizontal axis.
        y: the same of the vertical one.
    """

    def __init__(
        self,
        drawing: Drawing,
        left: float,
        top: float,
        width: float,
        height: float,
        x: tuple[float, float],
        y: tuple[float, float],
    ) -> None:
        self.drawing = drawing
        self.left, self.top, self.width, self.height = left, top, width, height
        self.low, self.high = _apart(*x), _apart(*y)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Pixels of a point."""
        across = (x - self.low[0]) / (self.low[1] - self.low[0])
        up = (y - self.high[0]) / (self.high[1] - self.high[0])
        return self.left + across * self.width, self.top + (1 - up) * self.height

    def horizontal(self, ticks: Sequence[float], label: str = "", form: Callable[[float], str] | None = None) -> None:
        """The axis below, with its numbers and its name."""
        bottom = self.top + self.height
        form = form or plain_form(ticks)
        for tick in ticks:
            x, _ = self.at(tick, self.high[0])
            self.drawing.add("path", "axis", d=f"M{_n(x)} {_n(bottom)}v4")
            self.drawing.text(x, bottom + 15, form(tick), "soft", anchor="middle")
        self.drawing.add("path", "axis", d=f"M{_n(self.left)} {_n(bottom)}h{_n(self.width)}")
        if label:
            self.drawing.text(self.left + self.width / 2, bottom + 31, label, "soft", anchor="middle")

    def vertical(self, ticks: Sequence[float], form: Callable[[float], str] | None = None) -> None:
        """Lines across the panel, with their numbers at the left."""
        form = form or plain_form(ticks)
        for tick in ticks:
            _, y = self.at(self.low[0], tick)
            self.drawing.add("path", "grid", d=f"M{_n(self.left)} {_n(y)}h{_n(self.width)}")
            self.drawing.text(self.left - 6, y + 4, form(tick), "soft", anchor="end")

    def line(self, xs: Iterable[float], ys: Iterable[float], mark: str, says: str = "") -> None:
        """A line through the points, broken where a value is missing."""
        path, pen_up = [], True
        for x, y in zip(xs, ys, strict=True):
            if not (math.isfinite(x) and math.isfinite(y)):
                pen_up = True
                continue
            across, down = self.at(x, y)
            path.append(f"{'M' if pen_up else 'L'}{_n(across)} {_n(down)}")
            pen_up = False
        if path:
            self.drawing.add("path", mark, says, d="".join(path))

    def area(self, xs: Iterable[float], lows: Iterable[float], highs: Iterable[float], mark: str) -> None:
        """What lies between two lines."""
        finite = [point for point in zip(xs, lows, highs, strict=True) if all(map(math.isfinite, point))]
        if len(finite) < 2:
            return
        points = [self.at(x, high) for x, _, high in finite] + [self.at(x, low) for x, low, _ in reversed(finite)]
        self.drawing.add("polygon", mark, points=" ".join(f"{_n(x)},{_n(y)}" for x, y in points))

    def box(self, left: float, right: float, start: float, end: float, mark: str, says: str = "", **more: Any) -> None:
        """A rectangle from ``left`` to ``right``, between two heights in either order."""
        x0, top = self.at(left, max(start, end))
        x1, bottom = self.at(right, min(start, end))
        size = {"width": max(x1 - x0, 0.5), "height": max(bottom - top, 0.5)}
        self.drawing.add("rect", mark, says, x=x0, y=top, **size, **more)

    def dot(self, x: float, y: float, mark: str, says: str = "", radius: float = 3.2) -> None:
        """A point."""
        across, down = self.at(x, y)
        self.drawing.add("circle", mark, says, cx=across, cy=down, r=radius)

    def diamond(self, x: float, y: float, mark: str, says: str = "", radius: float = 4.4) -> None:
        """A point of another shape."""
        across, down = self.at(x, y)
        size = _n(radius)
        corners = f"M{_n(across - radius)} {_n(down)}l{size} -{size}l{size} {size}l-{size} {size}z"
        self.drawing.add("path", mark, says, d=corners)


def ticks_of(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from ``low`` to ``high``, at most ``most`` steps apart."""
    low, high = _apart(low, high)
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 12) + 0.0 for index in range(first, last + 1)]


def plain_form(ticks: Sequence[float]) -> Callable[[float], str]:
    """A format with as many decimals as tell these numbers apart."""
    texts = [f"{tick:.6g}" for tick in ticks]
    if any("e" in text for text in texts):
        return lambda value: f"{value:.3g}"
    decimals = max((len(text.partition(".")[2]) for text in texts), default=0)
    return lambda value: f"{value:,.{decimals}f}".replace("-", "−")


def percent_form(value: float) -> str:
    """A share as whole per cents."""
    return f"{100 * value:.0f}%"


def limits(values: Sequence[float], *, zero: bool = False, room: float = 0.06) -> tuple[float, float]:
    """From the lowest to the highest finite value, with some room; (0, 1) where there is none."""
    held = [float(value) for value in values if math.isfinite(value)]
    if zero:
        held.append(0.0)
    if not held:
        return 0.0, 1.0
    low, high = _apart(min(held), max(held))
    return (low if zero and low == 0 else low - room * (high - low)), high + room * (high - low)


def _apart(low: float, high: float) -> tuple[float, float]:
    """An interval that has a length."""
    if high - low > 1e-12 * max(1.0, abs(low), abs(high)):
        return low, high
    half = max(abs(low) * 0.1, 1e-3)
    return low - half, high + half


def _n(value: float) -> str:
    """A coordinate to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")
