"""Seconds to text."""

from durations.units import SECONDS_OF_UNIT


def as_text(seconds):
    """Return the shortest text that ``parse`` turns into these seconds."""
    if seconds < 0:
        raise ValueError("a duration is not negative: %r" % seconds)
    parts = []
    for unit, size in SECONDS_OF_UNIT.items():
        number, seconds = divmod(seconds, size)
        if number:
            parts.append("%d%s" % (number, unit))
    return " ".join(parts) or "0s"
