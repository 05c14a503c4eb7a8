"""What goes wrong between two machines is told, and nobody gets what is not theirs."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import interpreters
import pytest
from synctrees import Host, announce, manifest_of, snapshot, trees_in

from pytest_remotest import frames, messages
from pytest_remotest.envstore import EnvStore
from pytest_remotest.mirror import find_doubles
from remotest.backlog import Answers
from remotest.errors import HostLost, ProtocolError, SyncError
from remotest.sync.push import Destination, Lacking, preview, push

if TYPE_CHECKING:
    from collections.abc import Iterator

PLUGIN = Path(__file__).parents[2] / "plugin"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "project"
    path.mkdir()
    (path / "module.py").write_text("x = 1\n")
    (path / "link").symlink_to("module.py")
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB and 40 files."""
    path = tmp_path / "small"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k,nr_inodes=40", "none", path],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr.decode()}")
    yield path
    subprocess.run(["umount", path], check=True)


def test_disk_without_room_is_told_before_it_is_full(
    project: Path, home: Path, small_disk: Path
) -> None:
    (project / "large").write_bytes(b"x" * 1_000_000)
    with pytest.raises(SyncError) as caught:
        Host(home).push(manifest_of(project), cache=str(small_disk))
    assert "MB free, but the tree needs 1.0 MB more" in caught.value.cause
    assert caught.value.remedy == "free some, or name a directory on another disk with cache=DIR"


def test_disk_without_room_is_rid_of_what_is_overdue(
    project: Path, home: Path, small_disk: Path
) -> None:
    (project / "large").write_bytes(b"x" * 130_000)
    root = small_disk / "remotest" / "v1"
    root.mkdir(parents=True, mode=0o700)
    kept = Path(os.fsdecode(EnvStore(os.fsencode(root)).wheels)) / ("0" * 64)
    kept.mkdir()
    wheel = kept / "a-1-py3-none-any.whl"
    wheel.write_bytes(b"x" * 130_000)
    with pytest.raises(SyncError, match="MB free, but the tree needs"):
        Host(home).push(manifest_of(project), cache=str(small_disk))
    os.utime(wheel, (0, 0))

    pushed = Host(home).push(manifest_of(project), cache=str(small_disk))

    (note,) = pushed.notes
    assert note.startswith("the disk was full: 1 environments and wheels that no run has wanted")
    assert not kept.exists()
    assert snapshot(Path(pushed.tree) / "base") == snapshot(project)


def test_disk_without_inodes_is_told(project: Path, home: Path, small_disk: Path) -> None:
    for number in range(60):
        (project / f"{number}").mkdir()
    with pytest.raises(SyncError, match=r"room for \d+ more files, but the tree needs 63"):
        Host(home).push(manifest_of(project), cache=str(small_disk))


def test_disk_that_fills_up_meanwhile_is_told(project: Path, home: Path, small_disk: Path) -> None:
    (project / "large").write_bytes(b"x" * 200_000)

    class FillingHost(Host):
        def send(self, frame: bytes) -> None:
            if frame[:1] == frames.BLOB_KIND:
                (small_disk / "other").write_bytes(b"x" * 100_000)
            super().send(frame)

    host = FillingHost(home)
    with pytest.raises(SyncError, match="the disk is full"):
        host.push(manifest_of(project), cache=str(small_disk))
    host.receiver.release()
    (small_disk / "other").unlink()
    tree = Host(home).push(manifest_of(project), cache=str(small_disk)).tree
    assert snapshot(Path(tree) / "base") == snapshot(project)


def test_names_that_are_one_to_a_file_system_are_found() -> None:
    identities = [("a", 1), ("b/x", 2), ("A", 1), ("b/X", 2), ("c", 3)]
    assert list(find_doubles(identities)) == [("a", "A"), ("b/x", "b/X")]


