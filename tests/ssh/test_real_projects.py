"""Projects of other people run their own tests on a bare host, with the result of a local venv."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from collections import Counter
from dataclasses import dataclass
from platform import machine
from typing import TYPE_CHECKING, Final

import barehost
import controllers
import distributions
import interpreters
import projects
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from projects import Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NAMES: Final = ("3.9", "3.13")
"""The oldest that all of these projects support, and a new one."""

NEEDS_FILE: Final = "needed-by-tests.txt"


@dataclass(frozen=True, kw_only=True)
class RealProject:
    """A released project whose source distribution has its tests.

    Attributes:
        release: as pip is asked for it.
        what: its build backend and layout, and what else is special.
        extra: that its tests need.
        needs: what else its tests need.
        arguments: of its test command.
        is_compiled: there is no use in its sources alone: its wheel is tested.
        is_imported_here: pytest loads its conftest where the run is started, too.
    """

    release: str
    what: str
    extra: str = ""
    needs: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    is_compiled: bool = False
    is_imported_here: bool = False

    @property
    def spec_keys(self) -> str:
        """What a spec says of it."""
        keys = [f"extra={self.extra}"] if self.extra else []
        keys += [f"req={NEEDS_FILE}"] if self.needs else []
        keys += ["project=wheel"] if self.is_compiled else []
        return "".join(f"//{key}" for key in keys)


PROJECTS: Final = (
    RealProject(
        release="markupsafe==3.0.2",
        what="setuptools, src, compiled",
        is_compiled=True,
        is_imported_here=True,
    ),
    RealProject(
        release="jaraco.functools==4.1.0",
        what="setuptools, flat, namespace package",
        extra="test",
        is_imported_here=True,
    ),
    RealProject(release="pytest-repeat==0.9.3", what="hatchling, flat, a plugin of pytest"),
    RealProject(release="platformdirs==4.3.6", what="hatchling, src", extra="test"),
    RealProject(release="itsdangerous==2.2.0", what="flit_core, src", needs=("freezegun",)),
    RealProject(release="idna==3.10", what="flit_core, flat"),
    RealProject(release="tomlkit==0.13.2", what="poetry-core, flat", needs=("pyyaml",)),
    RealProject(release="dep-logic==0.4.10", what="pdm-backend, src"),
)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A shell in which every host is a machine with two interpreters and no network."""
    with barehost.running(tmp_path_factory.mktemp("bare"), NAMES) as environment:
        yield environment


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """A folder for what runs here, for comparison."""
    return tmp_path / "local"


@pytest.mark.parametrize("real", PROJECTS, ids=lambda real: f"{real.release} ({real.what})")
def test_the_result_is_that_of_a_local_environment(
    real: RealProject, tmp_path: Path, local: Path, shell: dict[str, str]
) -> None:
    project = projects.make(tmp_path / "work" / real.release, shell, {})
    unpack(real, project.directory)
    here = {}
    for name in NAMES:
        outcomes = run_locally(real, local / name, name, shell)
        here[name] = Counter(outcomes.values()), sorted(outcomes)
    assert all(counts["passed"] > 0 for counts, _ in here.values())

    python = controllers.make(tmp_path / "controller")
    if real.is_imported_here:
        controllers.install(python, project.directory, "--editable", ".")
    spec = f"ssh=bare//python={','.join(NAMES)}//env=managed{real.spec_keys}"
    options = ("--dist=each", "--tx", spec, "--junitxml=junit.xml", *real.arguments)
    answer = project.type_command([str(python), "-m", "pytest", *options])

    there = [
        (Counter(outcomes.values()), sorted(outcomes)) for outcomes in project.junit().values()
    ]
    assert there == list(here.values()), answer.output


def unpack(real: RealProject, directory: Path) -> None:
    """Put a project's files into a directory, as somebody who works on it has them."""
    source = distributions.source_of(real.release)
    shutil.copytree(source, directory, dirs_exist_ok=True)
    (directory / NEEDS_FILE).write_text("\n".join(real.needs) + "\n")
    if real.is_compiled:
        for name in NAMES:
            fetch_wheel(real.release, name, directory / "dist")


def fetch_wheel(release: str, name: str, directory: Path) -> None:
    """Put the released wheel for an interpreter into a directory."""
    platform = f"manylinux2014_{machine()}"
    options = ("--quiet", "--no-deps", "--only-binary", ":all:", "--platform", platform)
    pip = [sys.executable, "-m", "pip", "download", *options, "--python-version", name]
    subprocess.run([*pip, "--dest", directory, release], check=True)


def run_locally(
    real: RealProject, folder: Path, name: str, shell: dict[str, str]
) -> dict[str, str]:
    """Return the outcome of each test in an environment that uv makes."""
    project: Project = projects.make(folder / "project", shell, {})
    unpack(real, project.directory)
    python = folder / "venv" / "bin" / "python"
    itself = ["--editable", f".[{real.extra}]" if real.extra else "."]
    if real.is_compiled:
        itself = [real.release, "--find-links", "dist", "--no-index"]
    newest = f"pytest<={pytest.__version__}"
    for command in (
        ["venv", "--python", interpreters.find_or_skip(name), folder / "venv"],
        ["pip", "install", "--python", python, newest, "--requirement", NEEDS_FILE],
        ["pip", "install", "--python", python, *itself],
    ):
        subprocess.run([interpreters.UV, "--quiet", *command], cwd=project.directory, check=True)
    command = [str(python), "-m", "pytest", "--junitxml=junit.xml", *real.arguments]
    answer = project.type_command(command)
    assert answer.status in (0, 1), answer.output
    (outcomes,) = project.junit().values()
    return outcomes


def test_what_is_compiled_for_another_interpreter_is_done_without_or_refused_once(
    tmp_path: Path, shell: dict[str, str]
) -> None:
    real = PROJECTS[0]
    project = projects.make(tmp_path / real.release, shell, {})
    unpack(real, project.directory)
    python = controllers.make(tmp_path / "controller")
    controllers.install(python, project.directory, "--editable", ".")

    tx = "--tx=ssh=bare//python=3.9//env=managed"
    answer = project.type_command([str(python), "-m", "pytest", "--dist=each", tx])

    assert answer.status == 0, answer.output
    lacking = (
        "MarkupSafe has compiled modules that are not there for this interpreter: "
        f"src/markupsafe/_speedups: it needs .cpython-39-{machine()}-linux-gnu.so, "
        f"there is {sysconfig.get_config_var('EXT_SUFFIX')}"
    )
    assert any(line.endswith(f"{lacking}; it does without") for line in answer.lines), answer.output

    package = project.directory / "src" / "markupsafe" / "__init__.py"
    text, import_count = re.subn(
        r"try:\n    (from \._speedups import \w+)\nexcept ImportError:\n    .*\n",
        r"\1\n",
        package.read_text(),
    )
    assert import_count == 1
    package.write_text(text)
    answer = project.type_command([str(python), "-m", "pytest", "--dist=each", tx])

    assert answer.status == 6, answer.output
    assert sum(line.endswith(f"failed: {lacking}") for line in answer.lines) == 1, answer.output
    assert "Traceback" not in answer.output
