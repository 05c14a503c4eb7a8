"""What every way to reach an interpreter promises: one suite, run over each of them."""

from __future__ import annotations

import os
import select
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import interpreters
import leftovers
import needs
import pytest
from gatewayworld import (
    WAIT_S,
    Recorder,
    Watched,
    World,
    executable,
    make_world,
    stub_bundle,
)

from remotest.errors import AbsentError, ConnectError, HostLost, SpecError
from remotest.gateways.bootstrap import NOISE_LIMIT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

WAYS: Final = ("popen", "socket", "ssh", "forwarded")
THROUGH_A_SHELL: Final = ("popen", "ssh")
"""A socket server is its own interpreter: nothing is looked for there."""

through_a_shell = pytest.mark.parametrize("world", THROUGH_A_SHELL, indirect=True)


@pytest.fixture(params=WAYS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with make_world(request.param, tmp_path) as world:
        yield world


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


# -- an open gateway -------------------------------------------------------------------------


def test_frames_come_back_whole_and_in_order(world: World, recorder: Recorder) -> None:
    gateway = world.open(recorder)
    recorder.frame()
    sent = [b"%d" % number for number in range(10_000)]
    for frame in sent:
        gateway.send(frame)
    assert [recorder.frame() for _ in sent] == sent


def test_a_frame_may_be_large(world: World, recorder: Recorder) -> None:
    gateway = world.open(recorder)
    recorder.frame()
    frame = bytes(range(250)) * 40_000
    gateway.send(frame)
    assert recorder.frame() == frame


def test_the_agent_runs_in_the_main_thread(world: World, recorder: Recorder) -> None:
    gateway = world.open(recorder)
    recorder.frame()
    gateway.send(
        b"exec import threading\n"
        b"channel.send(b'%r' % (threading.current_thread() is threading.main_thread()))"
    )
    assert recorder.frame() == b"True"


@through_a_shell
def test_standard_streams_are_apart_from_the_protocol(world: World, recorder: Recorder) -> None:
    """Neither the agent nor a child of its can write into the protocol or read from it."""
    gateway = world.open(recorder)
    recorder.frame()
    gateway.send(
        b"exec import os, subprocess, sys\n"
        b"os.write(1, b'noise'); print('noise'); sys.stdout.flush()\n"
        b"subprocess.check_call(['echo', 'noise'])\n"
        b"seen = [os.read(0, 100), sys.stdin.read(), subprocess.check_output(['cat'])]\n"
        b"os.close(0); os.close(1)\n"
        b"channel.send(repr(seen).encode())"
    )
    assert recorder.frame() == b"[b'', '', b'']"
    gateway.send(b"still there")
    assert recorder.frame() == b"still there"


@through_a_shell
def test_modules_beside_the_agent_are_not_its_own(
    world: World, recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directory that an interpreter starts in is not on the agent's search path."""
    for home in [tmp_path, *tmp_path.glob("home-*")]:
        for name in ("json", "signal", "zlib"):
            (home / f"{name}.py").write_text("raise SystemExit('the wrong one')")
    monkeypatch.chdir(tmp_path)
    gateway = world.open(recorder)
    recorder.frame()
    gateway.send(b"exec import sys; channel.send(b'%d' % ('' in sys.path))")
    assert recorder.frame() == b"0"


@through_a_shell
def test_a_script_that_hands_on_no_variables_is_an_interpreter(
    world: World, recorder: Recorder, tmp_path: Path
) -> None:
    """As one that starts it by sudo, or in a container."""
    python = executable(tmp_path / "python", f'#!/bin/sh\nexec env -i {sys.executable} "$@"\n')
    world.open(recorder, python=python)
    assert recorder.frame().isdigit()


# -- the end of a gateway --------------------------------------------------------------------


def test_close_ends_the_agent(world: World, recorder: Recorder) -> None:
    gateway = world.open(recorder)
    agent = Watched(int(recorder.frame()))
    gateway.close(timeout_s=10)
    assert recorder.closed() == ["closed by the controller"]
    with pytest.raises(HostLost):
        gateway.send(b"too late")
    if world.has_shell:
        assert agent.has_ended()
    else:  # the server lives on, for the next controller
        second = Recorder()
        world.open(second)
        assert int(second.frame()) == agent.pid


@pytest.mark.parametrize("world", ["popen"], indirect=True)
def test_close_ends_an_agent_that_does_not_listen(world: World, recorder: Recorder) -> None:
    gateway = world.open(recorder)
    agent = Watched(int(recorder.frame()))
    gateway.send(
        b"exec import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        b"channel.send(b'deaf')\nsignal.pause()"
    )
    assert recorder.frame() == b"deaf"
    gateway.close(timeout_s=0.1)
    assert agent.has_ended()
    assert recorder.closed() == ["closed by the controller"]


@pytest.mark.parametrize("world", ["popen", "ssh"], indirect=True)
def test_close_ends_an_agent_that_is_stopped_with_its_guard(
    world: World, recorder: Recorder
) -> None:
    gateway = world.open(recorder)
    agent = Watched(int(recorder.frame()))
    for pid in (leftovers.parent_of(agent.pid), agent.pid):
        os.kill(pid, signal.SIGSTOP)
    gateway.close(timeout_s=0.1)
    assert agent.has_ended()
    assert recorder.closed() == ["closed by the controller"]


def test_the_death_of_the_process_is_told_once(world: World, recorder: Recorder) -> None:
    gateway = world.open(recorder)
    recorder.frame()
    gateway.send(b"exec import os; os.write(2, b'last words'); os.kill(os.getpid(), 9)")
    last_words = "; its last words:\nlast words"
    assert recorder.closed() == {
        "popen": [f"its process was ended by signal 9{last_words}"],
        "socket": ["the connection ended"],
        "ssh": [f"the connection ended{last_words}"],
        "forwarded": ["the connection ended"],
    }.get(world.kind)
    with pytest.raises(HostLost):
        gateway.send(b"too late")
    gateway.close(timeout_s=1)
    assert len(recorder.reasons) == 1


def test_an_agent_that_leaves_is_told(world: World, recorder: Recorder) -> None:
    world.open(recorder, bundle=stub_bundle(agent="def main(channel, headstart): pass"))
    assert recorder.closed() == ["the agent ended"]


def test_an_agent_that_fails_is_told_with_its_lines(world: World, recorder: Recorder) -> None:
    """Lone surrogates in the message, which execnet cannot send, arrive as text."""
    world.open(
        recorder, bundle=stub_bundle(agent="def main(channel, headstart):\n    {}['\\ud800']\n")
    )
    (reason,) = recorder.closed()
    assert reason.startswith("the agent failed: KeyError: '\\ud800'\nTraceback")
    assert (
        "  File \"<remotest>/pytest_remotest/agent.py\", line 2, in main\n    {}['\\ud800']\n"
    ) in reason
    assert "KeyError: '\\ud800'" in reason


def test_a_callback_that_fails_ends_the_gateway(world: World) -> None:
    class Failing(Recorder):
        def on_frame(self, frame: bytes) -> None:
            raise ValueError(f"cannot take {len(frame)}")

    recorder = Failing()
    world.open(
        recorder, bundle=stub_bundle(agent="def main(channel, headstart): channel.send(b'1234')")
    )
    (reason,) = recorder.closed()
    assert reason.startswith("the controller failed:\nTraceback")
    assert reason.endswith("ValueError: cannot take 4\n")


# -- interpreters ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", interpreters.ALL)
@pytest.mark.parametrize("world", ["popen"], indirect=True)
def test_each_interpreter_runs_an_agent(world: World, recorder: Recorder, name: str) -> None:
    gateway = world.open(recorder, python=interpreters.find_or_skip(name))
    recorder.frame()
    gateway.send(b"there")
    assert recorder.frame() == b"there"
    major, minor, _ = gateway.interpreter.version
    kind = gateway.interpreter.implementation
    assert (kind if kind == "pypy" else f"{major}.{minor}") == name.rstrip("3" * (kind == "pypy"))


@through_a_shell
def test_python_2_is_refused(world: World, recorder: Recorder) -> None:
    python = interpreters.find_or_skip(interpreters.PYTHON_27)
    with pytest.raises(ConnectError) as error:
        world.open(recorder, python=python)
    assert error.value.cause == f"Python 2.7 found at {python}, remotest needs 3.6 or newer"


@through_a_shell
@pytest.mark.parametrize("python", ["python3.99", "/nowhere/python3", "~/python", "-c", "/"])
def test_a_missing_interpreter_is_named_with_those_that_are_there(
    world: World, recorder: Recorder, python: str
) -> None:
    with pytest.raises(AbsentError) as error:
        world.open(recorder, python=python)
    assert error.value.cause == f"{python} is absent"
    _, _, found = error.value.remedy.partition("; found there: ")
    assert all("python" in Path(path).name or "pypy" in Path(path).name for path in found.split())
    assert found


@through_a_shell
def test_a_hanging_interpreter_has_a_deadline(
    world: World, recorder: Recorder, tmp_path: Path
) -> None:
    life = tmp_path / "life"
    os.mkfifo(life)
    hanging = executable(
        tmp_path / "hanging", f"#!/bin/sh\nexec 3>{life}\necho hmm\nexec sleep 60\n"
    )
    end = os.open(life, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(ConnectError) as error:
            world.open(recorder, python=hanging, timeout_s=0.5)
        assert error.value.cause == f"{hanging} did not answer within 0.5 s"
        assert error.value.stderr == "hmm"
        poller = select.poll()
        poller.register(end, 0)  # Told is only that nobody holds the other end any more.
        assert poller.poll(WAIT_S * 1000), "the interpreter is still there"
    finally:
        os.close(end)


@through_a_shell
def test_a_program_that_ends_early_is_quoted(
    world: World, recorder: Recorder, tmp_path: Path
) -> None:
    program = executable(tmp_path / "no-python", "#!/bin/sh\necho out; echo err >&2; exit 3\n")
    with pytest.raises(ConnectError) as error:
        world.open(recorder, python=program)
    assert error.value.cause == f"{program} did not answer: its process ended with exit status 3"
    assert error.value.stderr == "out\nerr"


@through_a_shell
def test_an_echo_is_no_answer(world: World, recorder: Recorder, tmp_path: Path) -> None:
    echo = executable(tmp_path / "echo", '#!/bin/sh\nread -r line; echo "$line"\n')
    with pytest.raises(ConnectError) as error:
        world.open(recorder, python=echo)
    assert error.value.cause == f"{echo} did not answer: its process ended with exit status 0"


@through_a_shell
def test_noise_before_the_answer_does_no_harm(
    world: World, recorder: Recorder, tmp_path: Path
) -> None:
    python = executable(
        tmp_path / "noisy", f'#!/bin/sh\necho "Welcome!"\nexec {sys.executable} "$@"\n'
    )
    gateway = world.open(recorder, python=python)
    assert recorder.frame()
    assert gateway.noise == "Welcome!"


@through_a_shell
def test_endless_noise_is_cut(world: World, recorder: Recorder, tmp_path: Path) -> None:
    python = executable(tmp_path / "endless", "#!/bin/sh\nexec yes noise\n")
    with pytest.raises(ConnectError) as error:
        world.open(recorder, python=python)
    assert error.value.cause == (
        f"more than {NOISE_LIMIT_BYTES // 1024} kB of other output came before an interpreter "
        "answered"
    )


# -- python= is data -------------------------------------------------------------------------


WEIRD_NAMES: Final = (
    "with space",
    "'single' \"double\"",
    "two\nlines",
    "ends with newline\n",
    "; touch x",
    "$(touch x)",
    "`touch x`",
    "back\\slash\\n%s",
    "!1 *?[a] {a,b} #~&|<>",
    "umlaut-\u00e4-\u2603",
    "latin1-\udce4",
)


@through_a_shell
@pytest.mark.parametrize("name", WEIRD_NAMES)
def test_any_path_reaches_the_host_unharmed(
    world: World, recorder: Recorder, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "weird"
    folder.mkdir()
    python = folder / name
    python.symlink_to(Path(sys.executable).resolve())
    gateway = world.open(recorder, python=python)
    assert recorder.frame()
    assert gateway.interpreter.executable == str(python)
    assert not list(tmp_path.rglob("x"))


@through_a_shell
def test_a_tilde_is_the_home_there(
    world: World, recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = next(tmp_path.glob("home-*"), tmp_path)
    monkeypatch.setenv("HOME", str(home))
    (home / "my python").symlink_to(sys.executable)
    gateway = world.open(recorder, python="~/my python")
    assert recorder.frame()
    assert gateway.interpreter.executable == str(home / "my python")


@pytest.mark.parametrize("world", ["popen"], indirect=True)
def test_a_relative_path_is_relative_to_the_invocation(
    world: World, recorder: Recorder, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    gateway = world.open(recorder, python="bin/python")
    assert gateway.interpreter.executable == str(tmp_path / "bin" / "python")


@pytest.mark.parametrize("world", ["ssh"], indirect=True)
def test_without_a_name_it_is_the_python_there(world: World, recorder: Recorder) -> None:
    gateway = world.open(recorder)
    assert Path(gateway.interpreter.executable).name == "python3"


@pytest.mark.parametrize("world", ["socket"], indirect=True)
def test_a_socket_server_is_its_own_interpreter(world: World, recorder: Recorder) -> None:
    with pytest.raises(SpecError, match="python= is not for socket="):
        world.open(recorder, python="python3")


# -- login shells ----------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "dash", "fish", "tcsh"])
@pytest.mark.parametrize("world", ["ssh"], indirect=True)
def test_any_login_shell_will_do(
    world: World, recorder: Recorder, tmp_path: Path, shell: str
) -> None:
    python = tmp_path / "it's a \\ $(touch x); python"
    python.symlink_to(Path(sys.executable).resolve())
    world.log_in_through(needs.program(shell))
    gateway = world.open(recorder, python=python)
    gateway.send(b"there")
    assert [recorder.frame() for _ in range(2)][1] == b"there"
    assert gateway.interpreter.executable == str(python)


@pytest.mark.parametrize("world", ["ssh"], indirect=True)
def test_a_login_script_may_print(world: World, recorder: Recorder, tmp_path: Path) -> None:
    shell = executable(
        tmp_path / "shell", f'#!/bin/sh\necho Hello\nexec {shlex.quote(needs.program("sh"))} "$@"\n'
    )
    world.log_in_through(str(shell))
    assert world.open(recorder).noise == "Hello"
