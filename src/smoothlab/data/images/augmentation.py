"""Random changes of training images that leave their class as it is."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from smoothlab.errors import InvalidArgument, UserMistake


class Augmentation:
    """Shifts, flips, turns, light and holes, in this order, drawn anew for each image of each training batch; 0 is off.

    The operations are those of kornia, which work on whole batches, on any device, by torch's own random numbers, so
    that a resumed run draws what the interrupted one would have drawn. What comes in from outside the image is black.

    Args:
        shift: most pixels that the image moves along each axis: padded by so many, then cut at a random place.
        horizontal_flip: probability of a mirrored image, in [0, 1].
        vertical_flip: probability of an upside-down image, in [0, 1].
        rotation: most degrees to either side, in [0, 180].
        zoom: most of a change in size, as a share, in [0, 1): 0.1 draws from 0.9 to 1.1.
        brightness: most of a change in brightness, as a share of the range, in [0, 1].
        contrast: most of a change in contrast, as a share, in [0, 1].
        erasing: probability of a hole of up to a third of the image (Zhong et al., "Random Erasing Data Augmentation",
            AAAI 2020), in [0, 1].

    Called with images ``(N, C, H, W)`` in [0, 1], gives images of the same shape.

    Raises:
        InvalidArgument: for arguments outside their range.
        UserMistake: kornia is not installed.
    """

    def __init__(
        self,
        *,
        shift: int = 0,
        horizontal_flip: float = 0.0,
        vertical_flip: float = 0.0,
        rotation: float = 0.0,
        zoom: float = 0.0,
        brightness: float = 0.0,
        contrast: float = 0.0,
        erasing: float = 0.0,
    ) -> None:
        for name, value in (
            ("horizontal_flip", horizontal_flip),
            ("vertical_flip", vertical_flip),
            ("brightness", brightness),
            ("contrast", contrast),
            ("erasing", erasing),
        ):
            if not 0 <= value <= 1:
                raise InvalidArgument(name, value, "a number in [0, 1]")
        if shift < 0:
            raise InvalidArgument("shift", shift, "a number of pixels, at least 0")
        if not 0 <= rotation <= 180:
            raise InvalidArgument("rotation", rotation, "degrees in [0, 180]")
        if not 0 <= zoom < 1:
            raise InvalidArgument("zoom", zoom, "a number in [0, 1)")
        kornia = _kornia()
        self._steps: list[Any] = []
        if horizontal_flip:
            self._steps.append(kornia.RandomHorizontalFlip(p=horizontal_flip))
        if vertical_flip:
            self._steps.append(kornia.RandomVerticalFlip(p=vertical_flip))
        self.shift = shift  # the size of the cut is that of the images, which are not known yet
        if rotation or zoom:
            scale = (1 - zoom, 1 + zoom) if zoom else None
            self._steps.append(kornia.RandomAffine(rotation, scale=scale, p=1.0))
        if brightness:  # kornia counts from the image as it is: 1 changes nothing, and values outside [0, 1] are cut
            self._steps.append(kornia.RandomBrightness((1 - brightness, 1 + brightness), p=1.0))
        if contrast:
            self._steps.append(kornia.RandomContrast((1 - contrast, 1 + contrast), p=1.0))
        if erasing:
            self._steps.append(kornia.RandomErasing(p=erasing))

    def __call__(self, images: Tensor) -> Tensor:
        """Changed images ``(N, C, H, W)``."""
        if self.shift:
            images = self._shifted(images)
        for step in self._steps:
            images = step(images)
        return images

    def _shifted(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        shifted: Tensor = _kornia().RandomCrop((height, width), padding=self.shift, p=1.0)(images)
        return shifted


def _kornia() -> Any:
    try:
        import kornia.augmentation
    except ModuleNotFoundError:
        raise UserMistake("augmentation needs the package kornia: pip install 'smoothlab[images]'") from None
    return kornia.augmentation
