"""Text to seconds."""

import re

from durations.units import SECONDS_OF_UNIT

_PART = re.compile(r"\s*(\d+)\s*([a-z]+)")


class DurationError(ValueError):
    """A text is no duration."""


def parse(text):
    """Return the seconds of a text such as ``1h 30m``; each unit may stand once."""
    seconds = 0
    seen = set()
    place = 0
    while place < len(text.rstrip()):
        part = _PART.match(text, place)
        if part is None:
            raise DurationError("no number and unit at %r" % text[place:])
        number, unit = part.groups()
        if unit not in SECONDS_OF_UNIT:
            raise DurationError("unknown unit %r, known are: %s" % (unit, ", ".join(SECONDS_OF_UNIT)))
        if unit in seen:
            raise DurationError("unit %r stands twice" % unit)
        seen.add(unit)
        seconds += int(number) * SECONDS_OF_UNIT[unit]
        place = part.end()
    if not seen:
        raise DurationError("an empty text is no duration")
    return seconds
