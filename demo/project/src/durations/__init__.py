"""Durations as people write them: ``1h 30m`` <-> 5400 seconds."""

from durations.parse import DurationError, parse
from durations.text import as_text

__all__ = ["DurationError", "as_text", "parse"]
