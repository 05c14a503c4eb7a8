"""Which interpreter a name means on a host, and what is said of one that is not there."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import interpreters
import pytest
from gatewayworld import WAIT_S, Recorder, World, executable, make_world

from remotest.errors import AbsentError, ConnectError
from remotest.gateways import bootstrap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SYSTEM_PATH = "/usr/bin:/bin"

SHIM_OF_ANOTHER = """\
#!/bin/sh
echo "pyenv: python3.8: command not found" >&2
exit 127
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home directory, here and there."""
    interpreters.find_or_skip("3.8")  # Found once, as long as home is where pyenv is.
    home = tmp_path / "home-default"
    monkeypatch.setenv("HOME", str(home))
    for name in ("PYENV_ROOT", "UV_PYTHON_INSTALL_DIR", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture(params=["popen", "ssh"])
def world(request: pytest.FixtureRequest, tmp_path: Path, home: Path) -> Iterator[World]:
    with make_world(request.param, tmp_path) as world:
        home.mkdir(exist_ok=True)
        yield world


@pytest.fixture
def path(home: Path) -> str:
    """A ``setup=`` after which only the shims in the home directory and the system's are found."""
    return f'PATH="{home}/.pyenv/shims:{SYSTEM_PATH}"'


def command(path: Path, name: str, **variables: str) -> Path:
    """Write a command that starts an interpreter with these variables."""
    program = interpreters.find_or_skip(name)
    words = [f"{key}={value}" for key, value in variables.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    return executable(path, f'#!/bin/sh\nexec env {shlex.join([*words, str(program)])} "$@"\n')


def shim(home: Path, name: str, text: str) -> None:
    path = home / ".pyenv" / "shims" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    executable(path, text)


def asked(world: World, expression: str, **options: str) -> str:
    """Return what an expression is in an agent."""
    recorder = Recorder()
    gateway = world.open(recorder, **options)  # type: ignore[arg-type]  # all of them are texts
    recorder.frame()
    gateway.send(b"exec import os, sys\nchannel.send(repr(%s).encode())" % expression.encode())
    return recorder.frame().decode()


FOUND = "(sys.version_info[:2], os.environ.get('FOUND'))"


def test_a_shim_that_works_is_used(world: World, home: Path, path: str) -> None:
    command(home / ".pyenv/shims/python3.8", "3.8", FOUND="the shim")
    command(home / ".pyenv/versions/3.8.18/bin/python3.8", "3.8", FOUND="in versions")
    assert asked(world, FOUND, python="python3.8", setup=path) == "((3, 8), 'the shim')"


@pytest.mark.parametrize(
    "folder", [".pyenv/versions/3.8.18", ".asdf/installs/python/3.8.18", ".local/share/uv/python/c"]
)
def test_a_shim_that_fails_is_passed_over(world: World, home: Path, path: str, folder: str) -> None:
    """Whoever has put it on PATH has another version active, and this one installed."""
    shim(home, "python3.8", SHIM_OF_ANOTHER)
    command(home / folder / "bin/python3.8", "3.8", FOUND="behind it")
    assert asked(world, FOUND, python="python3.8", setup=path) == "((3, 8), 'behind it')"


def test_whatever_setup_has_done_to_the_shell(world: World, home: Path, path: str) -> None:
    shim(home, "python3.8", SHIM_OF_ANOTHER)
    command(home / ".pyenv/versions/3.8.18/bin/python3.8", "3.8", FOUND="behind it")
    setup = f"{path}; export file=mine folder=mine IFS; set -euf; IFS=/"
    answer = asked(
        world, "[os.environ[name] for name in ('file', 'folder')]", python="python3.8", setup=setup
    )
    assert answer == "['mine', 'mine']"


def test_a_shim_that_fails_and_nothing_behind_it(world: World, home: Path, path: str) -> None:
    shim(home, "python3.99", SHIM_OF_ANOTHER)
    with pytest.raises(AbsentError) as error:
        world.open(Recorder(), python="python3.99", setup=path)
    assert error.value.cause == "python3.99 is absent"
    assert "let uv do so with interpreters=uv; found there: /usr/bin/python3" in error.value.remedy


def test_python_of_no_version_is_only_what_path_says(world: World, home: Path, path: str) -> None:
    """Which of several python3 in those folders would be meant?"""
    command(home / ".pyenv/versions/3.8.18/bin/python", "3.8")
    command(home / ".pyenv/versions/3.8.18/bin/python3", "3.8")
    with pytest.raises(AbsentError) as error:
        world.open(Recorder(), python="python", setup=f"{path}; PATH={home}")
    assert error.value.cause == "python is absent"


# -- interpreters=uv -------------------------------------------------------------------------


def with_uv(home: Path, folder: str = ".local/bin") -> None:
    path = home / folder / "uv"
    path.parent.mkdir(parents=True)
    path.symlink_to(interpreters.UV)


@pytest.mark.parametrize("folder", [".local/bin", ".cargo/bin", ".pyenv/shims"])
def test_what_uv_cannot_have_is_told_in_its_words(
    world: World, home: Path, path: str, folder: str
) -> None:
    with_uv(home, folder)
    with pytest.raises(AbsentError) as error:
        world.open(Recorder(), python="python3.99", setup=path, interpreters="uv")
    assert error.value.cause == "python3.99 is absent, and uv python install 3.99 failed"
    assert error.value.stderr.startswith("error: No download found for request: cpython-3.99")
    assert error.value.remedy.startswith(
        "name another interpreter of that host with python=, or install this one there; found"
    )


def test_a_uv_that_is_not_there(world: World, path: str) -> None:
    with pytest.raises(AbsentError) as error:
        world.open(Recorder(), python="python3.99", setup=path, interpreters="uv")
    assert error.value.cause == (
        "python3.99 is absent, and so is uv, which interpreters=uv lets install it"
    )
    assert error.value.remedy.startswith(
        "install uv there, on PATH or in ~/.local/bin, or that interpreter; found there: "
    )


@pytest.mark.parametrize("options", [{"python": "/nowhere/python3"}, {"python": "mypython"}])
def test_what_uv_knows_nothing_of_it_is_not_asked(
    world: World, home: Path, path: str, options: dict[str, str]
) -> None:
    with_uv(home)
    with pytest.raises(AbsentError) as error:
        world.open(Recorder(), setup=path, interpreters="uv", **options)
    assert error.value.cause == f"{options['python']} is absent"
    assert error.value.remedy.startswith(
        "name another interpreter of that host with python=, or install this one there; found"
    )


def test_a_uv_that_hangs_has_a_deadline(
    world: World, home: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "INSTALL_TIMEOUT_S", 0.3)
    (home / ".local/bin").mkdir(parents=True)
    executable(
        home / ".local/bin/uv",
        '#!/bin/sh\ncase "$*" in --version) exit ;; *find*) exit 2 ; esac\necho hm >&2\nsleep 60\n',
    )
    with pytest.raises(ConnectError) as error:
        world.open(Recorder(), python="python3.99", setup=path, interpreters="uv", timeout_s=WAIT_S)
    assert error.value.cause == "uv python install 3.99 did not answer within 0.3 s"
    assert error.value.stderr == "hm"
