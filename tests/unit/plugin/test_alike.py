"""What an agent relays of what its workers have collected."""

from __future__ import annotations

from pytest_remotest import frames, messages
from pytest_remotest.alike import Alike

IDS = [f"test_a.py::test_{number}" for number in range(100)]


def body(*batch: object) -> bytes:
    return frames.encode_body(batch)


def collected(ids: list[str], number: int = 0, like: str = "") -> bytes:
    return body(messages.Collected(ids, False, number, like))


def test_what_two_workers_collect_alike_is_relayed_once() -> None:
    alike = Alike()
    assert alike.shorten("gw0", collected(IDS)) == collected(IDS)
    for worker in ("gw1", "gw2"):
        assert alike.shorten(worker, collected(IDS)) == collected([], like="gw0")


def test_a_part_that_is_different_is_relayed_as_it_is() -> None:
    alike = Alike()
    alike.shorten("gw0", collected(IDS))
    others = [collected(IDS, number=1), collected(IDS[1:]), collected(IDS[::-1])]
    assert [alike.shorten("gw1", each) for each in others] == others
    assert alike.shorten("gw2", others[0]) == collected([], 1, like="gw1")


def test_all_else_is_relayed_as_it_is() -> None:
    alike = Alike()
    report = messages.InternalError("x" * 1000)
    one = messages.Collected(IDS, False, 0)
    for each in (body(report), body(report, one), body(one, report), b'[["Collected",7]]'):
        assert alike.shorten("gw0", each) == each
        assert alike.shorten("gw1", each) == each
