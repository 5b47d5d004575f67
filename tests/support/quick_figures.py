"""Imported by the warm server of tests that run many trainings: figures are files, but nothing is drawn in them."""

from __future__ import annotations

from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image


def _print(self: FigureCanvasAgg, path: Any, **options: Any) -> None:
    Image.new("RGB", (1, 1)).save(path, format="png")


FigureCanvasAgg.print_png = _print  # type: ignore[method-assign]