def test_tree_that_somebody_writes_to_meanwhile_is_refused(project: Path, home: Path) -> None:
    class MeddledHost(Host):
        def send(self, frame: bytes) -> None:
            if frame[:1] == frames.BLOB_KIND:
                [base] = trees_in(home / ".cache").glob("*/0/base")
                (base / "conftest.py").write_text("raise SystemExit\n")
            super().send(frame)

    with pytest.raises(SyncError, match=r"1 paths below .* the first is 'base/conftest.py'"):
        MeddledHost(home).push(manifest_of(project))


@pytest.mark.parametrize(
    "digest", ["0" * 64, "../../etc/passwd", hashlib.sha256(b"secret").hexdigest()]
)
def test_host_gets_nothing_but_what_was_offered(project: Path, tmp_path: Path, digest: str) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    sent: list[bytes] = []
    with pytest.raises(ProtocolError, match="which is not offered"):
        push(
            lambda: manifest_of(project),
            Destination(host="box", project="p", run_uid="r"),
            sent.append,
            lambda _: messages.SyncWant([digest], last=True, encodings=[]),
        )
    assert [frame for frame in sent if frame[:1] == frames.BLOB_KIND] == []


def test_host_that_asks_twice_is_refused(project: Path) -> None:
    manifest = manifest_of(project)
    digest = next(iter(manifest.sources))
    with pytest.raises(ProtocolError, match="which is not offered"):
        push(
            lambda: manifest,
            Destination(host="box", project="p", run_uid="r"),
            lambda _: None,
            lambda _: messages.SyncWant([digest], last=False, encodings=[]),
        )


def test_host_that_asks_for_nothing_for_ever_is_refused(project: Path) -> None:
    with pytest.raises(ProtocolError, match="does not come to an end"):
        push(
            lambda: manifest_of(project),
            Destination(host="box", project="p", run_uid="r"),
            lambda _: None,
            lambda _: messages.SyncWant([], last=False, encodings=[]),
        )


def test_host_that_is_silent_is_an_error(project: Path) -> None:
    def receive(_: float) -> Any:
        raise TimeoutError

    destination = Destination(host="box", project="p", run_uid="r")
    with pytest.raises(SyncError, match="no answer within 600 s"):
        push(lambda: manifest_of(project), destination, lambda _: None, receive)


def test_host_that_is_lost_meanwhile_is_told_with_what_to_try(project: Path) -> None:
    answers = Answers("box")
    answers.end("ended by signal SIGKILL")
    destination = Destination(host="box", project="p", run_uid="r")
    with pytest.raises(HostLost) as lost:
        push(lambda: manifest_of(project), destination, lambda _: None, answers.get)
    assert lost.value.paragraph() == (
        "box: sync failed: ended by signal SIGKILL\n"
        "  try: the same again, once the host is there: what has arrived is not sent again"
    )


def test_host_that_says_something_else_is_an_error(project: Path) -> None:
    destination = Destination(host="box", project="p", run_uid="r")
    with pytest.raises(ProtocolError, match="SyncDone came where SyncWant was due"):
        push(
            lambda: manifest_of(project),
            destination,
            lambda _: None,
            lambda _: messages.SyncDone("/", []),
        )


@pytest.mark.parametrize("new", ["x = 2\n", "longer than it was\n", "", None])
def test_file_that_changes_after_it_was_read_is_named(
    project: Path, home: Path, new: str | None
) -> None:
    manifest = manifest_of(project)
    if new is None:
        (project / "module.py").unlink()
    else:
        (project / "module.py").write_text(new)
    with pytest.raises(SyncError, match=f"{project}/module.py is no longer what it was"):
        Host(home).push(manifest)


