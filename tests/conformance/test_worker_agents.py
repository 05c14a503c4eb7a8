"""A real agent behind a gateway, with real workers: what it relays, and what it leaves."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import interpreters
import pytest
from agentworld import Host
from gatewayworld import Watched, World
from workerworld import in_short, passed, properties, write_suite

from pytest_remotest import basetemp, frames, messages
from pytest_remotest.pipes import LINK_LOST_STATUS
from remotest.bundle import read_bundle

if TYPE_CHECKING:
    from collections.abc import Iterable

INTERPRETERS: Final = ("3.6", "3.13", interpreters.PYPY)


@pytest.fixture(params=INTERPRETERS)
def host(request: pytest.FixtureRequest, world: World) -> Host:
    return Host(world, interpreters.with_pytest(request.param))


@pytest.fixture
def new_host(world: World) -> Host:
    return Host(world, interpreters.with_pytest("3.13"))


def pairs_of(ways: Iterable[str], quick: set[tuple[str, str]]) -> list[Any]:
    """Return every interpreter with every way; 3.13 with all and ``quick`` are always tried."""
    return [
        pytest.param(name, way, marks=[] if is_quick else pytest.mark.slow, id=f"{name}-{way}")
        for name in INTERPRETERS
        for way in ways
        for is_quick in [name == "3.13" or (name, way) in quick]
    ]


PASS: Final = "def test_a(): pass\ndef test_b(): pass\n"


def test_a_worker_runs_from_its_start_to_its_end(host: Host, tmp_path: Path) -> None:
    suite = write_suite(
        tmp_path / "suite",
        test_a="""
            import os
            def test_a(worker_id, testrun_uid, tmp_path_factory):
                seen = [os.environ["PYTEST_XDIST_" + name] for name in ("WORKER", "TESTRUNUID")]
                assert seen == [worker_id, testrun_uid]
                assert tmp_path_factory.getbasetemp().name == "popen-gw7"
                assert os.getcwd() == os.path.dirname(__file__)
            def test_b():
                pass
        """,
    )
    host.spawn("gw7", suite)
    host.run("gw7")
    assert host.wait_for(messages.WorkerExited) == messages.WorkerExited("gw7", 0, "")
    assert in_short(host.said("gw7")) == [
        "SessionStarted",
        ("Collected", "test_a.py::test_a", "test_a.py::test_b"),
        *passed(0),
        *passed(1),
        messages.SessionFinished(""),
    ]
    assert host.printed("gw7") == ""


def test_many_workers_run_at_once(new_host: Host, tmp_path: Path) -> None:
    """They share the parent of their temporary folders, which is private and goes with the run."""
    suite = write_suite(
        tmp_path / "suite",
        test_a="""
            import os
            def test_a(tmp_path_factory, record_property):
                parent = tmp_path_factory.getbasetemp().parent
                record_property("parent", str(parent))
                record_property("mode", parent.stat().st_mode & 0o777)
            def test_b():
                pass
        """,
    )
    names = [f"gw{number}" for number in range(32)]
    for name in names:
        new_host.spawn(name, suite)
    begun: set[str | None] = set()
    while len(begun) < len(names):
        new_host.wait_for(messages.Collected)
        begun.add(new_host.told[-1][0])
    for name in names:
        new_host.send(messages.RunItems([0, 1]), messages.Finish(), worker=name)
    exited = [new_host.wait_for(messages.WorkerExited) for _ in names]
    assert sorted(exited) == sorted(messages.WorkerExited(name, 0, "") for name in names)
    found = [properties(new_host.said(name)) for name in names]
    assert [item["mode"] for item in found] == [0o700] * len(names)
    (parent,) = {item["parent"] for item in found}
    assert Path(parent).name == new_host.run_uid
    assert Path(parent).is_dir()
    new_host.send(messages.Goodbye())
    assert new_host.closed() == ["the agent ended"]
    assert not Path(parent).exists()


SUDDEN: Final = {
    "killed": (
        "os.kill(os.getpid(), 9)",
        -9,
        "\nmaybe out of memory; nothing of this run has sent it",
    ),
    "exits": ("os.write(2, b'last'); os._exit(3)", 3, "last"),
    "closes its pipes": (
        "os.closerange(3, 256)",
        LINK_LOST_STATUS,
        "\nits pipe to the agent was closed: does a test close what it did not open?",
    ),
}


@pytest.mark.parametrize(
    ("host", "way"),
    pairs_of(SUDDEN, {("3.6", "exits"), (interpreters.PYPY, "closes its pipes")}),
    indirect=["host"],
)
def test_the_end_of_a_worker_comes_after_all_that_it_said(
    host: Host, tmp_path: Path, way: str
) -> None:
    """Also where a child of a test holds its pipes open."""
    body, status, words = SUDDEN[way]
    suite = write_suite(
        tmp_path / "suite",
        test_a=f"""
            import os, subprocess
            def test_a():
                subprocess.Popen(["sleep", "1000"], close_fds=False)
            def test_b():
                {body}
        """,
    )
    host.spawn("gw0", suite, "-s")
    host.run("gw0")
    assert host.wait_for(messages.WorkerExited) == messages.WorkerExited("gw0", status, words)
    assert in_short(host.said("gw0"))[2:] == [
        *passed(0),
        ("LogStart", 1),
    ]


@pytest.mark.parametrize("name", INTERPRETERS)
def test_an_agent_need_not_look_for_what_has_ended(world: World, tmp_path: Path, name: str) -> None:
    """One that never looks by itself hears of it, and not by pipes: a child holds them open."""
    source = read_bundle()["pytest_remotest.agent"]
    changed = re.sub(r"(REAP_INTERVAL_S =) \S+", r"\1 3600.0", source)
    assert changed != source
    python = interpreters.with_pytest(name)
    host = Host(world, python, changed={"pytest_remotest.agent": changed})
    suite = write_suite(
        tmp_path / "suite",
        test_a="""
            import subprocess
            def test_a():
                subprocess.Popen(["sleep", "1000"], close_fds=False)
        """,
    )
    host.spawn("gw0", suite)
    host.run("gw0")
    assert host.wait_for(messages.WorkerExited) == messages.WorkerExited("gw0", 0, "")


def test_plugins_are_asked_what_each_report_is_called(host: Host, tmp_path: Path) -> None:
    suite = write_suite(
        tmp_path / "suite",
        conftest="""
            asked = []
            def pytest_report_teststatus(report):
                asked.append([report.nodeid[-1], report.when])
        """,
        test_a="""
            import conftest
            def test_a(): pass
            def test_b(record_property):
                record_property("asked", list(conftest.asked))
        """,
    )
    host.spawn("gw0", suite)
    host.run("gw0")
    host.wait_for(messages.WorkerExited)
    assert properties(host.said("gw0"))["asked"] == [
        *(["a", when] for when in ("setup", "call", "teardown")),
        ["b", "setup"],
    ]


def test_a_crash_is_dumped_into_the_last_words(new_host: Host, tmp_path: Path) -> None:
    source = "def test_a():\n    __import__('faulthandler')._sigsegv()\n"
    new_host.spawn("gw0", write_suite(tmp_path / "suite", test_a=source))
    new_host.run("gw0")
    exited = new_host.wait_for(messages.WorkerExited)
    assert exited.status == -signal.SIGSEGV
    assert exited.output.startswith("Fatal Python error: Segmentation fault\n")
    assert "in test_a" in exited.output


def test_noise_is_relayed_whole_and_apart_from_the_protocol(host: Host, tmp_path: Path) -> None:
    suite = write_suite(
        tmp_path / "suite",
        test_a="""
            # -*- coding: utf-8 -*-
            import os
            def test_a():
                for number in range(20):
                    os.write(1 + number % 2, u"\\u20ac".encode("utf-8") * 100000)
            def test_b():
                os.write(1, b"\\xff\\0end")
        """,
    )
    host.spawn("gw0", suite, "-s")
    host.run("gw0")
    exited = host.wait_for(messages.WorkerExited)
    assert exited.status == 0
    assert host.printed("gw0") == "\u20ac" * 2_000_000 + "\ufffd\0end"
    assert exited.output.endswith("\ufffd\0end")
    assert in_short(host.said("gw0"))[2:] == [
        *passed(0),
        *passed(1),
        messages.SessionFinished(""),
    ]


def test_a_worker_that_cannot_start_is_told(new_host: Host, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    new_host.spawn("gw0", missing)
    exited = new_host.wait_for(messages.WorkerExited)
    assert (exited.worker, exited.status) == ("gw0", 1)
    assert exited.output.startswith(f"cannot start a process in '{missing}': [Errno 2]")
    new_host.spawn("gw1", write_suite(tmp_path / "suite", test_a=PASS))
    new_host.run("gw1")
    assert new_host.wait_for(messages.WorkerExited).status == 0


def test_a_worker_is_stopped_by_a_signal(new_host: Host, tmp_path: Path) -> None:
    new_host.spawn("gw0", write_suite(tmp_path / "suite", test_a=PASS))
    new_host.wait_for(messages.Collected)
    new_host.send(messages.StopWorker("gw0", signal.SIGKILL), messages.StopWorker("gw9", 9))
    assert new_host.wait_for(messages.WorkerExited) == messages.WorkerExited("gw0", -9, "")


# -- nothing survives ---------------------------------------------------------------------------

LEFT_BEHIND: Final = """
    import os, subprocess, sys, threading, time
    DOUBLE_FORK = (
        "import os, sys, time\\n"
        "if os.fork() == 0:\\n"
        "    os.setsid()\\n"
        "    if os.fork() == 0:\\n"
        "        print(os.getpid()); sys.stdout.close(); os.close(1)\\n"
        "        time.sleep(1000)\\n"
        "    os._exit(0)\\n"
    )
    def test_a(record_property):
        child = subprocess.Popen(["sleep", "1000"])
        session = subprocess.Popen(["setsid", "sh", "-c", "trap '' TERM HUP INT; sleep 1000; :"])
        twice = subprocess.check_output([sys.executable, "-c", DOUBLE_FORK], env={})
        record_property("pids", [os.getpid(), child.pid, session.pid, int(twice)])
    def test_b():
        threading.Thread(target=time.sleep, args=(1000,)).start()
