"""Which files of a project travel: named directories, what git sees, all but junk."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from synctrees import manifest_of, paths_of, request_of

from remotest.sync.manifest import ManifestBuilder
from remotest.sync.plan import Manifest, lay_out
from remotest.sync.scan import scan, survey

if TYPE_CHECKING:
    from collections.abc import Iterator

GIT_SETTINGS = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project; what is above it is no repository of anybody."""
    for name, value in GIT_SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    path = tmp_path / "project"
    path.mkdir()
    return path


def write(base: Path, *names: str) -> None:
    for name in names:
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(name))


def git(directory: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "protocol.file.allow=always", *arguments],
        cwd=directory,
        check=True,
        capture_output=True,
    )


def directories_of(manifest: Manifest) -> list[str]:
    return [entry.path for entry in manifest.entries if entry.kind == "d"]


# -- named directories ----------------------------------------------------------------------


def test_named_directories_travel_with_what_configures_their_tests(project: Path) -> None:
    write(project, "tox.ini", "setup.cfg", ".coveragerc", "conftest.py", "README", "docs/a")
    write(project, "src/pkg/__init__.py", "src/pkg/sub/__init__.py", "src/pkg/sub/a.py")
    write(project, "src/conftest.py", "src/pkg/other.py", "tests/a.py", "other/tests/a.py")
    manifest = manifest_of(project, named=[project / "src/pkg/sub", project / "tests"])
    assert paths_of(manifest) == [
        ".coveragerc",
        "conftest.py",
        "setup.cfg",
        "src/conftest.py",
        "src/pkg/__init__.py",
        "src/pkg/sub/__init__.py",
        "src/pkg/sub/a.py",
        "tests/a.py",
        "tox.ini",
    ]


def test_defaults_rules_and_secrets_in_a_named_directory(project: Path) -> None:
    write(project, "a/x.py", "a/x.pyc", "a/x.py~", "a/.hidden/x", "a/.git/x", "a/.env", "a/y.pem")
    write(project, "a/__pycache__/x.cpython-39.pyc", "a/build/x", "a/log/a.log", "a/log/keep.log")
    write(project, "a/.github/x", "a/z.pem")
    rules = ["*.log", "!keep.log", "a/build", "!.github", "!z.pem"]
    manifest = manifest_of(project, named=[project / "a"], rules=rules)
    assert paths_of(manifest) == ["a/.github/x", "a/log/keep.log", "a/x.py", "a/z.pem"]
    assert manifest.secrets == ("a/.env", "a/y.pem")


def test_absolute_rule_as_pytest_makes_them_of_paths(project: Path) -> None:
    write(project, "doc/_build/x", "doc/x", "other/doc/_build/x")
    manifest = manifest_of(project, named=[project], rules=[str(project / "doc/_build")])
    assert paths_of(manifest) == ["doc/x", "other/doc/_build/x"]


def test_a_named_root_is_never_ignored_itself(project: Path) -> None:
    write(project, ".hidden/x", ".env", "a/.env")
    named = [project / ".hidden", project / ".env", project / "a"]
    manifest = manifest_of(project, named=named)
    assert paths_of(manifest) == [".env", ".hidden/x"]
    assert manifest.secrets == ("a/.env",)


@pytest.mark.parametrize("marker", ["pyvenv.cfg", "conda-meta/history"])
def test_virtual_environments_stay_home(project: Path, marker: str) -> None:
    write(project, "a/x.py", f"a/env/{marker}", "a/env/lib/x.py")
    manifest = manifest_of(project, named=[project / "a"])
    assert paths_of(manifest) == ["a/x.py"]
    assert manifest.notes == (f"{project}/a/env stays home: it is a virtual environment",)


def test_roots_of_the_same_name_outside_do_not_collide(project: Path, tmp_path: Path) -> None:
    write(tmp_path, "one/tests/a.py", "two/tests/a.py", "project/tests/a.py")
    named = [tmp_path / "one/tests", tmp_path / "two/tests", project / "tests"]
    files = [entry.path for entry in manifest_of(project, named=named).entries if entry.size]
    assert len(files) == 3
    assert sorted(path.split("/", 1)[0] for path in files) == ["base", "outside", "outside"]
    assert {path.split("/", 2)[2] for path in files} == {"tests/a.py", "a.py"}


