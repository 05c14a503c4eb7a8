"""Rows 37-45: workers and controllers that die, and what they leave behind."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from faultlab.catalogue import GREEN, KILLED, STOPPED, TESTS_FAILED, fault

if TYPE_CHECKING:
    from faultlab.scene import Scene, Seen

ONE_DIED = {"passed": 5, "error": 1}
ALL_RAN = {"passed": 6}

THIRD = """
import ctypes
import os
import signal
import subprocess
import sys
import time

import pytest

@pytest.mark.parametrize("number", range(6))
def test_number(number, tell):
    if number == 2:
        {act}
"""
"""Six tests; the third one does something."""

PATIENCE_S = 12
"""Longer than the prompt takes to come back, and short enough for the host to be clean soon."""

STUBBORN = "trap '' HUP INT TERM; while :; do sleep 1000; done"

DAEMONS = f"""
import os
import subprocess
import time

STUBBORN = "{STUBBORN}"

def test_daemons(tell):
    subprocess.Popen(["sleep", "1000"])
    subprocess.Popen(["sh", "-c", STUBBORN])
    subprocess.Popen(["sh", "-c", STUBBORN], preexec_fn=os.setsid)
    # A daemon as of old: its parent is gone, and so is its session.
    subprocess.Popen(["sh", "-c", "setsid sh -c \\"%s\\" &" % STUBBORN]).wait()
    # One that nothing in its environment tells of.
    cookieless = subprocess.Popen(["sh", "-c", STUBBORN], env={{{{}}}}, preexec_fn=os.setsid)
    tell("pid:%d" % cookieless.pid)

def test_the_end(tell):
    tell("here")
    {{wait}}
"""

RUNNING = """
import subprocess
import time

def test_that_runs(tell_that_it_runs):
    subprocess.Popen(["sleep", "1000"])
    tell_that_it_runs()
    time.sleep(1000)
"""

HOLDING = """
        tell("here")
        while True:
            try:
                time.sleep(1000)
            except KeyboardInterrupt:
                tell("caught")
