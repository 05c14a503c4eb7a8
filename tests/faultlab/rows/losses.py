"""Rows 34-36 and 46-51: the line to a host, or the host's sshd, does not do its part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faultlab import stubs
from faultlab.catalogue import GREEN, HOST_FAILED, TESTS_FAILED, fault
from faultlab.proxy import FROM_HOST, Proxy

if TYPE_CHECKING:
    from collections.abc import Callable

    from faultlab.scene import Scene, Seen

ALL_RAN = {"passed": 6}

WAITING_ON_DOOMED = """
import os
import time

import pytest

def is_first():
    try:
        os.close(os.open(os.environ["FAULTLAB_NOTES"] + ".first", os.O_CREAT | os.O_EXCL))
    except OSError:
        return False
    return True

@pytest.mark.parametrize("number", range(10))
def test_number(number, tell_that_it_runs):
    if os.environ["FAULTLAB_HOST"] == "doomed" and ({always} or is_first()):
        tell_that_it_runs()
        time.sleep(1000)
"""
"""Ten tests; the first one that runs on the host, or every one there, does not end."""

WAITING = """
import pytest

@pytest.mark.parametrize("number", range(6))
def test_number(number, wait):
    if number == 1:
        wait()
"""

LOOK = """
import os

def look():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "data.txt")) as stream:
        return stream.read()
"""
TWO = """
def test_it():
    assert look() == "two"
"""

RUNS_AGAIN = r"was lost while running test_it\.py::test_number\[\d\]: it runs again elsewhere"
SLOW_LINE_BYTES_PER_S = 400_000
SLOW_LINE_DELAY_S = 0.02


def _lose(
    scene: Scene, how: Callable[[Proxy], None], *, ours: str = "", dist: str = "load"
) -> Seen:
    """Do something to the line of one of two hosts while a test runs there."""
    scene.write_tests(WAITING_ON_DOOMED.format(always=False))
    doomed, other = scene.host("doomed", proxied=True), scene.host("other")
    run = scene.start(scene.spec(doomed, ours=ours), scene.spec(other), dist=dist)
    if run.knows_what_runs():
        how(doomed.wire)
    return run.finish()


@fault("34", "network cut in a test", exits=HOST_FAILED, says=[RUNS_AGAIN], outcomes={"passed": 10})
def cut(scene: Scene) -> Seen:
    """The connection to one of two hosts is reset while a test runs there."""
    return _lose(scene, lambda wire: wire.cut(reset=True))


@fault(
    "34b",
    "a byte is changed on the way",
    exits=HOST_FAILED,
    says=[RUNS_AGAIN],
    outcomes={"passed": 10},
)
def corrupted(scene: Scene) -> Seen:
    """A byte from one of two hosts is changed while a test runs there."""
    return _lose(scene, lambda wire: wire.corrupt(FROM_HOST), ours="heartbeat=2")


@fault(
    "34c",
    "network cut in a test, --dist=each",
    exits=TESTS_FAILED,
    says=["doomed-py311 did not run to its end: the connection ended"],
    outcomes={"passed": 10, "error": 1},
)
def cut_under_each(scene: Scene) -> Seen:
    """The connection to one of two hosts is reset, and each was to run all tests."""
    return _lose(scene, lambda wire: wire.cut(reset=True), dist="each")


@fault(
    "35",
    "half-open connection",
    exits=HOST_FAILED,
    says=["no sign of life for 2 s", RUNS_AGAIN],
    outcomes={"passed": 10},
    cheap=True,
)
def blackhole(scene: Scene) -> Seen:
    """Nothing passes any more between us and one of two hosts, and nobody is told."""
    return _lose(scene, Proxy.blackhole, ours="heartbeat=2")


@fault(
    "35b",
    "half-open connection, one way",
    exits=HOST_FAILED,
    says=["no sign of life for 2 s", RUNS_AGAIN],
    outcomes={"passed": 10},
)
def blackhole_one_way(scene: Scene) -> Seen:
    """Nothing comes any more from one of two hosts, which hears us well."""
    return _lose(scene, lambda wire: wire.blackhole(FROM_HOST), ours="heartbeat=2")


@fault("36", "sshd restarted", exits=GREEN, outcomes=ALL_RAN)
def sshd_restarted(scene: Scene) -> Seen:
    """The host's sshd is restarted while a test runs; as by an upgrade, sessions stay."""
    scene.write_tests(WAITING)
    host = scene.host("first")
    run = scene.start(host)
    if run.hears("here"):
        host.server.restart_listener()
        scene.let_go()
    return run.finish()


