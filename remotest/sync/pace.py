"""Whether contents get to a host sooner if they are packed. Pure."""

from __future__ import annotations

from typing import Final

from pytest_remotest.packing import PLAIN, ZLIB

NEAR_S: Final = 0.025
"""A host that answers sooner is likely to be on a line faster than zlib, which takes 90 MB/s and is
undone by a host that is busy writing files."""

FAST_BYTES_PER_S: Final = 13e6
"""More than a line of 100 Mbit/s takes. A faster one may look slower, where a host is busy."""

IN_FLIGHT_BYTES: Final = 4 * 1024 * 1024
"""Sent before it is known how fast the line is: buffers on the way hold up to this."""


def choose_encoding(
    best: str, *, round_trip_s: float, sent_bytes: int = 0, elapsed_s: float = 0.0
) -> str:
    """Return how to pack what is sent next.

    Args:
        best: of ``packing``, what both sides can do.
        round_trip_s: to the host and back; 0 where that is not known yet.
        sent_bytes: so far.
        elapsed_s: so long it took to send them.
    """
    if best != ZLIB or not 0.0 < round_trip_s < NEAR_S:
        return best
    is_slow = sent_bytes > IN_FLIGHT_BYTES and sent_bytes < FAST_BYTES_PER_S * elapsed_s
    return best if is_slow else PLAIN