def test_a_package_outside_keeps_what_makes_it_one(project: Path, tmp_path: Path) -> None:
    write(tmp_path, "lib/pkg/__init__.py", "lib/pkg/sub/__init__.py", "lib/pkg/other.py")
    write(tmp_path, "lib/conftest.py", "conftest.py")
    request = request_of(project, named=[tmp_path / "lib/pkg/sub"])
    found = survey(request)
    files = [entry.path for entry in scan(request, found).entries if entry.size]
    top = found.layout.locate(str(tmp_path / "lib"))
    assert files == [
        f"{top}/conftest.py",
        f"{top}/pkg/__init__.py",
        f"{top}/pkg/sub/__init__.py",
    ]


def test_arguments_travel_with_what_lies_beside_them(project: Path, tmp_path: Path) -> None:
    write(project, "mypkg/a.py", "tests/conftest.py", "tests/unit/test_a.py", "docs/a")
    write(tmp_path, "lib/tests/test_b.py", "lib/other")
    request = request_of(
        project,
        named=[project / "mypkg"],
        arguments=(str(project / "tests/unit/test_a.py"), str(tmp_path / "lib/tests")),
    )
    found = survey(request)
    outside = found.layout.locate(str(tmp_path / "lib"))
    assert paths_of(scan(request, found)) == [
        "mypkg/a.py",
        "tests/conftest.py",
        "tests/unit/test_a.py",
        f"{outside}/tests/test_b.py",
    ]


def test_the_place_where_pytest_is_started_exists(project: Path) -> None:
    write(project, "docs/deep/x", "tests/a.py")
    request = request_of(project, named=[project / "tests"])
    request = type(request)(
        base=request.base,
        root_dir=request.root_dir,
        invocation_dir=f"{project}/docs/deep",
        named=request.named,
    )
    assert directories_of(scan(request, survey(request))) == [
        "base",
        "base/docs",
        "base/docs/deep",
        "base/tests",
    ]


def test_project_reached_through_a_link(project: Path, tmp_path: Path) -> None:
    write(project, "tests/a.py")
    (tmp_path / "link").symlink_to("project")
    link = tmp_path / "link"
    request = request_of(link, named=[link / "tests"])
    found = survey(request)
    assert paths_of(scan(request, found)) == ["tests/a.py"]
    assert found.layout.locate(f"{link}/tests/a.py") == "base/tests/a.py"
    assert found.layout.locate(f"{project}/tests/a.py") == "base/tests/a.py"


# -- the whole project -----------------------------------------------------------------------


def test_without_git_all_but_junk_travels(project: Path) -> None:
    write(project, "a.py", "pkg/build/__init__.py", "build/lib/a.py", "dist/a.whl", ".tox/x")
    write(project, "node_modules/x.js", "htmlcov/x", "sub/node_modules/x.js", ".env", "a.pem")
    write(project, ".venv/pyvenv.cfg", ".coveragerc", "pkg.egg-info/entry_points.txt")
    (project / "empty").mkdir()
    manifest = manifest_of(project)
    assert paths_of(manifest) == [
        ".coveragerc",
        "a.py",
        "pkg.egg-info/entry_points.txt",
        "pkg/build/__init__.py",
    ]
    assert "base/empty" in directories_of(manifest)
    assert manifest.secrets == (".env", "a.pem")


def test_with_git_what_it_sees_travels(project: Path) -> None:
    git(project, "init", "-q")
    (project / ".gitignore").write_text("ignored/\n*.log\n_version.py\n")
    write(project, "a.py", "deleted.py", ".github/x", "build/tracked", "data/x\ny")
    write(project, os.fsdecode(b"odd\xff name"))
    git(project, "add", ".")
    git(project, "commit", "-qm", "x")
    (project / "deleted.py").unlink()
    write(project, "new/b.py", "new/x.log", "ignored/x", "a.log", "pkg/_version.py", ".cache/x")
    write(project, "new/__pycache__/b.pyc", ".env", "new/id_rsa", "env/pyvenv.cfg", "env/x.py")
    (project / "tracked link").symlink_to("data")
    (project / "new" / "empty" / "deep").mkdir(parents=True)
    manifest = manifest_of(project)
    assert paths_of(manifest) == [
        ".github/x",
        ".gitignore",
        "a.py",
        "build/tracked",
        "data/x\ny",
        "new/b.py",
        "odd\udcff name",
        "tracked link",
    ]
    assert directories_of(manifest) == [
        *("base", "base/.github", "base/build", "base/data"),
        *("base/new", "base/new/empty", "base/new/empty/deep", "base/pkg"),
    ]
    assert manifest.secrets == (".env", "new/id_rsa")
    assert manifest.notes == (
        f"{project}/env stays home: it is a virtual environment",
        (
            "stays home, because git ignores it: pkg/_version.py "
            "(to send it, add the rule !NAME to rsyncignore)"
        ),
    )