"""


@pytest.mark.parametrize(
    ("host", "how"),
    pairs_of(
        ("Goodbye", "a worker's end", "the link's end", "SIGTERM"),
        {("3.6", "a worker's end"), (interpreters.PYPY, "the link's end")},
    ),
    indirect=["host"],
)
def test_nothing_that_tests_started_survives_the_run(host: Host, tmp_path: Path, how: str) -> None:
    host.spawn("gw0", write_suite(tmp_path / "suite", test_a=LEFT_BEHIND))
    processes = [Watched(pid) for pid in host.property("gw0", "pids")]
    agent = Watched(host.greeting.info["pid"])
    if how == "a worker's end":
        host.send(messages.StopWorker("gw0", signal.SIGKILL))
        host.wait_for(messages.WorkerExited)
    if how == "the link's end":
        host.gateway.close(timeout_s=10)
    elif how == "SIGTERM":
        os.kill(host.greeting.info["pid"], signal.SIGTERM)
    else:
        host.send(messages.Goodbye())
    assert [process.has_ended() for process in processes] == [True] * len(processes)
    if how != "the link's end":
        host.closed()
        host.gateway.close(timeout_s=10)
    assert agent.has_ended()


CONTROLLER: Final = """
import sys, threading
sys.path[:0] = sys.argv[1].split(":")
from pathlib import Path
from gatewayworld import make_world
from agentworld import Host
from test_worker_agents import LEFT_BEHIND
from workerworld import write_suite
with make_world("popen", Path(sys.argv[2])) as world:
    host = Host(world, sys.argv[3])
    host.spawn("gw0", write_suite(Path(sys.argv[2]) / "suite", test_a=LEFT_BEHIND))
    print(host.greeting.info["pid"], *host.property("gw0", "pids"), flush=True)
    threading.Event().wait(100)
