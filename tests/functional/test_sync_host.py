"""A host's directories: private, never shared by two runs, never anybody else's."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from synctrees import Host, manifest_of, snapshot, trees_in

from pytest_remotest import cachefolder, holders, messages, slots
from remotest.errors import SyncError

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


# -- slots -------------------------------------------------------------------------------------


def test_two_runs_at_once_have_two_trees(project: Path, home: Path) -> None:
    first, second = Host(home), Host(home)
    one = first.push(manifest_of(project)).tree
    (project / "module.py").write_text("x = 2\n")
    two = second.push(manifest_of(project)).tree
    assert (Path(one).name, Path(two).name) == ("0", "1")
    assert (Path(one) / "base" / "module.py").read_text() == "x = 1\n"
    assert (Path(two) / "base" / "module.py").read_text() == "x = 2\n"
    first.receiver.release()
    second.receiver.release()
    assert Host(home).push(manifest_of(project)).tree == one


def test_tree_that_is_not_held_is_free_as_soon_as_it_is_there(project: Path, home: Path) -> None:
    first, second = Host(home), Host(home)
    tree = first.push(manifest_of(project), is_held=False).tree
    assert second.push(manifest_of(project)).tree == tree
    first.receiver.release()
    assert Host(home).push(manifest_of(project)).tree != tree


def test_two_projects_of_one_user_have_two_trees(project: Path, home: Path) -> None:
    one = Host(home).push(manifest_of(project), project="one-1").tree
    two = Host(home).push(manifest_of(project), project="two-2").tree
    assert [Path(tree).relative_to(trees_in(home / ".cache")) for tree in (one, two)] == [
        Path("one-1/0"),
        Path("two-2/0"),
    ]


def test_directories_are_private_whatever_the_umask(project: Path, home: Path) -> None:
    before = os.umask(0)
    try:
        tree = Path(Host(home).push(manifest_of(project)).tree)
    finally:
        os.umask(before)
    ours = [path for path in [tree, *tree.parents] if path.is_relative_to(home / ".cache/remotest")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in ours} == {0o700}


TAKE_AND_WAIT = """
import sys
sys.path.insert(0, sys.argv[1])
from pytest_remotest import slots
slot = slots.take_slot(sys.argv[2].encode(), "p", "run")
print(slot.path.decode(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other_process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has taken a slot and waits."""
    (tmp_path / "trees").mkdir()
    command = [sys.executable, "-B", "-c", TAKE_AND_WAIT, str(PLUGIN), str(tmp_path / "trees")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"{tmp_path}/trees/p/0\n"
        yield process
        process.kill()


def take(tmp_path: Path) -> Any:

    return slots.take_slot(os.fsencode(tmp_path / "trees"), "p", "run")


def test_slot_of_a_dead_process_is_free(
    tmp_path: Path, other_process: subprocess.Popen[str]
) -> None:
    second = take(tmp_path)
    assert second.path == os.fsencode(tmp_path / "trees/p/1")
    other_process.kill()
    other_process.wait()
    assert take(tmp_path).path == os.fsencode(tmp_path / "trees/p/0")


@pytest.mark.parametrize(
    ("change", "slot"),
    [
        ({"boot": "another"}, "0"),
        ({"start": "1"}, "0"),
        ({"pid": 2**22 + 1}, "0"),
        ({"machine": "another"}, "1"),
        ({"processes": "pid:[1]"}, "1"),
        ({}, "1"),
    ],
)
def test_who_may_still_run(tmp_path: Path, change: dict[str, Any], slot: str) -> None:
    """A holder that is certainly gone loses its slot; one that we cannot see keeps it."""

    (tmp_path / "trees").mkdir()
    first = take(tmp_path)
    owner = Path(os.fsdecode(first.state)) / "owner.1"
    owner.write_text(json.dumps({**json.loads(owner.read_text()), **change}))
    assert take(tmp_path).path == os.fsencode(tmp_path / "trees/p" / slot)


@pytest.mark.parametrize(("content", "age_s", "slot"), [("", 5, "1"), ("", 3600, "0")])
def test_owner_that_is_just_writing_its_name_is_waited_for(
    tmp_path: Path, content: str, age_s: int, slot: str
) -> None:
    (tmp_path / "trees").mkdir()
    first = take(tmp_path)
    owner = Path(os.fsdecode(first.state)) / "owner.1"
    owner.write_text(content)
    then = owner.stat().st_mtime - age_s
    os.utime(owner, (then, then))
    assert take(tmp_path).path == os.fsencode(tmp_path / "trees/p" / slot)


def test_many_processes_take_different_slots(tmp_path: Path) -> None:
    (tmp_path / "trees").mkdir()
    command = [sys.executable, "-B", "-c", TAKE_AND_WAIT, str(PLUGIN), str(tmp_path / "trees")]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    taken = [process.stdout.readline() for process in processes if process.stdout]
    for process in processes:
        process.communicate("")
    assert len(set(taken)) == 6


def test_process_that_was_too_slow_sees_that_others_came_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its look and its file a slot was taken, given back and taken by others."""
    (tmp_path / "trees").mkdir()
    take(tmp_path).release()
    create = holders.create

    def create_late(path: bytes, data: bytes) -> None:
        monkeypatch.setattr(holders, "create", create)
        take(tmp_path).release()
        assert take(tmp_path).path == os.fsencode(tmp_path / "trees/p/0")
        create(path, data)

    monkeypatch.setattr(holders, "create", create_late)
    assert take(tmp_path).path == os.fsencode(tmp_path / "trees/p/1")
    assert [path.name for path in (tmp_path / "trees/p/0/.remotest").iterdir()] == ["owner.3"]


def test_tree_is_kept_while_another_agent_of_the_run_holds_it(project: Path, home: Path) -> None:
    owner, other = Host(home), Host(home)
    tree = owner.push(manifest_of(project)).tree
    other.receiver.hold(messages.HoldTree(tree))
    owner.receiver.release()
    third = Host(home)
    assert third.push_and_release(manifest_of(project)).tree != tree
    other.receiver.release()
    assert third.push_and_release(manifest_of(project)).tree == tree
    assert list(other.answers) == []


def test_tree_that_its_owner_has_left_cannot_be_held(project: Path, home: Path) -> None:
    owner, other = Host(home), Host(home)
    tree = owner.push_and_release(manifest_of(project)).tree
    other.receiver.hold(messages.HoldTree(tree))
    assert list(other.answers) == [
        messages.SyncFailed(f"the run that made {tree} has left it", "run again")
    ]


# -- where the tree goes -------------------------------------------------------------------------


def test_cache_directories_in_the_order_of_preference(project: Path, home: Path) -> None:
    manifest = manifest_of(project)
    xdg = home / "xdg"
    named = Host(home, XDG_CACHE_HOME=str(xdg)).push(manifest, cache="~/named")
    by_xdg = Host(home, XDG_CACHE_HOME=str(xdg)).push(manifest)
    relative = Host(home, XDG_CACHE_HOME="relative").push(manifest)
    caches = [home / "named", xdg, home / ".cache"]
    for pushed, cache in zip([named, by_xdg, relative], caches, strict=True):
        assert Path(pushed.tree).is_relative_to(trees_in(cache))
        assert pushed.notes == ()


def test_home_that_cannot_be_written_is_told_and_passed_over(project: Path, home: Path) -> None:
    """/proc takes no new files, not even from root."""
    host = Host(Path("/proc/self"), XDG_CACHE_HOME=str(home / "file" / "x"))
    (home / "file").touch()
    project_name = f"test-{os.getpid()}"
    pushed = host.push(manifest_of(project), project=project_name)
    place = trees_in(Path(f"/var/tmp/remotest-{os.geteuid()}")) / project_name
    host.receiver.release()
    shutil.rmtree(place)
    assert Path(pushed.tree) == place / "0"
    assert [note.rpartition(":")[0] for note in pushed.notes] == [
        f"{home}/file/x cannot hold the tree",
        "/proc/self/.cache cannot hold the tree",
    ]


def test_named_cache_that_cannot_be_used_is_an_error(project: Path, home: Path) -> None:
    with pytest.raises(SyncError) as caught:
        Host(home).push(manifest_of(project), cache="/proc/self/x")
    assert str(caught.value).startswith("box: sync failed: /proc/self/x cannot hold the tree: ")
    assert caught.value.remedy == "name a directory that you may write to, with cache=DIR"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a directory of another user")
def test_cache_that_another_user_made_is_not_used(project: Path, home: Path) -> None:
    os.chown(home, 65534, 65534)
    foreign = home / "xdg" / "remotest"
    foreign.mkdir(parents=True)
    os.chown(foreign, 65534, 65534)
    pushed = Host(home, XDG_CACHE_HOME=str(home / "xdg")).push(manifest_of(project))
    assert Path(pushed.tree).is_relative_to(trees_in(home / ".cache"))
    assert pushed.notes == (f"{home}/xdg cannot hold the tree: {foreign} belongs to another user",)


@pytest.mark.parametrize("name", ["remotest", "remotest/v1", "remotest/v1/trees"])
def test_link_in_the_caches_place_is_not_followed(project: Path, home: Path, name: str) -> None:
    (home / "elsewhere").mkdir()
    link = home / "xdg" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(home / "elsewhere")
    pushed = Host(home, XDG_CACHE_HOME=str(home / "xdg")).push(manifest_of(project))
    assert Path(pushed.tree).is_relative_to(trees_in(home / ".cache"))
    assert snapshot(home / "elsewhere") == {}


def test_named_directory_gets_the_tree(project: Path, home: Path) -> None:
    host = Host(home)
    for given in ("runs/tree", "~/runs/tree", str(home / "runs/tree")):
        tree = host.push_and_release(manifest_of(project), directory=given).tree
        assert tree == str(home / "runs/tree")
    assert snapshot(home / "runs/tree/base") == snapshot(project)


def test_named_directory_with_files_of_the_user_is_refused(project: Path, home: Path) -> None:
    (home / "thesis").mkdir()
    (home / "thesis" / "chapter").write_text("mine")
    with pytest.raises(SyncError) as caught:
        Host(home).push(manifest_of(project), directory="thesis")
    assert str(caught.value) == (
        f"box: sync failed: {home}/thesis holds files that remotest did not put there; "
        "the tree would replace them\n"
        "  try: name an empty or new directory in chdir=, or leave chdir= out"
    )
    assert snapshot(home / "thesis") == {b"chapter": ("file", 0o644, b"mine")}


def test_named_directory_of_another_run_is_refused(project: Path, home: Path) -> None:
    first = Host(home)
    first.push(manifest_of(project), directory="tree")
    with pytest.raises(SyncError, match=f"is in use by another run: process {os.getpid()} on "):
        Host(home).push(manifest_of(project), directory="tree")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can play another user")
@pytest.mark.parametrize(
    ("kind", "refusal"),
    [
        ("link", "is a link or file"),
        ("file", "is a link or file"),
        ("directory", "belongs to another user"),
    ],
)
def test_what_another_user_put_there_first_is_not_used(
    tmp_path: Path, kind: str, refusal: str
) -> None:
    """In /var/tmp anybody may: a link would open what is ours, a directory show what we put in."""
    tmp_path.chmod(0o1777)
    ours = tmp_path / "ours"
    ours.mkdir(mode=0o500)
    place = tmp_path / "remotest-0"
    make = {
        "link": lambda: place.symlink_to(ours),
        "file": place.touch,
        "directory": lambda: place.mkdir(0o777),
    }
    make[kind]()
    os.lchown(place, 65534, 65534)
    with pytest.raises(OSError, match=f"{place} {refusal}"):
        cachefolder.make_private(bytes(place))
    assert ours.stat().st_mode & 0o777 == 0o500


def test_a_directory_of_ours_is_closed_to_others(tmp_path: Path) -> None:
    place = tmp_path / "ours"
    place.mkdir(0o755)
    cachefolder.make_private(bytes(place))
    assert place.stat().st_mode & 0o777 == 0o700