@pytest.mark.parametrize(
    "wrong",
    [
        [announce([])],
        [messages.SyncOpen("../x", "r", None, None)],
        [messages.SyncOpen("p", "r", None, None), messages.SyncCommit(held=True)],
        [
            messages.SyncOpen("p", "r", None, None),
            announce([["base/../../x", "d", 0o700]]),
        ],
        [
            messages.SyncOpen("p", "r", None, None),
            announce([["base", "d", 0o700]]),
            messages.SyncCommit(held=True),
            messages.Blob("0" * 64, last=True, data=b""),
        ],
        [
            messages.SyncOpen("p", "r", None, None),
            announce([["base", "d", 0o700], ["base/x", "f", 0o600, 1, "0" * 64, 0]]),
            messages.SyncCommit(held=True),
            messages.Blob("0" * 64, last=True, data=b"x"),
        ],
        [
            messages.SyncOpen("p", "r", None, None),
            announce([["base", "d", 0o700], ["base/x", "f", 0o600, 1, "0" * 64, 0]]),
            messages.SyncCommit(held=True),
            messages.Blob("0" * 64, last=False, data=b"xy"),
        ],
    ],
)
def test_receiver_refuses_what_no_controller_says(home: Path, wrong: list[Any]) -> None:
    host = Host(home)
    *before, last = [
        frames.encode_blobs([message])
        if isinstance(message, messages.Blob)
        else frames.encode([message])
        for message in wrong
    ]
    for frame in before:
        host.send(frame)
    with pytest.raises(messages.ProtocolError):
        host.send(last)
    host.receiver.release()
    assert list(home.rglob("x")) == []


def test_preview_tells_the_size_and_changes_nothing(project: Path, home: Path) -> None:
    host = Host(home)
    tree = host.push_and_release(manifest_of(project), project="p").tree
    before = snapshot(Path(tree) / "base")
    (project / "module.py").write_text("x = 12345\n")
    destination = Destination(host="box", project="p", run_uid="r")
    room, lacking = preview(manifest_of(project), destination, host.send, host.receive)
    assert lacking == Lacking(file_count=1, byte_count=10)
    assert room.place == str(home / ".cache")
    assert snapshot(Path(tree) / "base") == before


# -- a real interpreter at the other end ---------------------------------------------------------

SERVE = """
import struct, sys
sys.path.insert(0, sys.argv[1])
from pytest_remotest import frames, messages, slots
from pytest_remotest.receive import Receiver
def send(message):
    frame = frames.encode([message])
    sys.stdout.buffer.write(struct.pack("!I", len(frame)) + frame)
    sys.stdout.buffer.flush()
receiver = Receiver(send)
handlers = {
    messages.SyncOpen: receiver.open, messages.SyncManifest: receiver.manifest,
    messages.Blob: receiver.blob, messages.SyncCommit: receiver.commit,
}
while True:
    header = sys.stdin.buffer.read(4)
    if not header:
        break
    for message in frames.decode(sys.stdin.buffer.read(struct.unpack("!I", header)[0]))[1]:
        handlers[type(message)](message)
receiver.release()
"""


@pytest.mark.parametrize("name", ["3.6", "3.8", interpreters.PYPY])
def test_old_interpreter_in_the_c_locale_receives_odd_names(
    project: Path, home: Path, name: str
) -> None:
    python = interpreters.find_or_skip(name)
    (project / "ümlaut\n").write_text("ü")
    (project / os.fsdecode(b"not \xff utf-8")).write_text("x")
    (project / "link to it").symlink_to(os.fsdecode(b"not \xff utf-8"))
    (project / "empty").mkdir(mode=0o711)
    (project / "large").write_bytes(os.urandom(2_500_000))
    command = [str(python), "-B", "-c", SERVE, str(PLUGIN)]
    variables = {"HOME": str(home / "hömé"), "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=variables
    ) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def send(frame: bytes) -> None:
            stdin.write(len(frame).to_bytes(4, "big") + frame)
            stdin.flush()

        def receive(_: float) -> Any:
            size = int.from_bytes(stdout.read(4), "big")
            _, [message] = frames.decode(stdout.read(size))
            return message

        destination = Destination(host="box", project="p", run_uid="r")
        pushed = [push(lambda: manifest_of(project), destination, send, receive) for _ in range(2)]
        stdin.close()
        assert process.wait(30) == 0
    first, second = pushed
    assert (first.tree, second.sent_bytes) == (second.tree, 0)
    assert snapshot(Path(os.fsdecode(os.fsencode(first.tree))) / "base") == snapshot(project)
