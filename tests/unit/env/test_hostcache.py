"""What a host says of its cache is believed only as far as it makes sense."""

from __future__ import annotations

from typing import Any, Final

import pytest

from pytest_remotest.messages import CacheFailed, CacheTold, Room
from remotest.env.hostcache import HostCache, ask_cache
from remotest.env.stored import Stored
from remotest.errors import EnvError, ProtocolError

ROW: Final = ["wheel", "00ff", "demo-1.0-py3-none-any.whl", 9, 1.5, False]
WHEEL: Final = Stored(
    kind="wheel", key="00ff", name="demo-1.0-py3-none-any.whl", size_bytes=9, used_s=1.5
)


def ask(*answers: Any) -> HostCache:
    said = iter(answers)
    return ask_cache(
        "list", [], host="box", cache=None, send=lambda _: None, receive=lambda _: next(said)
    )


def test_parts_are_put_together() -> None:
    told = ask(CacheTold("/cache", [ROW], False), CacheTold("/cache", [[*ROW[:5], True]], True))
    in_use = Stored(**{**vars(WHEEL), "in_use": True})
    assert told == HostCache(place="/cache", things=(WHEEL, in_use))


@pytest.mark.parametrize(
    "row",
    [
        [],
        ROW[:5],
        [*ROW, 1],
        [*ROW[:3], "9", *ROW[4:]],
        [*ROW[:5], 1],
        [None, *ROW[1:]],
        [[], *ROW[1:]],
    ],
)
def test_row_that_makes_no_sense_is_refused(row: list[Any]) -> None:
    with pytest.raises(ProtocolError, match="is nothing in a cache"):
        ask(CacheTold("/cache", [row], True))


@pytest.mark.parametrize("things", [[], [ROW] * 60_000], ids=["nothing", "much"])
def test_a_list_without_an_end_is_refused(things: list[Any]) -> None:
    with pytest.raises(ProtocolError, match="its list has no end"):
        ask(*[CacheTold("/cache", things, False)] * 2)


def test_other_answers() -> None:
    with pytest.raises(EnvError, match=r"box: cache failed: permission denied\n  try: move it"):
        ask(CacheFailed("permission denied", "move it"))
    with pytest.raises(ProtocolError, match="Room came where CacheTold was due"):
        ask(Room("/", 1, 1, None))

    def silence(_: float) -> Any:
        raise TimeoutError

    with pytest.raises(EnvError, match="no answer within 600 s"):
        ask_cache("list", [], host="box", cache=None, send=lambda _: None, receive=silence)
