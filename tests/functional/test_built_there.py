"""Wheels that are built on a host: dependencies without a wheel, and the project's own modules."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import interpreters
import leftovers
import nativesources
import needs
import packageindex
import pytest
from envhosts import KEY, Host, HostProcess
from overlays import target_of
from packageindex import PackageIndex
from resolveworld import World, filenames

from pytest_remotest import messages
from remotest.env.key import environment_key
from remotest.env.model import Contents, HostBuild, Source, Wanted
from remotest.env.project import make_overlay
from remotest.env.resolve import Request, Resolved, resolve
from remotest.errors import EnvError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from remotest.env.model import CompiledProject, Target

OTHER = "3.9"
"""Another interpreter than any that can run the controller."""


@pytest.fixture(autouse=True)
def compiler() -> None:
    needs.program("cc")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with PackageIndex() as index:
        (tmp_path / "world").mkdir()
        yield World.alone(index, tmp_path / "world", "uv", monkeypatch)


def resolved(
    world: World, target: Target, *requirements: str, compiled: tuple[CompiledProject, ...] = ()
) -> Resolved:
    """Return what an interpreter is given that has a compiler."""
    request = Request(
        target=target,
        wanted=Wanted(source="the test", requirements=requirements),
        builds_there=True,
        compiled=compiled,
    )
    answer = resolve({"box": request}, cache=world.cache, tools=world.tools)["box"]
    assert isinstance(answer, Resolved), answer
    return answer


def contents_of(target: Target, given: Resolved, builds: tuple[HostBuild, ...]) -> Contents:
    digests = [wheel.sha256 for wheel in given.wheels] + [build.key for build in builds]
    return Contents(
        key=environment_key(target, digests), wheels=given.wheels, builds=builds, tags=target.tags
    )


def run(python: Path, code: str) -> str:
    command = [python, "-c", code]
    return subprocess.check_output(command, text=True, cwd="/", env={}).strip()


def test_a_dependency_without_a_wheel_is_built_once(world: World, home: Path) -> None:
    """With what its backend needs, which it says when it is asked, and which comes as wheels."""
    python = interpreters.find_or_skip(OTHER)
    target = target_of(python)
    asked = """
        from importlib import metadata

        metadata.version("helper")

        def get_requires_for_build_wheel(config_settings=None):
            return ["second; python_version == '3.9'", "third; python_version > '3.9'"]

        def build_wheel(*arguments, build_wheel=build_wheel):
            if sys.version_info[:2] == (3, 9):
                metadata.version("second")
            return build_wheel(*arguments)
        """
    sources = nativesources.files(backend=asked, requires='"helper"')
    world.index.add_archive("fast", "1.0", nativesources.archive(sources))
    for name in ("helper", "second", "third", "demo"):
        world.index.add(name, "1.0")

    given = resolved(world, target, "fast", "demo")

    (build,) = given.builds
    assert filenames(given) == ["demo-1.0-py3-none-any.whl"]
    assert build.notes == ()
    assert [wheel.name for wheel in build.requires] == ["helper", "second"]
    assert "its source gives fast-1.0-" in build.reason
    assert resolved(world, target, "fast", "demo") == replace(given, cached=True)
    with HostProcess(home, python) as host:
        contents = contents_of(target, given, given.builds)
        first = host.bring(contents)
        (built,) = (home / ".cache/remotest/v1/received" / build.key).iterdir()
        file_number = built.stat().st_ino
        again = host.bring(contents)
        other = host.bring(replace(contents, key="0" * 32, wheels=()))
        print_answer = "import fast; print(fast.answer())"
        assert run(Path(first.folder, "bin", "python"), print_answer) == "42"
    assert first.packages == {"demo": "1.0", "fast": "1.0"}
    assert (first.was_built, again.was_built, other.was_built) == (True, False, True)
    files = (*given.wheels, build.source, *build.requires)
    assert first.sent_bytes == sum(file.size_bytes for file in files)
    assert (again.sent_bytes, other.sent_bytes) == (0, 0)
    assert built.stat().st_ino == file_number, "it was built a second time"
    assert built.name.startswith("fast-1.0-cp39-cp39-")


def test_without_being_asked_for_nothing_is_built_there(world: World) -> None:
    world.index.add_archive("fast", "1.0", nativesources.archive(nativesources.files()))
    answer = world.resolve("fast", targets={"old": packageindex.target("3.6")})["old"]
    assert isinstance(answer, EnvError)
    assert "fast 1.0 has no wheel for CPython 3.6.9" in answer.cause
    assert "have it built on the host with wheels=remote" in answer.remedy


def test_a_host_without_a_compiler_is_told_and_keeps_nothing(world: World, home: Path) -> None:
    python = interpreters.find_or_skip(OTHER)
    target = target_of(python)
    world.index.add_archive("fast", "1.0", nativesources.archive(nativesources.files()))
    given = resolved(world, target, "fast")
    with HostProcess(home, python, {"CC": "/nonexistent/cc"}) as host:
        with pytest.raises(EnvError) as caught:
            host.bring(contents_of(target, given, given.builds))
        error = caught.value
        assert (error.host, error.phase) == ("box", "build")
        assert error.cause == "fast 1.0: its build backend ended with exit code 1"
        assert error.stderr.splitlines()[0] == "compiling fast"
        assert error.stderr.endswith("No such file or directory: '/nonexistent/cc'")
        assert error.remedy.startswith("see that a compiler, the headers of this Python")
        assert host.bring(Contents(key=KEY)).was_built, "the next one is not touched by it"
    assert not (home / ".cache/remotest/v1/received" / given.builds[0].key).exists()
    assert [path.name[:4] for path in (home / ".cache/remotest/v1/envs").iterdir()] == [KEY[:4]]


# -- what may come of a build ----------------------------------------------------------------------


def build_of(folder: Path, backend: str, version: str = "1.0") -> Contents:
    """Return an environment of one wheel that is built for the interpreter that runs this."""
    content = nativesources.archive(nativesources.files(backend=backend))
    path = folder / "fast-1.0.tar.gz"
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    source = Source(filename=path.name, sha256=digest, size_bytes=len(content), path=path)
    build = HostBuild(
        name="fast",
        version=version,
        is_exact=True,
        key="ab" * 32,
        source=source,
        backend="backend",
        backend_path=(".",),
        requires=(),
        variables={},
        reason="",
    )
    return Contents(key=KEY, builds=(build,), tags=target_of(Path(sys.executable)).tags)


OTHERS_WHEEL = """
    def build_wheel(wheel_directory, *rest):
        global NAME
        NAME = "other"
        return wheel(wheel_directory, "py3-none-any", {})
    """
FOREIGN_WHEEL = """
    def build_wheel(wheel_directory, *rest):
        return wheel(wheel_directory, "cp27-none-win32", {})
    """
NO_WHEEL = """
    def build_wheel(wheel_directory, *rest):
        open(wheel_directory + "/fast-1.0-py3-none-any.whl", "w").close()
    """
NOTHING = """
    def build_wheel(wheel_directory, *rest):
        print("nothing to do")
    """


@pytest.mark.parametrize(
    ("backend", "version", "cause"),
    [
        (OTHERS_WHEEL, "1.0", "other-1.0-py3-none-any.whl came of it, and not fast 1.0"),
        ("", "2.0", "came of it, and not fast 2.0"),
        (FOREIGN_WHEEL, "1.0", "fast-1.0-cp27-none-win32.whl came of it, which is not for here"),
        (NO_WHEEL, "1.0", "no wheel came of it: fast-1.0-py3-none-any.whl: it is no zip file"),
        (NOTHING, "1.0", "its build backend made 0 wheels"),
    ],
    ids=["another package", "another version", "another platform", "no wheel", "nothing"],
)
def test_what_is_not_the_wheel_is_not_used(
    home: Path, tmp_path: Path, backend: str, version: str, cause: str
) -> None:
    host = Host(home)
    with pytest.raises(EnvError) as caught:
        host.bring(build_of(tmp_path, backend, version))
    assert cause in caught.value.cause
    assert list((home / ".cache/remotest/v1/envs").iterdir()) == []
    host.release()


HANGING = """
    def build_wheel(wheel_directory, *rest):
        import time
        print(subprocess.Popen(["sleep", "1000"]).pid)
        sys.stdout.flush()
        time.sleep(1000)
    """


def test_a_build_that_hangs_is_ended(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "MAX_BUILD_S", 2)
    host = Host(home)
    with pytest.raises(EnvError, match="did not end within 2 s") as caught:
        host.bring(build_of(tmp_path, HANGING))
    assert leftovers.has_ended(int(caught.value.stderr)), "nor does what it has started go on"


def test_a_build_that_nobody_waits_for_is_ended(home: Path, tmp_path: Path) -> None:
    host = Host(home, is_over=lambda: True)
    with pytest.raises(EnvError, match="the run is over"):
        host.bring(build_of(tmp_path, HANGING))


# -- the project -----------------------------------------------------------------------------------


def test_modules_of_the_project_are_built_again_after_edits_of_their_sources_only(
    world: World, home: Path, tmp_path: Path
) -> None:
    python = interpreters.find_or_skip(OTHER)
    target = target_of(python)
    project = nativesources.write(tmp_path / "project", nativesources.files())
    package = project / "src" / "fast"

    def brought(host: HostProcess) -> tuple[str, bool, str]:
        """Return the key of the build, whether it was made now, and what the modules say."""
        overlay = make_overlay(
            project, "editable", target, tmp_path / "cache", search_path=(), builds_there=True
        )
        given = resolved(world, target, compiled=overlay.compiled)
        shipped = host.bring(contents_of(target, given, given.extensions))
        texts = [(name, text.replace("{tree}", str(project))) for name, text in overlay.files]
        there = host.overlay(None, texts, shipped.folder)
        said = run(there, "import fast; print(fast.answer(), fast.__file__)")
        return given.extensions[0].key, shipped.was_built, said

    with HostProcess(home, python) as host:
        first = brought(host)
        (package / "__init__.py").write_text("def answer():\n    return 'of Python'\n")
        python_edited = brought(host)
        (package / "__init__.py").write_text("from fast._fast import answer\n")
        (project / "README.md").write_text("More of it.\n")
        nothing_edited = brought(host)
        nativesources.write(project, nativesources.files(answer=43))
        source_edited = brought(host)

    module = package / "__init__.py"
    assert first[1:] == (True, f"42 {module}")
    assert python_edited == (first[0], False, f"of Python {module}")
    assert nothing_edited == (first[0], False, f"42 {module}")
    assert source_edited[1:] == (True, f"43 {module}")
    assert source_edited[0] != first[0]
    assert not list(project.rglob("*.so")), "nothing is built in the tree"
