"""Collections that come in parts, of which some are only named."""

from __future__ import annotations

import pytest

from pytest_remotest.messages import Collected, ProtocolError
from remotest.collected import Collections


def part(*ids: str, number: int = 0, last: bool = True, like: str = "") -> Collected:
    return Collected(list(ids), last, number, like)


def test_a_collection_comes_in_parts() -> None:
    collections = Collections()
    assert collections.take("box", "gw0", part("a", "b", last=False)) == ["a", "b"]
    assert collections.take("box", "gw0", part("c", number=1)) == ["c"]
    assert collections.whole("box", "gw0") == ("a", "b", "c")


def test_a_part_that_another_worker_has_said_is_kept_once() -> None:
    collections = Collections()
    for worker, like in (("gw0", ""), ("gw1", "gw0")):
        collections.take("box", worker, part(*([] if like else ["a", "b"]), last=False, like=like))
        collections.take("box", worker, part(worker, number=1))
    assert collections.whole("box", "gw1") == ("a", "b", "gw1")


def test_workers_of_all_agents_that_collected_alike_share_what_they_collected() -> None:
    collections = Collections()
    for agent in ("box", "other"):
        collections.take(agent, agent, part("a", "b"))
    assert collections.whole("box", "box") is collections.whole("other", "other")


def test_a_part_that_comes_twice_is_taken_once() -> None:
    collections = Collections()
    collections.take("box", "gw0", part("a"))
    assert collections.take("box", "gw0", part("a")) is None
    assert collections.whole("box", "gw0") == ("a",)


@pytest.mark.parametrize(
    "message",
    [
        part("b", number=2),
        part("b", number=-1),
        part(number=1, like="gw0"),
        part(number=1, like="nobody"),
        part(number=1, like="gw1"),
        part(number=1, like="far"),
        part("b", number=1, like="gw2"),
    ],
)
def test_what_cannot_be_is_refused(message: Collected) -> None:
    collections = Collections()
    collections.take("box", "gw0", part("a", last=False))
    collections.take("box", "gw1", part("a", last=False))
    for number in range(2):
        collections.take("box", "gw2", part("a", last=False, number=number))
        collections.take("elsewhere", "far", part("a", last=False, number=number))
    with pytest.raises(ProtocolError):
        collections.take("box", "gw1", message)
