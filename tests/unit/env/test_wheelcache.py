"""The controller's cache: what is there, what has to go, and what a torn file is worth."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wheels import Draft

from remotest.env.unavailable import Unavailable
from remotest.env.wheelcache import Entry, WheelCache, hash_file, surplus
from remotest.sync.memory import cache_root

if TYPE_CHECKING:
    from pathlib import Path

    from remotest.env.model import Wheel

DAY_S = 24 * 3600
NOW_S = 100 * DAY_S


class Clock:
    now_s = float(NOW_S)

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(tmp_path: Path, clock: Clock) -> WheelCache:
    return WheelCache(tmp_path / "cache", clock)


def put(cache: WheelCache, clock: Clock, version: str, size: int = 0) -> Wheel:
    """Add a wheel, used now."""
    with cache.staging() as folder:
        draft = Draft("demo", version, files={"demo.bin": os.urandom(size)})
        path = draft.write(folder).path
        wheel = cache.adopt(path, hash_file(path))
    os.utime(wheel.path.parent, (clock.now_s, clock.now_s))
    return wheel


def entry(key: str, size_bytes: int, idle_days: float) -> Entry:
    return Entry(
        kind="wheels",
        key=key,
        title=key,
        size_bytes=size_bytes,
        used_s=NOW_S - idle_days * DAY_S,
    )


@pytest.mark.parametrize(
    ("sizes_and_idle_days", "expected"),
    [
        ([], ""),
        ([(10, 5), (10, 0.5)], ""),
        ([(10, 40), (10, 5)], "a"),
        ([(60, 9), (30, 8), (20, 7)], "a"),
        ([(10, 9), (60, 8), (60, 7)], "ab"),
        ([(70, 0.9), (70, 0.5)], ""),
        ([(10, 40), (70, 5), (70, 0.5)], "ab"),
    ],
)
def test_the_longest_unused_go_until_the_rest_fits(
    sizes_and_idle_days: list[tuple[int, float]], expected: str
) -> None:
    entries = [
        entry(chr(ord("a") + number), size, idle)
        for number, (size, idle) in enumerate(sizes_and_idle_days)
    ]
    gone = surplus(entries, now=NOW_S, max_age_s=30 * DAY_S, max_bytes=100)
    assert "".join(one.key for one in gone) == expected


@given(st.lists(st.tuples(st.integers(0, 200), st.floats(0, 60))))
def test_what_was_used_within_a_day_stays_and_what_is_left_fits(
    things: list[tuple[int, float]],
) -> None:
    entries = sorted(
        (entry(str(number), *thing) for number, thing in enumerate(things)),
        key=lambda one: one.used_s,
    )
    gone = surplus(entries, now=NOW_S, max_age_s=30 * DAY_S, max_bytes=300)
    left = [one for one in entries if one not in gone]
    assert all(NOW_S - one.used_s > DAY_S for one in gone)
    old = [one for one in left if NOW_S - one.used_s > DAY_S]
    assert not old or sum(one.size_bytes for one in left) <= 300


def test_a_collected_wheel_is_gone_and_a_used_one_is_not(cache: WheelCache, clock: Clock) -> None:
    old, used = put(cache, clock, "1.0"), put(cache, clock, "2.0")
    cache.remember("locks", "a", {"x": 1})
    os.utime(cache.root / "locks" / "a.json", (clock.now_s, clock.now_s))
    clock.now_s += 20 * DAY_S
    assert cache.find(used.sha256, used.filename) == used
    clock.now_s += 20 * DAY_S
    assert {one.title for one in cache.collect()} == {"a", old.filename}
    assert cache.find(old.sha256, old.filename) is None
    assert cache.find(used.sha256, used.filename) == used
    assert [one.title for one in cache.entries()] == [used.filename]


def test_entries_are_removed_one_by_one(cache: WheelCache, clock: Clock) -> None:
    put(cache, clock, "1.0", size=1000)
    cache.remember("locks", "a", {"x": 1})
    for one in cache.entries():
        cache.remove(one)
        cache.remove(one)  # another process may be as fast
    assert cache.entries() == []


def test_an_abandoned_download_is_collected_and_a_running_one_is_not(
    cache: WheelCache, clock: Clock
) -> None:
    with cache.staging() as abandoned, cache.staging() as running:
        os.utime(abandoned, (clock.now_s - 2 * DAY_S,) * 2)
        os.utime(running, (clock.now_s,) * 2)
        cache.collect()
        assert not abandoned.exists()
        assert running.exists()


def test_what_is_remembered_ages(cache: WheelCache, clock: Clock) -> None:
    assert cache.recall("locks", "a") is None
    cache.remember("locks", "a", {"x": [1, "y"]})
    clock.now_s += 5
    record = cache.recall("locks", "a")
    assert record is not None
    assert (record.content, record.age_s) == ({"x": [1, "y"]}, 5)


@pytest.mark.parametrize(
    "torn", [b"", b"{", b"[]", b'{"content": 1}', b'{"created_s": "x", "content": 1}', b"\xff"]
)
def test_a_torn_record_is_none(cache: WheelCache, torn: bytes) -> None:
    cache.remember("locks", "a", 1)
    (cache.root / "locks" / "a.json").write_bytes(torn)
    assert cache.recall("locks", "a") is None


def test_a_wheel_with_an_impossible_name_is_not_taken(cache: WheelCache) -> None:
    with cache.staging() as folder:
        path = folder / "demo.whl"
        path.write_bytes(b"")
        with pytest.raises(Unavailable, match="no filename of a wheel"):
            cache.adopt(path, "0" * 64)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = WheelCache(tmp_path / "file" / "cache")
    with pytest.raises(Unavailable, match="cannot be written"):
        cache.remember("locks", "a", 1)
    assert cache.recall("locks", "a") is None
    assert cache.entries() == []


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"XDG_CACHE_HOME": "/caches"}, "/caches/remotest/v1"),
        ({"XDG_CACHE_HOME": "relative"}, "~/.cache/remotest/v1"),
        ({}, "~/.cache/remotest/v1"),
    ],
)
def test_the_cache_is_where_caches_are(environ: dict[str, str], expected: str) -> None:
    assert str(cache_root(environ)) == os.path.expanduser(expected)  # noqa: PTH111


def test_two_that_bring_the_same_wheel_do_not_disturb_each_other(
    cache: WheelCache, clock: Clock
) -> None:
    content: dict[str, Any] = {"files": {"demo.py": "x = 1\n"}}
    wheels = []
    for _ in range(2):
        with cache.staging() as folder:
            path = Draft("demo", "1.0", **content).write(folder).path
            os.utime(path, (clock.now_s, clock.now_s))
            wheels.append(cache.adopt(path, "ab" * 32))
    assert wheels[0] == wheels[1]
    assert len(cache.entries()) == 1