def test_with_git_a_secret_stays_home_even_if_it_is_tracked(project: Path) -> None:
    git(project, "init", "-q")
    write(project, "tests/server.pem", "tests/client.pem", ".env")
    git(project, "add", "-f", ".")
    manifest = manifest_of(project, rules=["!client.pem"])
    assert (paths_of(manifest), manifest.secrets) == (
        ["tests/client.pem"],
        (".env", "tests/server.pem"),
    )


def test_with_git_a_rule_takes_ignored_files_along(project: Path) -> None:
    git(project, "init", "-q")
    (project / ".gitignore").write_text("_version.py\ngenerated/\n")
    git(project, "add", ".")
    write(project, "pkg/a.py", "pkg/_version.py", "generated/x", "generated/y.pyc")
    manifest = manifest_of(project, rules=["!_version.py", "!generated/", "pkg/a.py"])
    assert paths_of(manifest) == [".gitignore", "generated/x", "pkg/_version.py"]
    assert manifest.notes == ()


def test_with_git_submodules_and_nested_repositories_travel(project: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    write(other, "lib.py", ".gitignore")
    (other / ".gitignore").write_text("*.log")
    git(other, "add", ".")
    git(other, "commit", "-qm", "x")
    git(project, "init", "-q")
    git(project, "submodule", "add", "-q", str(other), "fetched")
    git(project, "submodule", "add", "-q", str(other), "absent")
    git(project, "commit", "-qm", "x")
    git(project, "submodule", "--quiet", "deinit", "--force", "absent")
    git(other, "clone", "-q", str(other), str(project / "nested"))
    write(project, "fetched/new.py", "fetched/x.log", "nested/x.log")
    manifest = manifest_of(project)
    assert paths_of(manifest) == [
        ".gitmodules",
        "fetched/.gitignore",
        "fetched/lib.py",
        "fetched/new.py",
        "nested/.gitignore",
        "nested/lib.py",
    ]
    assert "base/absent" in directories_of(manifest)


def test_with_git_a_directory_replaced_by_a_link_is_a_link(project: Path) -> None:
    git(project, "init", "-q")
    write(project, "a/x", "b/x")
    git(project, "add", ".")
    (project / "a" / "x").unlink()
    (project / "a").rmdir()
    (project / "a").symlink_to("b")
    assert paths_of(manifest_of(project)) == ["a", "b/x"]


def test_a_tree_that_git_ignores_is_no_repository(project: Path) -> None:
    git(project, "init", "-q")
    (project / ".gitignore").write_text("*")
    write(project, "inner/a.py")
    assert paths_of(manifest_of(project / "inner")) == ["a.py"]


def test_git_is_not_led_astray(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the variables of a hook that pytest runs in, or to run what the repository names."""
    git(project, "init", "-q")
    write(project, "a.py")
    git(project, "config", "core.fsmonitor", f"touch {tmp_path}/was-run; false")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    assert paths_of(manifest_of(project)) == ["a.py"]
    assert not (tmp_path / "was-run").exists()


def test_git_that_does_not_work_is_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(project, "init", "-q")
    write(project, "a.py", "build/x")
    monkeypatch.setenv("PATH", str(project))
    manifest = manifest_of(project)
    assert paths_of(manifest) == ["a.py"]
    [note] = manifest.notes
    assert note.startswith(f"git cannot list {project}, so all but the usual junk is sent: ")


# -- what cannot be read -----------------------------------------------------------------------

# -- extension modules --------------------------------------------------------------------

FOR_311 = ".cpython-311-x86_64-linux-gnu.so"
FOR_39 = ".cpython-39-x86_64-linux-gnu.so"


def test_extension_modules_travel_to_interpreters_that_import_them(project: Path) -> None:
    write(project, "a/x.py", f"a/x{FOR_311}", f"a/x{FOR_39}", "a/y.abi3.so", "a/z.so")
    manifest = manifest_of(project, named=[project / "a"])
    neither = [f"a/x{FOR_311}", f"a/x{FOR_39}", "a/y.abi3.so"]

    for suffixes, left_out in {
        (FOR_311, FOR_39): [],
        (FOR_311,): [f"a/x{FOR_39}"],
        (".pypy39-pp73-x86_64-linux-gnu.so",): neither,
    }.items():
        there = manifest.for_interpreters(suffixes)
        assert sorted({*paths_of(manifest)} - {*paths_of(there)}) == left_out
        assert {entry.digest for entry in there.entries if entry.size} == set(there.sources)


def test_extension_modules_and_git(project: Path) -> None:
    """What is built in place is nothing for git; what git tracks is data of somebody's tests."""
    write(project, f"tests/data/old{FOR_39}", "pkg/__init__.py", "pkg/x.c")
    (project / ".gitignore").write_text("*.so\nbuild/\n")
    git(project, "init", "--quiet")
    git(project, "add", "--force", ".")
    git(project, "commit", "--quiet", "--message", "all")
    write(project, f"pkg/x{FOR_311}", f"pkg/x{FOR_39}", "pkg/libz.so", f"build/lib/pkg/x{FOR_39}")

    manifest = manifest_of(project)

    paths = [".gitignore", "pkg/__init__.py", "pkg/x.c", f"tests/data/old{FOR_39}"]
    assert paths_of(manifest.for_interpreters([])) == paths
    assert paths_of(manifest.for_interpreters([FOR_311])) == sorted([*paths, f"pkg/x{FOR_311}"])


def test_rules_decide_on_extension_modules(project: Path) -> None:
    write(project, f"a/x{FOR_311}", f"a/y{FOR_311}")
    for rules, paths in ((["!x.*"], [f"a/x{FOR_311}"]), (["*.so"], [])):
        manifest = manifest_of(project, named=[project / "a"], rules=rules)
        assert paths_of(manifest.for_interpreters([])) == paths


READ_AS_ANOTHER_USER = """
import os, sys
from pathlib import Path
from remotest.errors import SyncError
from synctrees import manifest_of
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
base = Path(sys.argv[1])
try:
    manifest_of(base, named=[base])
except SyncError as error:
    print(error)
"""


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that other users can reach, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name).resolve()
        path.chmod(0o755)
        yield path


def test_unreadable_files_are_an_error_that_lists_them(open_directory: Path) -> None:
    project = open_directory / "project"
    write(project, "a.py", "closed.py", "closed/inside", "z/closed.txt", ".ignored")
    for name in ("closed.py", "closed", "z/closed.txt", ".ignored"):
        (project / name).chmod(0)
    answer = subprocess.run(
        [sys.executable, "-B", "-c", READ_AS_ANOTHER_USER, str(project)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert answer.stdout == (
        "this machine: reading the tree failed: 3 of the files to be sent cannot be read\n"
        f"    {project}/closed: Permission denied\n"
        f"    {project}/closed.py: Permission denied\n"
        f"    {project}/z/closed.txt: Permission denied\n"
        "  try: make them readable, or leave them out with rsyncignore\n"
    )


def test_a_file_that_vanishes_while_it_is_listed_counts_as_deleted(tmp_path: Path) -> None:
    """A name that git tracks is known before the file is read."""
    write(tmp_path, "a.py")
    builder = ManifestBuilder(lay_out(str(tmp_path), []))
    builder.add(f"{tmp_path}/a.py")
    builder.add(f"{tmp_path}/gone.py")
    builder.add(f"{tmp_path}/a.py/no directory")
    manifest = builder.finish()
    assert paths_of(manifest) == ["a.py"]
    assert manifest.notes == (
        f"{tmp_path}/gone.py was deleted while it was read",
        f"{tmp_path}/a.py/no directory was deleted while it was read",
    )
