"""Numbers with as many digits as their standard error warrants."""

from __future__ import annotations

import math

MOST = 6  # decimals
UNKNOWN = 3  # decimals of a number whose error is not known


def decimals(error: float) -> int:
    """Decimals that show two digits of a standard error; of one that is 0 or unknown, ``UNKNOWN``."""
    if not math.isfinite(error) or error <= 0:
        return UNKNOWN
    return min(MOST, max(0, 1 - math.floor(math.log10(error))))


def unsigned(value: float, error: float) -> str:
    """The size of a number: ``0.024`` of -0.0241 +- 0.011."""
    return f"{abs(value):.{decimals(error)}f}"


def signed(value: float, error: float) -> str:
    """A number with its sign, ``-0.024``; what rounds to zero has none."""
    text = f"{value:+.{decimals(error)}f}"
    return text[1:] if not float(text) else text


def duration(seconds: float) -> str:
    """``about 40 s``, ``about 6 min``, ``about 3 h``."""
    for size, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= 1.5 * size:
            return f"about {seconds / size:.0f} {unit}"
    return f"about {max(1.0, seconds):.0f} s"
