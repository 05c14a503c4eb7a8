"""What tests start and do not end: it is named, and ended or kept."""

from __future__ import annotations

import os
import re
import signal
from typing import TYPE_CHECKING, Final

import leftovers
import pytest
from leftovers import KINDS, parent_of

from remotest.reporting.leftovers import OF_DEAD_RUN

if TYPE_CHECKING:
    from pathlib import Path

    from leftovers import Leftovers
    from projects import Answer

TEST: Final = "test_it.py::test_that_leaves_children"
STRANGER: Final = KINDS[-1]
"""Of this nothing tells whose it is, once its parents are gone."""

KILLED: Final = """
    import os
    import subprocess

    def test_that_is_killed():
        left = subprocess.Popen(["sleep", "1000", os.environ["FIFO"]])
        with open("left", "w") as stream:
            stream.write(str(left.pid))
        os.kill(os.getpid(), 9)

    def test_after_it():
        pid = int(open("left").read())
        while os.path.exists("/proc/%d" % pid):
            pass
    """


def named(answer: Answer, left: Leftovers, what: str, *, more: str = "") -> list[tuple[str, str]]:
    """Return (whose, kind) of what a summary names, in the order of the kinds."""
    mark = re.escape(left.project.environment["FIFO"])
    found = [
        re.fullmatch(rf"(.*): /bin/sh .* {mark}:(\w+) \(process \d+, and 1 below it{more}\)", line)
        for line in answer.section(f"processes that tests have left ({what})")
    ]
    rows = [(match[1], match[2]) for match in found if match is not None]
    assert len(rows) == len(found), answer.output
    return sorted(rows, key=lambda row: KINDS.index(row[1]))


@pytest.fixture
def by_test() -> list[tuple[str, str]]:
    """Who has left what: only of what has an empty environment the test is not known."""
    known = [(f"[gw0] {TEST}", kind) for kind in KINDS[:-1]]
    return [*known, ("[local-py311] some test", STRANGER)]


@pytest.mark.parametrize("how", ["--keep-orphans", "keep_orphans = true", ""])
def test_what_is_left_is_named_and_ended_or_kept(
    tmp_path: Path, by_test: list[tuple[str, str]], how: str
) -> None:
    files = {"test_it.py": leftovers.SUITE}
    with leftovers.leaving(tmp_path, os.environ, files) as left:
        left.project.write({"pytest.ini": "[pytest]\n" + how * (not how.startswith("-"))})
        answer = left.project.pytest("-n1", *[how] * how.startswith("-"))

        assert answer.status == 0, answer.output
        assert named(answer, left, "kept" if how else "ended") == by_test
        if not how:
            return
        alive = left.processes()
        assert [kind for kind in KINDS if not any(kind in name for name in alive)] == []
        again = left.project.pytest("-n1", "--version")
        assert left.processes() == alive, again.output
        tree = left.tree()
    assert [pid for pid in tree if not leftovers.has_ended(pid)] == [], "this test left it"


def test_what_a_killed_agent_has_left_is_ended_by_the_next_one(tmp_path: Path) -> None:
    files = {"test_it.py": leftovers.SUITE}
    with leftovers.leaving(tmp_path, os.environ, files, waits="once") as left:
        with left.started(["-n1"]) as process:
            left.await_start()
            process.send_signal(signal.SIGSTOP)
            (agent,) = left.agents()
            guard = parent_of(agent)
            # Stopped at first, so that neither tidies up when it sees that the other one is gone.
            for number in (signal.SIGSTOP, signal.SIGKILL):
                os.kill(guard, number)
                os.kill(agent, number)
            process.kill()
            process.communicate(timeout=leftovers.EVENT_TIMEOUT_S)
        left.project.write({"test_it.py": "def test_nothing():\n    pass\n"})
        # Any run of this user ends it, and names it: another one may come before ours.
        answer = left.project.pytest("-n1")

        assert answer.status == 0, answer.output
        alive = left.processes()
        assert [kind for kind in KINDS if any(f":{kind}" in name for name in alive)] == [STRANGER]
        if "processes that tests have left" in answer.output:
            found = named(answer, left, "ended", more=OF_DEAD_RUN)
            assert {whose for whose, _ in found} == {f"[gw0] {TEST}"}
        assert left.files() == []


def test_what_a_killed_worker_has_started_is_ended_at_once(tmp_path: Path) -> None:
    with leftovers.leaving(tmp_path, os.environ, {"test_it.py": KILLED}) as left:
        answer = left.project.pytest("-n1")

    assert answer.status == pytest.ExitCode.TESTS_FAILED
    why = "maybe out of memory; nothing of this run has sent it"
    assert f"ended by signal SIGKILL: {why}" in answer.lines
    assert " 1 failed, 1 passed in " in answer.lines[-1]
