"""A tree arrives as it is, the first time and every time after it."""

from __future__ import annotations

import hashlib
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from synctrees import Host, manifest_of, paths_of, snapshot, trees_in

from remotest.sync.plan import project_key

if TYPE_CHECKING:
    from remotest.sync.plan import Manifest

PROJECT: Final = project_key("/home/me/project", "laptop")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "project"
    path.mkdir()
    (path / "pkg").mkdir()
    (path / "pkg" / "module.py").write_text("x = 1\n")
    (path / "pkg" / "__init__.py").touch()
    (path / "pkg" / "empty.txt").touch()
    return path


@pytest.fixture
def host(tmp_path: Path) -> Host:
    home = tmp_path / "home"
    home.mkdir()
    return Host(home)


def base_of(tree: Path | str) -> Path:
    return Path(tree) / "base"


def write_same_stat(path: Path, content: str) -> None:
    """Change a file so that neither its size nor its mtime tell of it."""
    before = path.stat()
    assert len(content) == before.st_size
    path.write_text(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_everything_arrives_as_it_is(project: Path, host: Host) -> None:
    (project / "empty directory").mkdir(mode=0o750)
    (project / "script").write_text("#!/bin/sh\n")
    (project / "script").chmod(0o755)
    (project / "read-only").write_text("r")
    (project / "read-only").chmod(0o444)
    (project / "closed").mkdir()
    (project / "closed" / "inside").write_text("i")
    (project / "closed").chmod(0o555)
    (project / "pkg" / "link").symlink_to("module.py")
    (project / "up").symlink_to("./pkg/../pkg/module.py")
    (project / "loop").symlink_to(".")
    (project / "dangling").symlink_to("nowhere")
    (project / "new\nline and space ü").write_text("n")
    (project / ("n" * 255)).write_text("long")
    (project / "large").write_bytes(os.urandom(3 * 1024 * 1024 + 1))
    (project / os.fsdecode(b"not \xff utf-8")).mkdir()
    (project / os.fsdecode(b"not \xff utf-8") / os.fsdecode(b"\xc3")).write_text("x")
    (project / "to bytes").symlink_to(os.fsdecode(b"not \xff utf-8"))

    tree = host.push(manifest_of(project)).tree

    assert snapshot(base_of(tree)) == snapshot(project)
    assert base_of(tree).joinpath("pkg/module.py").stat().st_mtime_ns == (
        (project / "pkg/module.py").stat().st_mtime_ns
    )


def test_second_run_sends_nothing_and_has_the_same_tree(project: Path, host: Host) -> None:
    first = host.push_and_release(manifest_of(project))
    second = host.push_and_release(manifest_of(project))
    assert (first.sent_bytes, second.sent_bytes) == (6, 0)
    assert second.tree == first.tree
    assert snapshot(base_of(second.tree)) == snapshot(project)


@pytest.mark.parametrize(("index_is_younger_by_s", "sent_bytes"), [(10, 6), (1, 0)])
def test_index_is_believed_only_about_files_settled_before_it(
    project: Path, host: Host, index_is_younger_by_s: int, sent_bytes: int
) -> None:
    """A wrong digest in the index shows whether it was believed: the file is sent anew then."""
    tree = host.push_and_release(manifest_of(project)).tree
    index = Path(tree) / ".remotest" / "index.json"
    digest = hashlib.sha256((project / "pkg/module.py").read_bytes()).hexdigest()
    assert digest in index.read_text()
    index.write_text(index.read_text().replace(digest, "0" * 64))
    touched_ns = (base_of(tree) / "pkg/module.py").stat().st_ctime_ns
    os.utime(index, ns=(0, touched_ns + index_is_younger_by_s * 10**9))
    assert host.push_and_release(manifest_of(project)).sent_bytes == sent_bytes
    assert snapshot(base_of(tree)) == snapshot(project)


class CountingHost(Host):
    """Counts how often something is waited for that answers what was sent last."""

    round_trips = 0
    _has_sent = False

    def send(self, frame: bytes) -> None:
        self._has_sent = True
        super().send(frame)

    def receive(self, timeout_s: float) -> Any:
        self.round_trips += self._has_sent
        self._has_sent = False
        return super().receive(timeout_s)


def test_round_trips_of_a_sync(project: Path, host: Host) -> None:
    """A tree that is there costs one, however large; one that changed a little costs two."""

    def count(former: Manifest | None = None) -> tuple[int, Manifest]:
        manifest = replace(manifest_of(project), former=former.text if former else b"")
        counting = CountingHost(host.home)
        counting.push_and_release(manifest)
        assert snapshot(base_of(Path(trees_in(host.home / ".cache"), PROJECT, "0"))) == snapshot(
            project
        )
        return counting.round_trips, manifest

    for number in range(1000):
        (project / f"module_with_a_long_name_that_takes_room_{number}.py").write_text(f"{number}")
    first, manifest = count()
    unchanged = [count(former)[0] for former in (None, manifest)]
    (project / "pkg/module.py").write_text("x = 12345\n")
    (project / "pkg/empty.txt").unlink()
    little, _ = count(manifest)
    (project / "pkg/module.py").write_text("x = 123456\n")
    unknown, _ = count()
    assert (first, unchanged, little, unknown) == (3, [1, 1], 2, 3)


def test_a_tree_that_has_not_changed_is_not_touched(project: Path, host: Host) -> None:
    """The state of the slot neither, but for who has it."""
    tree = host.push_and_release(manifest_of(project)).tree
    index = Path(tree) / ".remotest" / "index.json"
    os.utime(index, ns=(0, index.stat().st_mtime_ns + 10**10))

    def stamps() -> dict[str, tuple[int, int, int]]:
        return {
            str(path): (path.lstat().st_ctime_ns, path.lstat().st_mtime_ns, path.lstat().st_ino)
            for path in [*Path(tree).rglob("*")]
            if not path.name.startswith("owner.") and path.name != ".remotest"
        }

    before = stamps()
    assert host.push_and_release(manifest_of(project)).tree == tree
    assert stamps() == before


def test_edit_of_same_size_and_time_arrives(project: Path, host: Host) -> None:
    host.push_and_release(manifest_of(project))
    write_same_stat(project / "pkg/module.py", "x = 2\n")
    tree = host.push_and_release(manifest_of(project)).tree
    assert snapshot(base_of(tree)) == snapshot(project)


@pytest.mark.parametrize("is_settled", [False, True])
def test_edit_on_the_host_of_same_size_and_time_is_undone(
    project: Path, host: Host, is_settled: bool
) -> None:
    tree = host.push_and_release(manifest_of(project)).tree
    if is_settled:
        index = Path(tree) / ".remotest" / "index.json"
        os.utime(index, ns=(0, index.stat().st_mtime_ns + 10**10))
    write_same_stat(base_of(tree) / "pkg/module.py", "x = 3\n")
    host.push_and_release(manifest_of(project))
    assert snapshot(base_of(tree)) == snapshot(project)


def test_changes_of_kind_mode_and_name_arrive(project: Path, host: Host) -> None:
    (project / "becomes directory").write_text("f")
    (project / "becomes file").mkdir()
    (project / "becomes file" / "deep").mkdir()
    (project / "becomes file" / "deep" / "er").write_text("d")
    (project / "becomes link").write_text("l")
    (project / "was link").symlink_to("pkg")
    (project / "leads elsewhere").symlink_to("pkg")
    (project / "directory link").symlink_to("pkg")
    (project / "mode").write_text("m")
    (project / "goes").write_text("g")
    (project / "closed").mkdir()
    (project / "closed" / "goes").write_text("g")
    (project / "closed").chmod(0o555)
    host.push_and_release(manifest_of(project))

    (project / "becomes directory").unlink()
    (project / "becomes directory").mkdir()
    (project / "becomes directory" / "f").write_text("f")
    (project / "becomes file" / "deep" / "er").unlink()
    (project / "becomes file" / "deep").rmdir()
    (project / "becomes file").rmdir()
    (project / "becomes file").write_text("f")
    (project / "becomes link").unlink()
    (project / "becomes link").symlink_to("mode")
    (project / "was link").unlink()
    (project / "was link").write_text("f")
    (project / "leads elsewhere").unlink()
    (project / "leads elsewhere").symlink_to("mode")
    (project / "directory link").unlink()
    (project / "directory link").mkdir()
    (project / "directory link" / "module.py").write_text("not the one in pkg\n")
    (project / "mode").chmod(0o600)
    (project / "goes").rename(project / "came")
    (project / "closed").chmod(0o755)
    (project / "closed" / "goes").unlink()
    (project / "closed").chmod(0o555)
    tree = host.push_and_release(manifest_of(project)).tree

    assert snapshot(base_of(tree)) == snapshot(project)


def test_new_time_of_an_old_content_arrives(project: Path, host: Host) -> None:
    host.push_and_release(manifest_of(project))
    os.utime(project / "pkg/module.py", ns=(0, 10**18 + 7))
    pushed = host.push_and_release(manifest_of(project))
    assert (base_of(pushed.tree) / "pkg/module.py").stat().st_mtime_ns == 10**18 + 7
    assert pushed.sent_bytes == 0


def test_files_that_a_test_made_one_are_two_again(project: Path, host: Host) -> None:
    (project / "pkg" / "copy.py").write_text("x = 1\n")
    tree = host.push_and_release(manifest_of(project)).tree
    (base_of(tree) / "pkg/copy.py").unlink()
    os.link(base_of(tree) / "pkg/module.py", base_of(tree) / "pkg/copy.py")
    host.push_and_release(manifest_of(project))
    assert snapshot(base_of(tree)) == snapshot(project)
    assert (base_of(tree) / "pkg/copy.py").stat().st_nlink == 1


def test_what_tests_left_on_the_host_goes(project: Path, host: Host) -> None:
    tree = host.push_and_release(manifest_of(project)).tree
    elsewhere = host.home / "precious"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("mine")
    (base_of(tree) / "pkg" / "way out").symlink_to(elsewhere)
    (base_of(tree) / "results" / "deep").mkdir(parents=True)
    (base_of(tree) / "results" / "deep" / "out.txt").write_text("o")
    (base_of(tree) / "results").chmod(0)
    os.mkfifo(base_of(tree) / "fifo")
    (Path(tree) / "outside").mkdir()
    os.link(base_of(tree) / "pkg/module.py", base_of(tree) / "second name")
    host.push_and_release(manifest_of(project))
    assert snapshot(base_of(tree)) == snapshot(project)
    assert not (Path(tree) / "outside").exists()
    assert snapshot(elsewhere) == {b"file": ("file", 0o644, b"mine")}


def test_a_link_put_in_a_directorys_place_leads_nowhere(project: Path, host: Host) -> None:
    tree = host.push_and_release(manifest_of(project)).tree
    elsewhere = host.home / "precious"
    (base_of(tree) / "pkg").rename(elsewhere)
    (base_of(tree) / "pkg").symlink_to(elsewhere)
    (elsewhere / "module.py").write_text("mine")
    before = snapshot(elsewhere)
    host.push_and_release(manifest_of(project))
    assert snapshot(base_of(tree)) == snapshot(project)
    assert snapshot(elsewhere) == before


def test_bytecode_stays_only_beside_unchanged_sources(project: Path, host: Host) -> None:
    (project / "pkg" / "other.py").write_text("y = 1\n")
    (project / "pkg" / "gone.py").write_text("z = 1\n")
    tree = host.push_and_release(manifest_of(project)).tree
    cache = base_of(tree) / "pkg" / "__pycache__"
    cache.mkdir()
    kept = ["module.cpython-39.pyc", "module.cpython-39.opt-1.pyc", "module.pypy39-pytest-8.pyc"]
    stale = ["other.cpython-39.pyc", "gone.cpython-39.pyc", "module.cpython-39.pyc.1234", "x.txt"]
    for name in [*kept, *stale]:
        (cache / name).write_text("bytecode")
    (project / "pkg" / "gone.py").unlink()
    write_same_stat(project / "pkg" / "other.py", "y = 2\n")
    host.push_and_release(manifest_of(project))
    assert sorted(path.name for path in cache.iterdir()) == sorted(kept)


def test_interrupted_sync_leaves_no_torn_file_and_the_next_completes_it(
    project: Path, host: Host
) -> None:
    old, new = b"o" * 5_000_000, b"n" * 6_000_000
    (project / "large").write_bytes(old)
    tree = host.push_and_release(manifest_of(project)).tree

    class CutError(Exception):
        pass

    class CutHost(Host):
        def send(self, frame: bytes) -> None:
            if sum(type(message).__name__ == "Blob" for message in self.sent) == 3:
                raise CutError
            super().send(frame)

    (project / "large").write_bytes(new)
    cut = CutHost(host.home)
    with pytest.raises(CutError):
        cut.push(manifest_of(project))
    assert not (base_of(tree) / "large").exists()
    cut.receiver.release()

    assert host.push_and_release(manifest_of(project)).tree == tree
    assert snapshot(base_of(tree)) == snapshot(project)
    assert sorted(path.name for path in (Path(tree) / ".remotest").iterdir()) == [
        "index.json",
        "manifest",
        "owner.3",
    ]


def test_special_files_stay_home_with_a_note(project: Path) -> None:
    os.mkfifo(project / "pipe")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(project / "socket"))
    manifest = manifest_of(project)
    listener.close()
    assert paths_of(manifest) == ["pkg/__init__.py", "pkg/empty.txt", "pkg/module.py"]
    assert manifest.notes == (
        f"{project}/pipe stays home: it is a FIFO",
        f"{project}/socket stays home: it is a socket",
    )


