"""Contents are packed unless the line is faster than that."""

from __future__ import annotations

import pytest

from pytest_remotest.packing import PLAIN, ZLIB, ZSTD
from remotest.sync.pace import choose_encoding

MB = 1_000_000


@pytest.mark.parametrize(
    ("best", "round_trip_s", "sent_bytes", "elapsed_s", "chosen"),
    [
        (ZLIB, 0.05, 0, 0.0, ZLIB),
        (ZLIB, 0.0, 0, 0.0, ZLIB),
        (ZLIB, 0.002, 0, 0.0, PLAIN),
        (ZLIB, 0.002, 3 * MB, 10.0, PLAIN),
        (ZLIB, 0.002, 50 * MB, 1.0, PLAIN),
        (ZLIB, 0.002, 50 * MB, 5.0, ZLIB),
        (ZSTD, 0.002, 0, 0.0, ZSTD),
        (PLAIN, 0.05, 50 * MB, 99.0, PLAIN),
    ],
    ids=[
        *("far", "maybe far", "near", "near, not known yet", "near and fast", "near and slow"),
        *("zstd is always faster", "nothing in common"),
    ],
)
def test_what_is_sent_next(
    best: str, round_trip_s: float, sent_bytes: int, elapsed_s: float, chosen: str
) -> None:
    assert (
        choose_encoding(best, round_trip_s=round_trip_s, sent_bytes=sent_bytes, elapsed_s=elapsed_s)
        == chosen
    )
