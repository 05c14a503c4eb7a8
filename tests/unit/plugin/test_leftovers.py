"""What workers left is found by its cookie alone, too: where nothing collects orphans."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from pytest_remotest import leftovers, supervise
from pytest_remotest.forks import MEMORY_BYTES, ForkNotes

if TYPE_CHECKING:
    from collections.abc import Iterator

PLUGIN: Final = Path(__file__).resolve().parents[3] / "plugin"

WAIT_S: Final = 30.0

OF_TEST: Final = {
    "PYTEST_XDIST_WORKER": "gw3",
    "PYTEST_CURRENT_TEST": "test_a.py::test_a[b (c)] (call)",
}

AGENT: Final = """\
import json, sys
from pytest_remotest import leftovers
mine = leftovers.Leftovers()
print(mine.cookie(), flush=True)
sys.stdin.readline()
found = mine.find()
mine.end()
print(json.dumps([found, mine.find()]))
"""


@pytest.fixture
def pids() -> Iterator[dict[str, int]]:
    """Processes that a test has started, by their cookies; they are ended with it."""
    made: dict[str, int] = {}
    yield made
    for pid in made.values():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def start(cookie: str) -> int:
    """Start a process that has a cookie and no parent, and return its id."""
    answer = subprocess.run(
        ["/bin/sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $!"],
        env={"PATH": os.environ["PATH"], **OF_TEST, leftovers.VARIABLE: cookie},
        stdout=subprocess.PIPE,
        check=True,
    )
    return int(answer.stdout)


def begin_agent() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", AGENT],
        env={"PYTHONPATH": str(PLUGIN)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_what_has_the_cookie_of_an_agent_is_found_and_ended(pids: dict[str, int]) -> None:
    with begin_agent() as agent:
        assert agent.stdout is not None
        cookie = agent.stdout.readline().strip()
        pids.update((text, start(text)) for text in (cookie, "elsewhere " + cookie))
        output, _ = agent.communicate("\n")
    pid = pids[cookie]
    assert json.loads(output) == [[[pid, "sleep 1000", "gw3", "test_a.py::test_a[b (c)]", 0]], []]
    assert [text for text in pids if pids[text] in supervise.stats()] == ["elsewhere " + cookie]


def cookie_of_dead_agent() -> str:
    with begin_agent() as agent:
        assert agent.stdout is not None
        cookie = agent.stdout.readline().strip()
        agent.communicate("\n")
    return cookie


def test_what_has_the_cookie_of_a_dead_agent_is_ended_unless_it_is_kept(
    pids: dict[str, int],
) -> None:
    cookie = cookie_of_dead_agent()
    space, process = cookie.split("/", 1)
    mine = leftovers.Leftovers().cookie()
    no_number = f"{space}/\N{SUPERSCRIPT TWO}/1"
    stays = [cookie + "/kept", "pid:[1]/" + process, mine, no_number, "nonsense", ""]
    pids.update((text, start(text)) for text in (cookie, *stays))
    handle = os.pidfd_open(pids[cookie])
    leftovers.end_those_of_dead_agents()
    assert select.select([handle], [], [], WAIT_S)[0]
    os.close(handle)
    # Another run of this user, just now, does the same.
    assert [text for text in pids if pids[text] in supervise.stats()] == stays


def test_what_this_process_is_part_of_is_not_ended(
    pids: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = cookie_of_dead_agent()
    monkeypatch.setenv(leftovers.VARIABLE, cookie)
    pids[cookie] = start(cookie)
    # Another run of this user, just now, ends it.
    assert pids[cookie] not in [left.pid for left in leftovers.end_those_of_dead_agents()]


def test_what_a_process_of_a_dead_agent_has_started_is_ended_also_without_its_cookie() -> None:
    child = "env -i /bin/sh -c 'echo started; exec sleep 1000'; exit 1"
    with subprocess.Popen(
        ["/bin/sh", "-c", child],
        env={"PATH": os.environ["PATH"], leftovers.VARIABLE: cookie_of_dead_agent()},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        leftovers.end_those_of_dead_agents()
        # It ends when nobody has it any more.
        assert process.communicate(timeout=WAIT_S) == ("", None)
    # It is killed, or told first that its child was.
    assert process.returncode in (-signal.SIGKILL, 1)


# From 3.12 on Python warns where a process with threads forks.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_notes_of_forks_come_from_other_processes_and_are_taken_once() -> None:
    notes = ForkNotes()
    children = []
    for node_id in ("test_a.py::test a", "test_b.py::test_b"):
        child = os.fork()
        if child == 0:
            notes.note(node_id)
            os._exit(0)
        children.append(str(child))
        os.waitpid(child, 0)
    assert notes.take() == [
        [children[0], "test_a.py::test a"],
        [children[1], "test_b.py::test_b"],
    ]
    assert notes.take() == []


def test_notes_for_which_there_is_no_room_are_left_out() -> None:
    notes = ForkNotes()
    notes.note("short")
    notes.note("x" * MEMORY_BYTES)
    assert notes.take() == [[str(os.getpid()), "short"]]


def test_a_message_names_the_first_ones_and_counts_the_rest() -> None:
    found = [leftovers.Left(pid, "sleep 9", "gw0", "t", 0) for pid in range(leftovers.MAX_TOLD + 7)]
    message = leftovers.to_message(found, of_dead_run=False)
    assert message.rows == [list(left) for left in found[: leftovers.MAX_TOLD]]
    assert (message.of_dead_run, message.more_count) == (False, 7)


def test_a_long_command_line_is_cut_and_says_so() -> None:
    command = ["sh", "-c", "echo here; read -r line", *["0"] * 500]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        told = leftovers.command_of(process.pid)
        process.communicate(b"\n")
    assert told.startswith("sh -c echo here; read -r line 0 0 ")
    assert "\n... [829 characters left out by remotest] ...\n" in told