@fault("46", "slow host", exits=GREEN, outcomes=ALL_RAN)
def slow(scene: Scene) -> Seen:
    """The line to one of two hosts has 400 kB/s and holds each piece up for 20 ms."""
    slow_host = scene.host("slow", proxied=True)
    slow_host.wire.delay_s = SLOW_LINE_DELAY_S
    slow_host.wire.bytes_per_s = SLOW_LINE_BYTES_PER_S
    return scene.run(scene.host("quick"), slow_host)


@fault(
    "47",
    "flapping host",
    exits=TESTS_FAILED,
    says=["given up: quarantined: lost or not started 4 times"],
    outcomes={"error": 2},
)
def flapping(scene: Scene) -> Seen:
    """Each connection to the only host is reset as soon as a test has begun there."""
    scene.write_tests(WAITING_ON_DOOMED.format(always=True))
    doomed = scene.host("doomed", proxied=True)
    run = scene.start(doomed)
    while run.knows_what_runs():
        scene.told.clear()
        doomed.wire.cut(reset=True)
    return run.finish()


@fault(
    "47b",
    "host that comes back",
    exits=GREEN,
    says=["connected again, .* s after it was lost", RUNS_AGAIN],
    outcomes={"passed": 10},
)
def comes_back(scene: Scene) -> Seen:
    """The connection to the only host is reset in a test; it can be reached again at once."""
    scene.write_tests(WAITING_ON_DOOMED.format(always=False))
    host = scene.host("doomed", proxied=True)
    run = scene.start(host)
    if run.knows_what_runs():
        host.wire.cut(reset=True)
    return run.finish()


@fault("48", "MaxSessions", exits=GREEN, outcomes=ALL_RAN)
def max_sessions(scene: Scene) -> Seen:
    """Six workers on a host whose sshd allows one session a connection."""
    host = scene.host("first", lines=["MaxSessions 1"])
    return scene.run("6*" + scene.spec(host))


@fault("48b", "MaxSessions, two interpreters", exits=GREEN, outcomes=ALL_RAN)
def max_sessions_of_two(scene: Scene) -> Seen:
    """Two interpreters on a host whose sshd allows one session a connection."""
    host = scene.host("first", lines=["MaxSessions 1"])
    other = stubs.plain(scene.directory / "other-python", scene.python)
    return scene.run(scene.spec(host), scene.spec(host, python=other))


@fault("49", "MaxStartups", exits=GREEN, outcomes=ALL_RAN)
def max_startups(scene: Scene) -> Seen:
    """Eight names of one host whose sshd drops who connects while two others log in."""
    host = scene.host("first", lines=["MaxStartups 2:100:2"])
    spec = scene.spec(host)
    return scene.run(*(spec.replace("ssh=first", f"ssh=first-{n}") for n in range(8)))


@fault("50", "another version on the host", exits=GREEN, outcomes=ALL_RAN)
def version_skew(scene: Scene) -> Seen:
    """The host's PYTHONPATH has a pytest_remotest and an xdist of a version that fails."""
    folder = scene.directory / "others"
    for name in ("pytest_remotest", "xdist"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("raise RuntimeError('another version')\n")
    return scene.run(scene.host("first", variables={"PYTHONPATH": str(folder)}))


@fault("51", "two runs at once on one cache", exits=GREEN, outcomes={"passed": 2})
def two_runs(scene: Scene) -> Seen:
    """While a test runs, the project is edited and run again there; then the first goes on."""
    scene.write_tests(
        LOOK
        + """
def test_waiting(wait):
    wait()
    assert look() == "one"

def test_after():
    assert look() == "one"
"""
    )
    scene.write({"data.txt": "one"})
    host = scene.host("first")
    run = scene.start(host)
    second = None
    if run.hears("here"):
        scene.write({"data.txt": "two", "test_it.py": LOOK + TWO})
        with scene.aside():
            second = scene.run(host)
        scene.let_go()
    first = run.finish()
    return second if second is not None and second.status else first