"""


@pytest.mark.parametrize("name", INTERPRETERS)
def test_nothing_survives_a_controller_that_is_killed(tmp_path: Path, name: str) -> None:
    here = Path(__file__).parent
    path = ":".join(map(str, (here, here.parent, here.parents[1], here.parents[1] / "plugin")))
    python = interpreters.with_pytest(name)
    command = [sys.executable, "-c", CONTROLLER, path, tmp_path, python]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as controller:
        assert controller.stdout is not None
        processes = [Watched(int(pid)) for pid in controller.stdout.readline().split()]
        assert len(processes) == 5
        controller.kill()
    assert [process.has_ended() for process in processes] == [True] * 5


def test_orphans_are_collected_while_the_run_lasts(new_host: Host, tmp_path: Path) -> None:
    suite = write_suite(
        tmp_path / "suite",
        test_a="""
            import os, subprocess
            def test_a(record_property):
                pids = [int(subprocess.check_output(["sh", "-c", "sleep 0 & echo $!"]))
                        for _ in range(5)]
                record_property("pids", pids)
            def test_b():
                pass
        """,
    )
    new_host.spawn("gw0", suite)
    pids = new_host.property("gw0", "pids")
    new_host.send(messages.Finish(), worker="gw0")
    new_host.wait_for(messages.WorkerExited)
    new_host.spawn("gw1", suite)  # by its greeting another round of the agent has passed
    new_host.wait_for(messages.Collected, "gw1")
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []


def test_what_workers_collect_alike_crosses_the_link_once(new_host: Host, tmp_path: Path) -> None:
    suite = write_suite(
        tmp_path / "suite",
        test_a="""
            import os, pytest
            @pytest.mark.parametrize("value", range(5500))
            def test_a(value):
                pass
            if os.environ["PYTEST_XDIST_WORKER"] == "gw2":
                def test_b():
                    pass
        """,
    )
    collected = {}
    for name in ("gw0", "gw1", "gw2"):
        new_host.spawn(name, suite)
        parts = [new_host.wait_for(messages.Collected, name) for _ in range(2)]
        collected[name] = [(len(part.ids), part.last, part.number, part.like) for part in parts]
        new_host.send(messages.Finish(), worker=name)
    assert collected == {
        "gw0": [(5000, False, 0, ""), (500, True, 1, "")],
        "gw1": [(0, False, 0, "gw0"), (0, True, 1, "gw0")],
        "gw2": [(0, False, 0, "gw0"), (501, True, 1, "")],
    }
    sizes = [
        len(frames.encode([message], name))
        for name, message in new_host.told
        if type(message) is messages.Collected
    ]
    assert sum(sizes) < 1.1 * sum(sizes[:2])


# -- the run's folder ---------------------------------------------------------------------------


def test_two_agents_of_a_run_share_its_folder_and_the_last_removes_it(
    world: World, tmp_path: Path
) -> None:
    suite = write_suite(
        tmp_path / "suite",
        test_a="""
            def test_a(tmp_path_factory, record_property):
                record_property("parent", str(tmp_path_factory.getbasetemp().parent))
            def test_b():
                pass
        """,
    )
    hosts = [Host(world, interpreters.with_pytest(name)) for name in ("3.6", "3.13")]
    parents = []
    run_uid = f"{hosts[0].run_uid}/../x"  # a user may name it as he likes
    for number, host in enumerate(hosts):
        host.run_uid = run_uid
        host.spawn(f"gw{number}", suite)
        parents.append(host.property(f"gw{number}", "parent"))
    parent = Path(parents[0])
    assert parents == [str(parent)] * 2
    assert parent.name == basetemp.folder_name(run_uid)
    left = []
    for host in hosts:
        host.send(messages.Goodbye())
        host.closed()
        left.append(parent.exists())
    assert left == [True, False]
