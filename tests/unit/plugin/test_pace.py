"""How soon an agent listens again, told what came and when."""

from __future__ import annotations

from typing import Final

import pytest

from pytest_remotest import frames, messages
from pytest_remotest.pace import EAGER_S, MUCH_BYTES, PAUSE_S, Pace

WORD: Final = frames.encode_body([messages.LogFinish(0, "test_a.py::test_a", None)])
IDLE: Final = frames.encode_body([messages.Idle("awaiting")])
BUSY: Final = frames.encode_body([messages.Busy()])


@pytest.mark.parametrize(
    ("heard", "pauses"),
    [
        ([(0.0, [WORD]), (0.1, [WORD, WORD])], [PAUSE_S, PAUSE_S]),
        ([(0.0, [])], [0.0]),
        ([(0.0, [b"x" * (MUCH_BYTES + 1)]), (0.1, [WORD])], [0.0, PAUSE_S]),
        (
            [(0.0, [WORD, IDLE]), (EAGER_S / 2, [BUSY, WORD]), (EAGER_S, [WORD])],
            [0.0, 0.0, PAUSE_S],
        ),
        ([(0.0, [IDLE, BUSY, WORD]), (1.0, [WORD])], [0.0, PAUSE_S]),
    ],
    ids=["busy", "nothing", "much", "waiting", "in between"],
)
def test_pauses(heard: list[tuple[float, list[bytes]]], pauses: list[float]) -> None:
    pace = Pace()
    assert [pace.pause_s(bodies, now_s) for now_s, bodies in heard] == pauses
