"""What ``sh`` is told, and how a shell that nobody talks to any more comes to its end."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import leftovers
import needs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_remotest import supervise
from remotest.gateways.bootlines import Marker
from remotest.gateways.bootstrap import BOOT_TIMEOUT_S
from remotest.gateways.shellscripts import (
    LINE_TIMEOUT_S,
    MAX_COMMAND_CHARS,
    REMOTE_COMMAND,
    SHELL_PROGRAM,
    list_line,
    shell_line,
    told_command,
)

if TYPE_CHECKING:
    from pathlib import Path

WAIT_S: Final = 30.0
MARKER: Final = Marker("left", "right")


def test_the_remote_command_means_the_same_to_every_shell() -> None:
    """None of what bash, dash, fish and tcsh read in different ways between single quotes."""
    *command, program = shlex.split(REMOTE_COMMAND)
    assert command == ["exec", "/bin/sh", "-c"]
    assert set(program) & set("'\\!\n") == set()


TEXTS: Final = st.text(
    st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1
)


@given(TEXTS, TEXTS)
def test_so_does_a_command_that_is_told_all(python: str, program: str) -> None:
    line = ascii(program)
    told = told_command(python, MARKER, line.encode() + b"\n")
    assert told is not None
    *command, run, name, script = shlex.split(told)
    assert (command, name) == (["exec", "/bin/sh", "-c"], "sh")
    assert set(run) & set("'\\!\n") == set()
    assert script.isascii()
    assert script.isprintable()
    assert set(script.replace("\\0", "")) & set("'\\!") == set()
    assert told.count("'") == 4
    assert bytes(MARKER).decode() not in told
    arrived = subprocess.run(["printf", "%b", script], capture_output=True, check=True).stdout
    for text in (f"_python={shlex.quote(python)}\n", f" {shlex.quote(line)}\ndone\n"):
        assert text.encode() in arrived


def test_a_command_that_is_too_long_is_none() -> None:
    told = told_command("a", MARKER, b"a")  # It is not quoted, nor is more of it.
    assert told is not None
    room = MAX_COMMAND_CHARS - len(told)
    assert told_command("a" * (1 + room), MARKER, b"a") is not None
    assert told_command("a" * (1 + room), MARKER, b"aa") is None


@given(TEXTS)
def test_a_shell_line_is_one_line_of_printable_ascii(python: str) -> None:
    leave, line, rest = shell_line(python, MARKER).decode("ascii").split("\n")
    assert (leave, rest) == ("exit", "")  # For a shell that reads what is meant for ours.
    assert line.isprintable()


@pytest.mark.parametrize("has_left", [False, True])
def test_the_script_arrives_as_it_was(*, has_left: bool) -> None:
    """Also where a shell of a login script has read the line that makes it leave."""
    every_byte = "".join(chr(code) for code in range(1, 128)) + "\udcff\u2603"
    line = shell_line(every_byte, MARKER, every_byte)
    if has_left:
        line = line.partition(b"\n")[2]
    program = SHELL_PROGRAM.replace("eval", "printf %s")
    script = subprocess.run(
        ["/bin/sh", "-c", program], input=line, capture_output=True, check=True
    ).stdout
    quoted = shlex.quote(every_byte).encode("utf-8", "surrogateescape")
    assert b"\neval " + quoted + b" </dev/null >&2 " in script
    assert b"\nremotest_python=" + quoted + b"\ncase " in script


def test_a_shell_line_holds_no_whole_marker() -> None:
    assert bytes(MARKER) not in shell_line("python", MARKER, "true")


def test_only_who_may_install_sends_what_asks_uv() -> None:
    assert b"uv python" not in shell_line("python3.9", MARKER, "true")
    assert b"python install \\00473.9; x\\0047 " in shell_line(
        "python3.9", MARKER, uv_request="3.9; x"
    )


@pytest.mark.parametrize("is_stopped", [False, True])
def test_a_shell_whose_line_does_not_come_ends(*, is_stopped: bool) -> None:
    """As on a link that swallows all: nobody ends its input."""
    assert LINE_TIMEOUT_S > BOOT_TIMEOUT_S
    hasty = REMOTE_COMMAND.replace(f"-lt {LINE_TIMEOUT_S} ", "-lt 1 ")
    assert hasty != REMOTE_COMMAND
    with subprocess.Popen(["/bin/sh", "-c", hasty], stdin=subprocess.PIPE) as shell:
        watcher_of(shell)
        if is_stopped:
            shell.send_signal(signal.SIGSTOP)
        assert shell.wait(WAIT_S) == -signal.SIGKILL


def test_what_watches_a_shell_ends_with_its_work_though_it_is_stopped() -> None:
    command = ["/bin/sh", "-c", REMOTE_COMMAND]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shell:
        watcher = watcher_of(shell)
        for pid in watcher:
            os.kill(pid, signal.SIGSTOP)
        shell.communicate(list_line(MARKER), timeout=WAIT_S)
    assert [pid for pid in watcher if not leftovers.has_ended(pid)] == []


def watcher_of(shell: subprocess.Popen[bytes]) -> list[int]:
    """Return the processes of a shell's watcher, once it sleeps."""
    while len(found := supervise.descendants(shell.pid)) < WATCHER_COUNT:
        assert shell.poll() is None
    return found


WATCHER_COUNT = 2
"""A shell, and what it sleeps in."""


class SettingUp:
    """A shell that its parent, and nobody else, waits for, while ``setup=`` hangs in it."""

    def __init__(self, shell: str, life: Path) -> None:
        os.mkfifo(life)
        self._end = os.open(life, os.O_RDONLY | os.O_NONBLOCK)
        setup = f"exec 9>{life}; trap '' TERM; sleep 1000 & echo here >&9; wait"
        command = [needs.program(shell), "-c", SHELL_PROGRAM]
        starting = f"import subprocess; subprocess.call({command}, start_new_session=True)"
        self._parent = subprocess.Popen(
            [sys.executable, "-c", starting], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(shell_line("python3", MARKER, setup))
        self._parent.stdin.flush()
        self._group = int(self._parent.stdout.readline().split()[-1])

    def end_parent(self) -> None:
        assert select.select([self._end], [], [], WAIT_S)[0], "it has not begun"
        self._parent.kill()
        self._parent.wait(WAIT_S)

    def has_ended(self) -> bool:
        """Wait until the shell, and all that it has started, has ended."""
        poller = select.poll()
        poller.register(self._end, 0)  # Told is only that nobody holds the other end any more.
        return bool(poller.poll(WAIT_S * 1000))

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._group, signal.SIGKILL)
        self._parent.kill()
        self._parent.communicate(timeout=WAIT_S)
        os.close(self._end)


def test_a_shell_that_is_set_up_ends_when_its_parent_does(tmp_path: Path) -> None:
    """With all that it has started, also what is deaf to a polite request."""
    with contextlib.ExitStack() as stack:
        shells = [SettingUp(name, tmp_path / name) for name in ("dash", "bash")]
        for shell in shells:
            stack.callback(shell.close)
            shell.end_parent()
        assert [shell.has_ended() for shell in shells] == [True, True]
