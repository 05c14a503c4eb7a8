"""What is sent to a host that has nothing before it asks, and what else it lacks."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import threading
import tracemalloc
from typing import TYPE_CHECKING, Any

import projects
import pytest
from synctrees import Host, manifest_of, request_of, snapshot, trees_in

from pytest_remotest import frames, messages, packing
from pytest_remotest.entries import FILE, Entry
from remotest.errors import SyncError
from remotest.sync import ahead as ahead_module
from remotest.sync.ahead import Ahead, Group
from remotest.sync.contents import BLOB_BYTES
from remotest.sync.manifest import ManifestBuilder
from remotest.sync.memory import ScanMemory
from remotest.sync.plan import lay_out
from remotest.sync.reading import Reading
from remotest.sync.scan import survey

if TYPE_CHECKING:
    from pathlib import Path

    from remotest.sync.push import Pushed

TIMEOUT_S = 60
TEXT = "what is sent gets smaller\n" * 500


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "project"
    (path / "package" / "closed").mkdir(parents=True)
    for name in ("a.py", "b.py", "package/c.py"):
        (path / name).write_text(name + TEXT)
    (path / "package" / "closed" / "d.py").write_text("d = 1\n")
    (path / "same.py").write_text("a.py" + TEXT)
    (path / "package" / "link").symlink_to("c.py")
    for name in ("package/closed/__init__.py", "package/__init__.py"):
        (path / name).touch()
    (path / "large").write_bytes(os.urandom(BLOB_BYTES + 1))
    (path / "package" / "closed").chmod(0o555)
    return path


@pytest.fixture
def hosts(tmp_path: Path) -> list[Host]:
    homes = [tmp_path / "home-1", tmp_path / "home-2"]
    for home in homes:
        home.mkdir()
    return [Host(home) for home in homes]


@pytest.fixture(autouse=True)
def _any_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_remotest.early.FREE_BYTES", 0)
    monkeypatch.setattr("pytest_remotest.early.FREE_FILES", 0)


def bring(project: Path, *hosts: Host) -> list[Pushed]:
    ahead = Ahead(host_count=len(hosts))
    manifest = manifest_of(project, ahead=ahead)
    return [host.push(manifest, ahead=ahead) for host in hosts]


def sent_early(host: Host) -> list[str]:
    return [
        row[0]
        for message in host.sent
        if isinstance(message, messages.SyncAhead)
        for row in message.rows
        if row[1] == "f"
    ]


def kinds_of(host: Host) -> list[str]:
    return [type(message).__name__ for message in host.sent]


@pytest.mark.parametrize("near_s", [0.0, float("inf")], ids=["far", "near"])
def test_hosts_that_have_nothing_are_sent_each_content_once(
    project: Path, hosts: list[Host], monkeypatch: pytest.MonkeyPatch, near_s: float
) -> None:
    monkeypatch.setattr("remotest.sync.pace.NEAR_S", near_s)

    pushed = bring(project, *hosts)

    for host, one in zip(hosts, pushed, strict=True):
        assert snapshot(f"{one.tree}/base") == snapshot(project)
        assert sorted(sent_early(host)) == [
            *("base/a.py", "base/b.py", "base/package/__init__.py"),
            *("base/package/c.py", "base/package/closed/__init__.py", "base/package/closed/d.py"),
        ]
        contents = [
            message.digest
            for message in host.sent
            if isinstance(message, messages.Blob) and message.data
        ]
        assert len(contents) == len(set(contents)) + 1  # Of the large one there are two pieces.
        assert one.sent_bytes == sum(
            path.stat().st_size
            for path in project.rglob("*")
            if path.is_file() and path.name not in ("same.py", "link")
        )
        assert len(one.sent) == len([path for path in project.rglob("*") if path.is_file()]) - 1
        early = next(frame for frame in host.frames if frame[:1] == frames.BLOB_KIND)
        assert (packing.ZLIB.encode() in early[:20]) == (near_s == 0.0)


def test_what_came_early_and_is_all_is_not_written_again(project: Path, hosts: list[Host]) -> None:
    for name in ("large", "same.py", "package/link"):
        (project / name).unlink()
    (project / "package" / "closed").chmod(0o755)

    [pushed] = bring(project, *hosts[:1])

    assert snapshot(f"{pushed.tree}/base") == snapshot(project)
    assert kinds_of(hosts[0])[-2:] == ["SyncManifest", "SyncCommit"]


def test_the_manifest_names_nothing_that_has_come(project: Path, hosts: list[Host]) -> None:
    [pushed] = bring(project, *hosts[:1])

    [announced] = [one for one in hosts[0].sent if isinstance(one, messages.SyncManifest)]
    assert sorted(json.loads(line)[0] for line in announced.added) == [
        *("base/large", "base/package/link", "base/same.py"),
    ]
    kept = b"\n".join(path.read_bytes() for path in hosts[0].home.rglob("manifest"))
    assert sorted(json.loads(line)[0] for line in kept.decode().split("\n")) == [
        "base",
        *(f"base/{path.relative_to(project)}" for path in sorted(project.rglob("*"))),
    ]
    assert snapshot(f"{pushed.tree}/base") == snapshot(project)


def test_next_sync_sends_nothing(project: Path, hosts: list[Host]) -> None:
    bring(project, *hosts[:1])
    hosts[0].receiver.release()

    pushed = hosts[0].push(manifest_of(project))

    assert (pushed.sent, pushed.sent_bytes) == ((), 0)
    assert snapshot(f"{pushed.tree}/base") == snapshot(project)


def test_host_that_has_something_is_sent_nothing_unasked(project: Path, hosts: list[Host]) -> None:
    [host, _] = hosts
    host.push_and_release(manifest_of(project))
    (project / "b.py").write_text("b.py" + TEXT + TEXT)

    [pushed] = bring(project, host)

    assert snapshot(f"{pushed.tree}/base") == snapshot(project)
    assert pushed.sent == ("base/b.py",)
    assert sent_early(host) == []


def test_host_with_little_room_is_sent_nothing_unasked(
    project: Path, hosts: list[Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_remotest.early.FREE_BYTES", 1 << 62)

    [pushed] = bring(project, hosts[0])

    assert snapshot(f"{pushed.tree}/base") == snapshot(project)
    assert sent_early(hosts[0]) == []


def test_no_more_waits_in_memory_than_is_allowed(
    project: Path, hosts: list[Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead_module, "AHEAD_BYTES", len(TEXT) + 100)

    [pushed] = bring(project, hosts[0])

    assert snapshot(f"{pushed.tree}/base") == snapshot(project)
    assert (
        len([name for name in sent_early(hosts[0]) if name.startswith("base/") and len(name) == 9])
        == 1
    )


def test_no_message_holds_more_rows_than_is_allowed(
    project: Path, hosts: list[Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("ahead", "push"):
        monkeypatch.setattr(f"remotest.sync.{module}.MAX_BATCH_ITEMS", 3)
    for number in range(4):
        (project / f"a{number}").touch()
        (project / f"d{number}").mkdir()

    [pushed] = bring(project, hosts[0])

    assert snapshot(f"{pushed.tree}/base") == snapshot(project)
    rows = [len(message.rows) for message in hosts[0].sent if hasattr(message, "rows")]
    contents = [
        sum(type(message) is messages.Blob for message in frames.decode(frame)[1])
        for frame in hosts[0].frames
    ]
    assert (max(rows), max(contents)) == (3, 3)


def test_what_does_not_get_smaller_is_in_memory_once() -> None:
    content = os.urandom(4 * BLOB_BYTES)
    group = Group([], [messages.Blob("00" * 32, True, content)])
    tracemalloc.start()
    try:
        for encoding in packing.encodings():
            assert content in group.frame(encoding)
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept_bytes < BLOB_BYTES


def test_file_that_has_changed_since_it_was_read_is_what_it_was(
    project: Path, hosts: list[Host]
) -> None:
    was = snapshot(project)
    ahead = Ahead(host_count=1)
    manifest = manifest_of(project, ahead=ahead)
    (project / "b.py").write_text("another")

    pushed = hosts[0].push(manifest, ahead=ahead)

    assert snapshot(f"{pushed.tree}/base") == was


def test_what_an_interrupted_sync_has_brought_early_counts_by_its_content(
    project: Path, hosts: list[Host]
) -> None:
    class CutError(Exception):
        pass

    class CutHost(Host):
        def send(self, frame: bytes) -> None:
            if self.frames and self.frames[-1][:1] == frames.BLOB_KIND:
                raise CutError
            super().send(frame)

    cut = CutHost(hosts[0].home)
    with pytest.raises(CutError):
        bring(project, cut)
    cut.receiver.release()
    [base] = trees_in(cut.home / ".cache").glob("*/0/base")
    status = (base / "b.py").stat()
    half = "x" * status.st_size  # As if it had been cut off in the middle of this one.
    (base / "b.py").write_text(half)
    os.utime(base / "b.py", ns=(status.st_atime_ns, status.st_mtime_ns))
    (base / "extra.py").touch()

    [pushed] = bring(project, hosts[0])

    assert snapshot(f"{pushed.tree}/base") == snapshot(project)
    assert pushed.sent == ("base/b.py", "base/large")


def test_what_another_program_does_to_it_meanwhile_is_put_right(
    project: Path, hosts: list[Host]
) -> None:
    class MeddledHost(Host):
        def send(self, frame: bytes) -> None:
            if b"SyncManifest" in frame:
                [base] = trees_in(self.home / ".cache").glob("*/0/base")
                status = (base / "b.py").stat()
                (base / "b.py").write_bytes(b"x" * status.st_size)
                os.utime(base / "b.py", ns=(status.st_atime_ns, status.st_mtime_ns))
                (base / "a.py").unlink()
                (base / "conftest.py").write_text("raise SystemExit\n")
            super().send(frame)

    [pushed] = bring(project, MeddledHost(hosts[0].home))

    assert snapshot(f"{pushed.tree}/base") == snapshot(project)
    assert pushed.sent_bytes > sum(path.stat().st_size for path in project.rglob("*.py")) // 2


def test_disk_that_fills_meanwhile_is_told_by_the_sync_that_follows(
    project: Path, hosts: list[Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pytest_remotest.early.write", fail)
        [pushed] = bring(project, hosts[0])

    assert snapshot(f"{pushed.tree}/base") == snapshot(project)


def entry_of(name: str, content: bytes) -> Entry:
    digest = hashlib.sha256(content).hexdigest()
    return Entry(f"base/{name}", FILE, 0o644, len(content), digest, 0)


def test_files_can_be_had_while_others_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead_module, "GROUP_BYTES", 1)
    ahead = Ahead(host_count=1)
    groups = ahead.take()
    for name in ("a.py", "b.py"):
        ahead.add_file(entry_of(name, name.encode()), name.encode())
        assert [entry.path for entry in next(groups).entries] == [f"base/{name}"]
    ahead.end()
    assert list(groups) == []


def test_files_stay_in_memory_until_all_hosts_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead_module, "GROUP_BYTES", 1)
    ahead = Ahead(host_count=2)
    first, second = ahead.take(), ahead.take()
    for name in ("a.py", "b.py"):
        ahead.add_file(entry_of(name, name.encode()), name.encode())
    ahead.end()
    assert [len(list(first)), len(list(ahead.take())), len(list(second))] == [2, 2, 0]


def test_what_only_some_interpreters_can_import_is_not_sent_unasked(project: Path) -> None:
    ahead = Ahead(host_count=1)
    builder = ManifestBuilder(lay_out(str(project), [str(project)]), ahead=ahead)
    builder.add_for_some(str(project / "a.py"))
    builder.add(str(project / "b.py"))
    ahead.end()
    assert [
        entry.path for group in ahead.take() for entry in group.entries if entry.kind == FILE
    ] == ["base/b.py"]


def test_a_tree_that_cannot_be_read_is_an_error_for_all_who_wait(
    project: Path, tmp_path: Path
) -> None:
    request = request_of(project)
    broken = dataclasses.replace(survey(request), named=("/elsewhere",))

    reading = Reading(request, broken, ScanMemory(tmp_path / "a" / "b" / "c", "p"), host_count=1)

    for _ in range(2):
        with pytest.raises(AssertionError, match="is in no root"):
            reading.manifest()
    assert reading.ahead is not None
    assert list(reading.ahead.take()) == []


def test_what_was_read_is_not_kept_for_a_host_that_does_not_start(tmp_path: Path) -> None:
    conftest = """
        import gc

        def pytest_testnodeready(node):
            ours = [one for one in map(type, gc.get_objects()) if one.__module__ == "%s"]
            print("kept:", sorted(one.__name__ for one in ours))
        """
    files = {
        "pytest.ini": "[pytest]\n",
        "conftest.py": conftest % ahead_module.__name__,
        "test_it.py": "def test_it():\n    pass\n",
    }
    shell = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    project = projects.make(tmp_path / "new", shell, files)
    reachable, absent = (f"--tx=popen//chdir={tmp_path / name}" for name in ("here", "there"))
    absent += "//python=no-such-python"
    answer = project.pytest("-s", "-d", "--rsyncdir=.", reachable, absent)
    assert answer.status == 6
    assert "kept: ['Ahead']" in answer.lines


def test_nobody_waits_for_a_tree_that_is_given_up(project: Path, tmp_path: Path) -> None:
    may_go_on = threading.Event()

    class StuckMemory(ScanMemory):
        def digest(self, path: str, status: os.stat_result) -> str | None:
            may_go_on.wait(TIMEOUT_S)
            return super().digest(path, status)

    request = request_of(project)
    memory = StuckMemory(tmp_path / "a" / "b" / "c", "p")
    reading = Reading(request, survey(request), memory, host_count=1)
    try:
        reading.give_up()

        assert reading.ahead is not None
        assert list(reading.ahead.take()) == []
        with pytest.raises(SyncError, match="it was given up"):
            reading.manifest()
    finally:
        may_go_on.set()
