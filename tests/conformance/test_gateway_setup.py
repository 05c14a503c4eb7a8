"""What ``setup=`` promises, over each way that leads through a shell."""

from __future__ import annotations

import os
import select
import shlex
from typing import TYPE_CHECKING, Any

import interpreters
import needs
import pytest
from gatewayworld import (
    WAIT_S,
    Recorder,
    World,
    executable,
    make_world,
)

from remotest.errors import AbsentError, ConnectError
from remotest.gateways import bootstrap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["popen", "ssh"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with make_world(request.param, tmp_path) as world:
        yield world


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def asked(world: World, expression: str, **options: Any) -> str:
    """Return what an expression is in an agent."""
    recorder = Recorder()
    gateway = world.open(recorder, **options)
    recorder.frame()
    gateway.send(b"exec import os, sys\nchannel.send(repr(%s).encode())" % expression.encode())
    return recorder.frame().decode()


def test_its_variables_reach_the_interpreter_as_they_are(world: World) -> None:
    """Whatever they are called: the shell has none of its own that it changes on the way."""
    names = ("python", "name", "folder", "file", "line", "PATH_OF_MINE")
    setup = "; ".join(f"export {name}='{name} of mine'" for name in names)
    answer = asked(world, f"[os.environ[name] for name in {names}]", setup=setup)
    assert answer == repr([f"{name} of mine" for name in names])


def test_its_path_decides_which_interpreter_it_is(world: World, tmp_path: Path) -> None:
    tools = tmp_path / "my tools"
    tools.mkdir()
    old = interpreters.find_or_skip("3.8")
    executable(tools / "python3", f'#!/bin/sh\nexec {shlex.quote(str(old))} "$@"\n')
    script = tmp_path / "env.sh"
    script.write_text(f'PATH="{tools}:$PATH"\n')
    assert asked(world, "sys.version_info[:2]", setup=f". {script}") == "(3, 8)"


@pytest.mark.parametrize(
    "setup",
    [
        "set -eu; set -f; set -- a b; shift",
        "set -x",
        "IFS=/; echo left right",
        "echo out; echo err >&2; cat; read -r line; printf '\\377'",
        "exec 3>&1; exec 4</dev/null",
        "cd /; umask 077",
        "(sleep 5 >/dev/null 2>&1 &)",
        "true & wait",
        "trap 'echo bye' EXIT",
        "! false",
        "#",
        "x='a b'; true \"$x\"",
    ],
)
def test_whatever_it_does_the_interpreter_answers(world: World, setup: str) -> None:
    assert asked(world, "1 + 1", setup=setup) == "2"


@pytest.mark.parametrize(
    ("setup", "said", "cause"),
    [
        ("echo why >&2; false", "why", "ended with exit status 1"),
        ("(echo out; exit 7)", "out", "ended with exit status 7"),
        ("echo why >&2; exit 3", "why", "ended the shell: its process ended with exit status 3"),
        ("exec echo instead", "instead", "ended the shell: its process ended with exit status 0"),
        (". /nowhere/env.sh", "/nowhere/env.sh", None),
        ("if", "", None),
        ("module load python", "module", "ended with exit status 127"),
    ],
)
def test_one_that_fails_is_told_with_its_last_words(
    world: World, recorder: Recorder, setup: str, said: str, cause: str | None
) -> None:
    """Also where it takes the shell with it, as a missing file does in dash."""
    with pytest.raises(ConnectError) as error:
        world.open(recorder, setup=setup)
    assert error.value.cause.startswith(f"setup={setup} ended ")
    if cause is not None:
        assert error.value.cause == f"setup={setup} {cause}"
    assert said in error.value.stderr
    assert error.value.remedy == "run it there by hand, in sh: what does it say?"


def test_one_that_hangs_has_a_deadline_and_ends(
    world: World, recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "SETUP_TIMEOUT_S", 0.3)
    life = tmp_path / "life"
    os.mkfifo(life)
    end = os.open(life, os.O_RDONLY | os.O_NONBLOCK)
    setup = f"exec 9>{life}; echo hmm; sleep 60"
    try:
        with pytest.raises(ConnectError) as error:
            world.open(recorder, setup=setup, timeout_s=0.2)
        assert error.value.cause == f"setup={setup} did not answer within 0.5 s"
        poller = select.poll()
        poller.register(end, 0)  # Told is only that nobody holds the other end any more.
        assert poller.poll(WAIT_S * 1000), "it is still there"
    finally:
        os.close(end)


def test_an_interpreter_that_is_not_there_after_it(world: World, recorder: Recorder) -> None:
    with pytest.raises(AbsentError) as error:
        world.open(recorder, python="python3.99", setup="true")
    assert error.value.cause == "python3.99 is absent"


@pytest.mark.parametrize("shell", ["bash", "dash", "fish", "tcsh"])
@pytest.mark.parametrize("world", ["ssh"], indirect=True)
def test_any_login_shell_will_do(world: World, tmp_path: Path, shell: str) -> None:
    script = tmp_path / "it's an env.sh"
    script.write_text("export ORCHARD='$HOME !x \"\\'\n")
    world.log_in_through(needs.program(shell))
    setup = f". {shlex.quote(str(script))}"
    assert asked(world, "os.environ['ORCHARD']", setup=setup) == repr('$HOME !x "\\')