def test_link_out_of_the_tree_arrives_with_a_note(project: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("e")
    (project / "out").symlink_to("../elsewhere")
    (project / "absolute").symlink_to(tmp_path / "elsewhere")
    manifest = manifest_of(project)
    targets = {entry.path: entry.target for entry in manifest.entries if entry.kind == "l"}
    assert targets == {
        "base/absolute": str(tmp_path / "elsewhere"),
        "base/out": "../elsewhere",
    }
    assert sorted(manifest.notes) == [
        f"{project}/absolute is a link to {tmp_path}/elsewhere, which does not travel",
        f"{project}/out is a link to ../elsewhere, which does not travel",
    ]


def test_absolute_link_within_the_tree_leads_to_the_same_file(project: Path, host: Host) -> None:
    (project / "pkg" / "absolute").symlink_to(project / "pkg" / "module.py")
    manifest = manifest_of(project)
    tree = host.push(manifest).tree
    assert manifest.notes == ()
    assert (base_of(tree) / "pkg" / "absolute").readlink() == Path("module.py")


def test_setuid_and_sticky_bits_do_not_travel(project: Path, host: Host) -> None:
    (project / "script").write_text("s")
    (project / "script").chmod(0o6755)
    (project / "shared").mkdir()
    (project / "shared").chmod(0o1777)
    base = base_of(host.push(manifest_of(project)).tree)
    assert (base / "script").stat().st_mode & 0o7777 == 0o755
    assert (base / "shared").stat().st_mode & 0o7777 == 0o777
