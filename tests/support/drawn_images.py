"""Small images for tests, drawn with Pillow: discs for a medical set, leaves for an agricultural one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

Drawing = Callable[[np.random.Generator, int], Image.Image]


def disc(generator: np.random.Generator, side: int) -> Image.Image:
    """A grey disc on noise: a lesion that is not suspicious."""
    return _lesion(generator, side, squeeze=1.0)


def streak(generator: np.random.Generator, side: int) -> Image.Image:
    """A flat grey ellipse on noise: one that is."""
    return _lesion(generator, side, squeeze=0.3)


def _lesion(generator: np.random.Generator, side: int, squeeze: float) -> Image.Image:
    image = Image.fromarray(generator.integers(0, 60, (side, side), dtype=np.uint8))
    centre = generator.uniform(0.4, 0.6, 2) * side
    half = np.array([0.3, 0.3 * squeeze]) * side
    box = [*(centre - half), *(centre + half)]
    ImageDraw.Draw(image).ellipse(box, fill=int(generator.integers(150, 250)))
    return image


def healthy_leaf(generator: np.random.Generator, side: int) -> Image.Image:
    """A green leaf."""
    return _leaf(generator, side, (40, 150, 50), spots=0)


def yellow_leaf(generator: np.random.Generator, side: int) -> Image.Image:
    """A yellow one."""
    return _leaf(generator, side, (190, 180, 40), spots=0)


def spotted_leaf(generator: np.random.Generator, side: int) -> Image.Image:
    """A green one with brown spots."""
    return _leaf(generator, side, (40, 150, 50), spots=6)


def _leaf(generator: np.random.Generator, side: int, colour: Sequence[int], spots: int) -> Image.Image:
    image = Image.new("RGB", (side, side), (225, 225, 220))
    drawing = ImageDraw.Draw(image)
    shade = tuple(int(value) for value in np.clip(np.array(colour) + generator.integers(-25, 26, 3), 0, 255))
    drawing.ellipse([0.1 * side, 0.25 * side, 0.9 * side, 0.75 * side], fill=shade)
    for _ in range(spots):
        x, y = generator.uniform(0.3, 0.7) * side, generator.uniform(0.35, 0.65) * side
        drawing.ellipse([x - 0.05 * side, y - 0.05 * side, x + 0.05 * side, y + 0.05 * side], fill=(110, 60, 20))
    return image.rotate(float(generator.uniform(-30, 30)), fillcolor=(225, 225, 220))


def write_folders(root: Path, drawings: dict[str, Drawing], count: int, *, side: int = 16, seed: int = 0) -> Path:
    """``root/<class>/<number>.png``, ``count`` of each class; a class may be a path of folders."""
    generator = np.random.default_rng(seed)
    for name, draw in drawings.items():
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            draw(generator, side).save(folder / f"{number:03d}.png")
    return root


LESIONS: dict[str, Drawing] = {"benign": disc, "suspicious": streak}
LEAVES: dict[str, Drawing] = {"healthy": healthy_leaf, "yellow": yellow_leaf, "spotted": spotted_leaf}


def arrays(drawings: dict[str, Drawing], count: int, *, side: int = 16, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The same as pixels ``(N, side, side)`` or ``(N, side, side, 3)`` and class numbers ``(N,)``, mixed."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count * len(drawings)) % len(drawings)
    draw = list(drawings.values())
    return np.stack([np.asarray(draw[label](generator, side)) for label in labels]), labels
