"""Numbers of bytes and files, as people read them. Pure."""

from __future__ import annotations

from typing import Final

_SIZE_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")


def size_text(byte_count: int) -> str:
    """Return a size in three digits or fewer: ``812 B``, ``34.1 GB``, ``340 MB``."""
    value = float(max(0, byte_count))
    number = 0
    while round(value) >= 1000 and number < len(_SIZE_UNITS) - 1:  # noqa: PLR2004  kilo, mega...
        value /= 1000
        number += 1
    digits = 1 if number and round(value, 1) < 100 else 0  # noqa: PLR2004  the third digit
    return f"{value:.{digits}f} {_SIZE_UNITS[number]}"


def count_text(count: int, noun: str) -> str:
    """Return ``1 file``, ``5,000 files``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