"""


def _third(scene: Scene, act: str, *, ours: tuple[str, ...] = ()) -> Seen:
    scene.write_tests(THIRD.format(act=act.strip()))
    return scene.run(scene.host("first"), ours=ours)


@fault(
    "37",
    "worker killed",
    exits=TESTS_FAILED,
    says=["ended by signal SIGKILL: maybe out of memory"],
    outcomes=ONE_DIED,
    cheap=True,
)
def killed(scene: Scene) -> Seen:
    """A test starts a child and kills its own process with SIGKILL, as the OOM killer does."""
    return _third(
        scene, 'subprocess.Popen(["sleep", "1000"]); os.kill(os.getpid(), signal.SIGKILL)'
    )


@fault(
    "38",
    "worker stopped",
    exits=TESTS_FAILED,
    says=[r"node down: was stopped \(SIGSTOP\) for 3 s and was killed"],
    outcomes=ONE_DIED,
)
def stopped(scene: Scene) -> Seen:
    """A test stops its own process with SIGSTOP."""
    scene.write_tests(THIRD.format(act="os.kill(os.getpid(), signal.SIGSTOP)"))
    return scene.run(scene.spec(scene.host("first"), ours="heartbeat=3"))


@fault(
    "38b",
    "worker that hangs",
    exits=TESTS_FAILED,
    says=["node down: said nothing for 5 s"],
    outcomes=ONE_DIED,
)
def hangs(scene: Scene) -> Seen:
    """A test sleeps for ever."""
    return _third(scene, "time.sleep(10 ** 6)", ours=("--worker-timeout=5",))


@fault("39", "segmentation fault", exits=TESTS_FAILED, says=["Segmentation"], outcomes=ONE_DIED)
def segfault(scene: Scene) -> Seen:
    """A test reads the address 0."""
    return _third(scene, "ctypes.string_at(0)")


@fault(
    "40",
    "os._exit(0) in a test",
    exits=TESTS_FAILED,
    says=["'gw0' crashed while running", "ended with exit status 0"],
    outcomes=ONE_DIED,
)
def exits(scene: Scene) -> Seen:
    """A test ends its process with status 0."""
    return _third(scene, "os._exit(0)")


@fault("41", "test kills its group", exits=TESTS_FAILED, says=["SIGKILL"], outcomes=ONE_DIED)
def kills_group(scene: Scene) -> Seen:
    """A test kills all processes of its process group."""
    return _third(scene, "os.killpg(0, signal.SIGKILL)")


@fault("41b", "test leaves its group", exits=GREEN, outcomes=ALL_RAN)
def leaves_group(scene: Scene) -> Seen:
    """A test starts a child that makes a session of its own, and leaves it."""
    return _third(scene, 'subprocess.Popen(["setsid", "sleep", "1000"])')


@fault(
    "42",
    "os.fork, child outlives the test",
    exits=GREEN,
    says=[r"\[gw0\] .*test_number\[2\] \(process \d+\)"],
    outcomes=ALL_RAN,
)
def fork(scene: Scene) -> Seen:
    """A test forks a child that sleeps on."""
    return _third(scene, "os.fork() or time.sleep(1000)")


@fault(
    "42b",
    "os.fork, child returns into pytest",
    exits=GREEN,
    says=["a fork of this test, came back into pytest and was ended"],
    outcomes=ALL_RAN,
)
def fork_returns(scene: Scene) -> Seen:
    """A test forks, and both processes go on with the suite."""
    return _third(scene, "os.fork()")


@fault(
    "43",
    "daemons after the run",
    exits=GREEN,
    says=[r"test_daemons: sleep 1000 \(process", r"test_daemons: sh -c trap .* 1 below it\)"],
    outcomes={"passed": 2},
    cheap=True,
)
def daemons(scene: Scene) -> Seen:
    """A test leaves a child, stubborn ones, a daemon, and one with an empty environment."""
    scene.write_tests(DAEMONS.format(wait="pass"))
    return scene.run(scene.host("first"))


@fault("44", "Ctrl-C", exits=STOPPED, says=["KeyboardInterrupt"], settled=False)
def ctrl_c(scene: Scene) -> Seen:
    """Ctrl-C while a test runs, after another has left daemons."""
    return _stopped_by(scene, signal.SIGINT)


@fault("44b", "Ctrl-C twice", exits=STOPPED, says=["KeyboardInterrupt"], settled=False)
def ctrl_c_twice(scene: Scene) -> Seen:
    """Ctrl-C twice while a test runs that swallows KeyboardInterrupt."""
    scene.write_tests(THIRD.format(act=HOLDING.strip()))
    run = scene.start(scene.host("first"))
    if run.hears("here"):
        run.signal(signal.SIGINT)
        if run.hears("caught"):
            run.signal(signal.SIGINT)
    return run.finish()


@fault(
    "44c",
    "Ctrl-C on a half-open link",
    exits=STOPPED,
    says=[r"gw0\] was running test_it\.py::test_that_runs"],
    settled=False,
)
def ctrl_c_in_silence(scene: Scene) -> Seen:
    """Ctrl-C when nothing passes any more between us and the host, and nobody has noticed yet."""
    scene.write_tests(RUNNING)
    host = scene.host("first", proxied=True)
    run = scene.start(scene.spec(host, ours=f"heartbeat={PATIENCE_S}"))
    if run.knows_what_runs():
        host.wire.blackhole()
        run.signal(signal.SIGINT)
    return run.finish()


@fault("45", "controller killed", exits=KILLED, settled=False)
def controller_killed(scene: Scene) -> Seen:
    """SIGKILL for the controller while a test runs, after another has left daemons."""
    return _stopped_by(scene, signal.SIGKILL)


@fault("45b", "SIGTERM for the controller", exits=143, says=["SIGTERM"], settled=False)
def controller_ended(scene: Scene) -> Seen:
    """SIGTERM for the controller while a test runs, after another has left daemons."""
    return _stopped_by(scene, signal.SIGTERM)


@fault("45c", "SIGHUP for the controller", exits=129, says=["SIGHUP"], settled=False)
def terminal_closed(scene: Scene) -> Seen:
    """SIGHUP for the controller while a test runs, after another has left daemons."""
    return _stopped_by(scene, signal.SIGHUP)


@fault("45d", "controller killed while setup= hangs", exits=KILLED, settled=False, cheap=True)
def killed_in_setup(scene: Scene) -> Seen:
    """SIGKILL for the controller while `setup=` hangs, with a child that is deaf to SIGTERM."""
    if not scene.contender.is_remotest:
        pytest.skip("pytest-xdist has no setup=")
    setup = scene.directory / "setup"
    setup.write_text(f"trap '' TERM; sleep 1000 & echo here >{scene.directory}/fifo; sleep 1000")
    run = scene.start(scene.spec(scene.host("first"), ours=f"setup=. {setup}"))
    if run.hears("here"):
        run.signal(signal.SIGKILL)
    return run.finish()


def _stopped_by(scene: Scene, number: signal.Signals) -> Seen:
    scene.write_tests(DAEMONS.format(wait="time.sleep(1000)"))
    run = scene.start(scene.host("first"))
    if run.hears("here"):
        run.signal(number)
    return run.finish()
