"""From an image file to pixels of one size, with Pillow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from smoothlab.errors import InvalidArgument, UserMistake, reason_of

Fit = Literal["stretch", "crop", "pad"]
SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm", ".pnm")
)
GREY_MODES = frozenset(("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N", "F"))


@dataclass(frozen=True)
class Shape:
    """What every image is made to be.

    Args:
        height: pixels.
        width: pixels.
        channels: 1 (grey) or 3 (red, green, blue).
        fit: of images with other proportions. ``stretch``: all of it, its proportions changed; ``crop``: the largest
            part of the right proportions from the middle; ``pad``: all of it, with black around it.
    """

    height: int
    width: int
    channels: int
    fit: Fit = "stretch"

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 1:
            raise InvalidArgument("size", [self.height, self.width], "height and width of at least 1")
        if self.channels not in (1, 3):
            raise InvalidArgument("channels", self.channels, "1 or 3")

    @property
    def size(self) -> list[int]:
        """Height and width."""
        return [self.height, self.width]

    @property
    def values(self) -> int:
        """Numbers an image."""
        return self.height * self.width * self.channels


def pillow() -> Any:
    """Pillow's ``Image`` module.

    Raises:
        UserMistake: it is not installed.
    """
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise UserMistake("image files need the package pillow: pip install 'smoothlab[images]'") from None
    return Image


def look_at(path: Path) -> tuple[int, int, bool]:
    """Height, width and whether it is grey, from the file's first bytes.

    Raises:
        UserMistake: no such file, or no image.
    """
    image_module = pillow()
    try:
        with image_module.open(path) as image:
            width, height = image.size
            if image.getexif().get(0x0112, 1) in (5, 6, 7, 8):  # the camera was held upright
                width, height = height, width
            return height, width, image.mode in GREY_MODES
    except Exception as error:  # Pillow's plugins raise whatever broken bytes lead to
        raise unreadable(path, error) from None


def decode(path: Path, shape: Shape) -> np.ndarray:
    """The pixels ``(channels, height, width)`` of a file, uint8.

    Turned as its EXIF orientation says; of several frames the first; transparency is ignored; values of 16 bits lose
    their lower 8.

    Raises:
        UserMistake: no such file, no image, or a truncated one.
    """
    image_module = pillow()
    try:
        with image_module.open(path) as image:
            # JPEG only: a large photograph is decoded at an eighth to a half of its size, still twice what is asked for
            image.draft(None, (2 * max(shape.size), 2 * max(shape.size)))
            return fitted(image, shape)
    except Exception as error:
        raise unreadable(path, error) from None


def fitted(image: Any, shape: Shape) -> np.ndarray:
    """A Pillow image as pixels ``(channels, height, width)``, uint8."""
    from PIL import Image, ImageOps

    image.load()
    image = ImageOps.exif_transpose(image)
    image = _eight_bits(image).convert("L" if shape.channels == 1 else "RGB")
    wanted = (shape.width, shape.height)
    if image.size != wanted:
        smooth = Image.Resampling.BILINEAR  # antialiased where it makes smaller
        if shape.fit == "crop":
            image = ImageOps.fit(image, wanted, smooth)
        elif shape.fit == "pad":
            image = ImageOps.pad(image, wanted, smooth)
        else:
            image = image.resize(wanted, smooth)
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _eight_bits(image: Any) -> Any:
    """Images of 16 bits in 8: Pillow's own conversion cuts off at 255 in some of its modes."""
    if not image.mode.startswith("I"):
        if image.mode == "F":
            raise ValueError("pixels are floating-point numbers; save the image with 8 or 16 bits")
        return image
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError(f"pixels up to {int(values.max())}; save the image with 8 or 16 bits")
    return pillow().fromarray((values.astype(np.int64) >> 8).astype(np.uint8))


def unreadable(path: Path, error: Exception) -> UserMistake:
    """The one line about a file that is no image."""
    if isinstance(error, UserMistake):
        return error
    if isinstance(error, FileNotFoundError):
        return UserMistake(f"{path}: no such file")
    unknown = type(error).__name__ == "UnidentifiedImageError" or not str(error).strip()
    reason = "not an image, or damaged" if unknown else reason_of(error)
    return UserMistake(f"{path}: cannot be read as an image ({reason})")
