"""Environments on a host: what is sent there, what is kept, what is removed, what goes wrong."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from envhosts import KEY, Host, HostProcess
from wheels import Draft

from pytest_remotest import cleaning, frames, messages, slots
from pytest_remotest.envstore import Kept
from remotest.env.model import Contents
from remotest.env.ship import Destination, ship
from remotest.errors import EnvError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from remotest.env.model import Wheel

DAY_S: Final = 24 * 3600


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def wheels(tmp_path: Path) -> list[Wheel]:
    return [
        Draft(name=name, files={f"{name}/__init__.py": f"NAME = {name!r}\n"}).write(tmp_path)
        for name in ("one", "two")
    ]


@pytest.fixture
def host(home: Path) -> Iterator[Host]:
    host = Host(home)
    yield host
    host.release()


def root_of(home: Path) -> Path:
    return home / ".cache" / "remotest" / "v1"


def envs_in(home: Path) -> list[str]:
    return sorted(path.name for path in (root_of(home) / "envs").iterdir())


def sent_digests(host: Host) -> list[str]:
    return [message.digest for message in host.sent if isinstance(message, messages.Blob)]


# -- bringing ------------------------------------------------------------------------------------


def test_wheels_travel_once(host: Host, home: Path, wheels: list[Wheel]) -> None:
    first = host.ship(wheels)
    again = host.ship(wheels)
    fewer = host.ship(wheels[:1], key="0" * 32)
    assert sent_digests(host) == [wheel.sha256 for wheel in wheels]
    sizes = sum(wheel.size_bytes for wheel in wheels)
    assert (first.was_built, first.sent_bytes, first.notes) == (True, sizes, ())
    assert first.packages == {"one": "1.0", "two": "1.0"}
    assert again == dataclasses.replace(first, was_built=False, sent_bytes=0)
    assert (fewer.was_built, fewer.sent_bytes, fewer.packages) == (True, 0, {"one": "1.0"})
    assert Path(first.folder).parent == root_of(home) / "envs"


def test_large_wheel_comes_in_pieces(host: Host, tmp_path: Path) -> None:
    wheel = Draft(files={"noise.bin": os.urandom(3_000_000)}).write(tmp_path)
    assert host.ship([wheel]).packages == {"demo": "1.0"}
    assert len(sent_digests(host)) == 3


def test_fresh_environment_is_a_runs_own_and_gone_after_it(
    host: Host, home: Path, wheels: list[Wheel]
) -> None:
    shared = host.ship(wheels)
    fresh = host.ship(wheels, is_fresh=True)
    assert fresh.was_built
    assert fresh.folder != shared.folder
    assert host.ship(wheels).folder == shared.folder
    assert Path(fresh.folder).is_dir()
    host.release()
    assert envs_in(home) == [Path(shared.folder).name]
    assert list((root_of(home) / "trash").iterdir()) == []


def test_nothing_of_a_user_is_shown_to_others(host: Host, home: Path, wheels: list[Wheel]) -> None:
    folder = Path(host.ship(wheels).folder)
    ours = [
        path for path in (folder, *folder.parents) if path.is_relative_to(home / ".cache/remotest")
    ]
    assert {stat.S_IMODE(path.stat().st_mode) for path in ours} == {0o700}


def test_named_cache_is_used(host: Host, home: Path, wheels: list[Wheel]) -> None:
    folder = host.ship(wheels, cache="elsewhere").folder
    assert Path(folder).parent == home / "elsewhere" / "remotest" / "v1" / "envs"


# -- what is damaged ------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["mark", "no mark", "file", "no file", "python"])
def test_environment_that_is_not_whole_is_built_again(
    host: Host, home: Path, wheels: list[Wheel], damage: str
) -> None:
    before = Path(host.ship(wheels).folder)
    host.release()
    (module,) = before.glob("lib/python*/site-packages/one/__init__.py")
    if damage == "mark":
        (before / ".ok").write_text("{")
    elif damage == "file":
        module.write_text("")
    else:
        path = {"no mark": before / ".ok", "no file": module, "python": before / "bin" / "python"}
        path[damage].unlink()
    after = host.ship(wheels)
    assert (after.was_built, after.sent_bytes) == (True, 0)
    assert envs_in(home) == [Path(after.folder).name]
    assert Path(after.folder) != before


def test_wheel_that_was_damaged_there_is_sent_again(
    host: Host, home: Path, wheels: list[Wheel]
) -> None:
    host.ship(wheels)
    kept = root_of(home) / "received" / wheels[0].sha256 / wheels[0].filename
    kept.write_bytes(b"0" * wheels[0].size_bytes)
    assert host.ship(wheels, key="0" * 32).sent_bytes == wheels[0].size_bytes
    assert kept.read_bytes() == wheels[0].path.read_bytes()


def test_wheel_that_changes_here_is_not_used(host: Host, home: Path, wheels: list[Wheel]) -> None:
    wheels[1].path.write_bytes(b"0" * wheels[1].size_bytes)
    with pytest.raises(EnvError, match=r"two-1.0-py3-none-any.whl is no longer the file"):
        host.ship(wheels)
    assert envs_in(home) == []


def test_wheel_that_cannot_be_trusted_is_told_and_nothing_stays(
    host: Host, home: Path, tmp_path: Path, wheels: list[Wheel]
) -> None:
    evil = Draft(name="evil", files={"../../evil.py": ""}).write(tmp_path)
    with pytest.raises(EnvError) as caught:
        host.ship([*wheels, evil])
    assert caught.value.cause == "evil-1.0-py3-none-any.whl: '../../evil.py' leads elsewhere"
    assert caught.value.remedy == ("see whether that wheel is whole, and its index to be trusted")
    assert envs_in(home) == []
    assert host.ship(wheels).was_built, "the next one is not touched by it"


def test_disk_that_refuses_is_told(host: Host, wheels: list[Wheel]) -> None:
    with pytest.raises(EnvError) as caught:
        host.ship(wheels, cache="/proc/x")
    assert caught.value.cause == "/proc/x cannot hold environments: No such file or directory"
    assert caught.value.remedy == "name a directory that you may write to, with cache=DIR"


# -- what is not allowed ---------------------------------------------------------------------------


def open_with(**changes: Any) -> messages.EnvOpen:
    row = ["0" * 64, "demo-1.0-py3-none-any.whl", 10]
    return messages.EnvOpen(KEY, None, [row], False, [], [])._replace(**changes)


@pytest.mark.parametrize(
    "message",
    [
        open_with(key="../../evil"),
        open_with(key=""),
        open_with(wheels=[["0" * 64, "../demo-1.0-py3-none-any.whl", 10]]),
        open_with(wheels=[["0" * 64, "demo", 10]]),
        open_with(wheels=[["../0", "demo-1.0-py3-none-any.whl", 10]]),
        open_with(wheels=[["0" * 64, "demo-1.0-py3-none-any.whl", -1]]),
        open_with(wheels=[["0" * 64]]),
    ],
)
def test_host_takes_nothing_that_no_controller_says(host: Host, message: messages.EnvOpen) -> None:
    with pytest.raises(messages.ProtocolError):
        host.send(frames.encode([message]))


@pytest.mark.parametrize(
    "blob",
    [
        messages.Blob("1" * 64, True, b""),
        messages.Blob("0" * 64, True, b"short"),
        messages.Blob("0" * 64, False, b"0123456789 and more"),
        messages.Blob("0" * 64, True, b"0123456789"),
    ],
    ids=["not asked for", "too short", "too long", "other bytes"],
)
def test_host_takes_no_other_wheel(host: Host, home: Path, blob: messages.Blob) -> None:
    host.send(frames.encode([open_with()]))
    with pytest.raises(messages.ProtocolError):
        host.send(frames.encode_blobs([blob]))
    host.release()
    assert list(root_of(home).glob("received/*/*")) == []


def answer(wheels: list[Wheel], receive: Callable[[float], Any]) -> None:
    """Offer wheels to a host that says what it likes."""
    contents = Contents(key=KEY, wheels=tuple(wheels))
    ship(contents, Destination(host="box"), lambda _: None, receive)


@pytest.mark.parametrize("digests", [["0" * 64], ["x"], None])
def test_host_cannot_ask_for_what_is_not_offered(
    wheels: list[Wheel], digests: list[str] | None
) -> None:
    wanted = messages.EnvWant(digests or [wheels[0].sha256, wheels[0].sha256])
    with pytest.raises(ProtocolError, match="asks for"):
        answer(wheels, lambda _: wanted)


def test_host_that_says_something_else_or_nothing_is_told(wheels: list[Wheel]) -> None:
    other = messages.SyncDone("/tree", [])
    with pytest.raises(ProtocolError, match="SyncDone came where EnvWant was due"):
        answer(wheels, lambda _: other)

    def silence(_: float) -> Any:
        raise TimeoutError

    with pytest.raises(EnvError, match="no answer within 600 s"):
        answer(wheels, silence)


# -- what is kept ----------------------------------------------------------------------------------


def kept(name: str, *, days: float, size: int = 1, in_use: bool = False) -> Kept:
    return Kept("environment", name, name, size, 100 * DAY_S - days * DAY_S, in_use)


@pytest.mark.parametrize(
    ("things", "expected"),
    [
        ([], []),
        ([kept("a", days=13), kept("b", days=0)], []),
        ([kept("a", days=15), kept("b", days=0), kept("c", days=20)], ["c", "a"]),
        ([kept("a", days=15, in_use=True)], []),
        ([kept("a", days=3, size=3), kept("b", days=2, size=3), kept("c", days=1, size=3)], ["a"]),
        (
            [
                kept("a", days=3, size=4),
                kept("b", days=2, size=4, in_use=True),
                kept("c", days=1, size=9),
            ],
            ["a", "c"],
        ),
    ],
    ids=["nothing", "all young", "old", "old but in use", "too much", "too much is in use"],
)
def test_what_is_to_go(
    monkeypatch: pytest.MonkeyPatch, things: list[Kept], expected: list[str]
) -> None:
    monkeypatch.setattr(cleaning, "MAX_BYTES", 6)
    assert [thing.key for thing in cleaning.overdue(things, 100 * DAY_S)] == expected


def test_what_is_kept_is_told(host: Host, home: Path, wheels: list[Wheel]) -> None:
    folder = Path(host.ship(wheels).folder)
    told = host.ask("list")
    assert told.place == str(root_of(home))
    size = sum(json.loads((folder / ".ok").read_text())["files"].values())
    assert sorted(
        (one.kind, one.key, one.name, one.size_bytes, one.in_use) for one in told.things
    ) == sorted(
        [
            ("environment", folder.name, KEY, size, True),
            *(("wheel", one.sha256, one.filename, one.size_bytes, False) for one in wheels),
        ]
    )
    assert all(abs(time.time() - one.used_s) < DAY_S for one in told.things)


def test_what_another_process_uses_is_not_removed(home: Path, wheels: list[Wheel]) -> None:
    host = Host(home)
    with HostProcess(home) as user:
        used = Path(user.ship(wheels).folder)
        things = host.ask("list").things
        removed = host.ask("remove", *things).things
        assert sorted(one.key for one in removed) == sorted(wheel.sha256 for wheel in wheels)
        assert (used / ".ok").is_file()
    assert [one.key for one in host.ask("remove", *things).things] == [used.name]
    assert envs_in(home) == []


def test_what_is_old_is_removed_at_the_end_of_a_run(
    host: Host, home: Path, wheels: list[Wheel]
) -> None:
    old = Path(host.ship(wheels[:1], key="0" * 32).folder)
    host.ship(wheels[1:])
    long_ago = time.time() - 15 * DAY_S
    received = root_of(home) / "received"
    os.utime(old / ".ok", (long_ago, long_ago))
    os.utime(received / wheels[0].sha256 / wheels[0].filename, (long_ago, long_ago))
    host.release()
    new = host.ship(wheels[1:])
    host.release()
    assert not new.was_built
    assert envs_in(home) == [Path(new.folder).name]
    assert [path.name for path in received.iterdir()] == [wheels[1].sha256]
    assert list((root_of(home) / "trash").iterdir()) == []


def test_what_the_dead_have_left_is_removed(home: Path, wheels: list[Wheel]) -> None:
    with HostProcess(home) as host:
        fresh = Path(host.ship(wheels[:1], is_fresh=True).folder)
        host.process.kill()
    root = root_of(home)
    (root / "envs" / f".tmp-{KEY}.x").mkdir()
    (root / "received" / ("0" * 64)).mkdir()
    (root / "received" / ("0" * 64) / ".tmp-x").write_bytes(b"half")
    told = Host(home).ask("collect")
    assert sorted((one.kind, one.key) for one in told.things) == [
        ("environment", fresh.name),
        ("environment", f".tmp-{KEY}.x"),
        ("wheel", "0" * 64),
    ]
    assert envs_in(home) == []
    assert list((root / "leases").iterdir()) == []
    assert list((root / "trash").iterdir()) == []


def test_tree_is_told_and_removed(host: Host, home: Path) -> None:
    state = root_of(home) / "trees" / "demo-1" / "0" / ".remotest"
    state.mkdir(parents=True)
    (state.parent / "base.py").write_text("x = 1\n")
    (tree,) = host.ask("list").things
    assert (tree.kind, tree.key, tree.size_bytes, tree.in_use) == ("tree", "demo-1/0", 6, False)
    assert host.ask("remove", tree).things == (tree,)
    assert not state.parent.exists()


def test_byte_code_is_told_and_removed(host: Host, home: Path) -> None:
    folder = root_of(home) / "code"
    folder.mkdir(parents=True)
    (folder / "00ff.cpython-311-a70d0d0a-0").write_bytes(b"code")
    (code,) = host.ask("list").things
    assert (code.kind, code.key) == ("code", "00ff.cpython-311-a70d0d0a-0")
    assert (code.name, code.size_bytes, code.in_use) == ("cpython-311-a70d0d0a-0", 4, False)
    assert host.ask("remove", code).things == (code,)
    assert list(folder.iterdir()) == []


def test_tree_of_a_run_is_not_removed(host: Host, home: Path) -> None:
    trees = root_of(home) / "trees"
    trees.mkdir(parents=True)
    slot = slots.take_slot(os.fsencode(trees), "demo-1", "run")
    (tree,) = host.ask("list").things
    assert (tree.key, tree.in_use) == ("demo-1/0", True)
    assert host.ask("remove", tree).things == ()
    slot.release()
    assert [one.key for one in host.ask("remove", tree).things] == ["demo-1/0"]


def test_key_that_begins_like_another_is_another(host: Host, wheels: list[Wheel]) -> None:
    host.ship(wheels, key="0" * 32)
    assert host.ship(wheels, key="0" * 8).was_built
