"""A manifest is a tree: what is in it lies in a directory that is in it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from synctrees import manifest_of, paths_of

from pytest_remotest.entries import check_tree
from remotest.sync.ahead import Ahead
from remotest.sync.manifest import ManifestBuilder
from remotest.sync.plan import lay_out

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "project"
    path.mkdir()
    return path


def write(base: Path, *names: str) -> None:
    for name in names:
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(name))


@pytest.mark.parametrize(
    ("root", "python_path"),
    [("/etc", []), ("/usr/lib", []), ("/usr/lib", ["/usr", "/"]), ("/usr/lib", ["/"])],
)
def test_what_holds_a_root_outside_is_in_the_tree_wherever_it_is(
    project: Path, root: str, python_path: list[str]
) -> None:
    layout = lay_out(str(project), [str(project), "/opt", root], python_path=python_path)
    for others in ([], ["/opt"]):
        builder = ManifestBuilder(layout)
        for path in [root, *others, str(project)]:
            builder.add(path)
        tree = check_tree(builder.finish().entries)
        assert {layout.locate(path) for path in [root, *others]} <= set(tree)


def test_directory_that_becomes_a_link_while_it_is_read_is_not_followed(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project, "a/x.py", "a/data/y.py")
    write(tmp_path, "elsewhere/diary")

    class LateBuilder(ManifestBuilder):
        def list_directory(self, path: str) -> list[tuple[str, bool]]:
            found = super().list_directory(path)
            if path == f"{project}/a":
                (project / "a/data").rename(tmp_path / "former")
                (project / "a/data").symlink_to(tmp_path / "elsewhere")
            return found

    monkeypatch.setattr("remotest.sync.scan.ManifestBuilder", LateBuilder)
    ahead = Ahead(host_count=1)

    manifest = manifest_of(project, named=[project / "a"], ahead=ahead)

    assert paths_of(manifest) == ["a/data", "a/x.py"]
    [group] = ahead.take()
    assert [entry.path for entry in group.entries] == ["base", "base/a", "base/a/x.py"]


def test_what_has_lost_its_directory_is_not_in_the_tree(project: Path) -> None:
    write(project, "a/x.py")
    (project / "link").symlink_to("a")
    builder = ManifestBuilder(lay_out(str(project), [str(project)]))
    builder.add(f"{project}/a")
    builder.add(f"{project}/link/x.py")
    manifest = builder.finish()
    assert paths_of(manifest) == ["link"]
    assert manifest.notes == (f"{project}/link/x.py was deleted while it was read",)


def test_a_root_may_be_a_file(project: Path) -> None:
    write(project, "tests/a.py", "tests/b.py")
    manifest = manifest_of(project, named=[project / "tests/a.py"])
    assert (paths_of(manifest), manifest.notes) == (["tests/a.py"], ())
