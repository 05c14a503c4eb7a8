"""What plugins written for pytest-xdist call and read, driven by small plugins of our own."""

from __future__ import annotations

import json
import os
import textwrap
from typing import TYPE_CHECKING, Any, Final

import interpreters
import projects
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from projects import Project

TESTS: Final = """
    import pytest

    @pytest.mark.parametrize("number", range(6))
    def test_it(number):
        pass
    """


def make(tmp_path: Path, conftest: str, tests: str = TESTS) -> Project:
    return projects.make(
        tmp_path / "project", os.environ, {"conftest.py": conftest, "test_it.py": tests}
    )


def noted(project: Project) -> list[Any]:
    """Return what a conftest has written to ``notes``, one JSON value a line."""
    text = (project.directory / "notes").read_text()
    return [json.loads(line) for line in text.splitlines()]


NOTE: Final = """
    import json, os

    def note(*words):
        if "PYTEST_XDIST_WORKER" not in os.environ:
            with open("notes", "a") as stream:
                stream.write(json.dumps(words) + "\\n")
    """

HOOKS: Final = (
    NOTE
    + """
    def pytest_xdist_setupnodes(config, specs):
        note("setupnodes", [spec.id for spec in specs], [bool(spec.popen) for spec in specs])

    def pytest_xdist_newgateway(gateway):
        note("newgateway", gateway.id)

    def pytest_configure_node(node):
        node.workerinput["extra"] = {1: (b"bytes", frozenset([2]), None, 1.5)}
        note("configure_node", node.gateway.id, repr(node))

    def pytest_testnodeready(node):
        note("testnodeready", node.gateway.id)

    def pytest_xdist_node_collection_finished(node, ids):
        note("collection_finished", node.gateway.id, len(ids))

    def pytest_testnodedown(node, error):
        output = node.workeroutput["extra"]
        note("testnodedown", node.gateway.id, error, output == {2: (b"bytes", {3})})

    def pytest_sessionfinish(session):
        config = session.config
        if hasattr(config, "workerinput"):
            assert config.workerinput["extra"] == {1: (b"bytes", frozenset([2]), None, 1.5)}
            assert type(config.workerinput["extra"][1]) is tuple
            config.workeroutput["extra"] = {2: (b"bytes", {3})}
    """
)


def test_hooks_are_called_in_the_order_of_a_workers_life(tmp_path: Path) -> None:
    project = make(tmp_path, HOOKS)
    answer = project.pytest("-n2")
    assert answer.status == 0, answer.output
    notes = noted(project)
    assert notes[:5] == [
        ["setupnodes", ["gw0", "gw1"], [True, True]],
        ["newgateway", "gw0"],
        ["configure_node", "gw0", "<WorkerController gw0>"],
        ["newgateway", "gw1"],
        ["configure_node", "gw1", "<WorkerController gw1>"],
    ]
    for worker in ("gw0", "gw1"):
        assert [row for row in notes[5:] if row[1] == worker] == [
            ["testnodeready", worker],
            ["collection_finished", worker, 6],
            ["testnodedown", worker, None, True],
        ]


FACADE: Final = (
    NOTE
    + """
    import sys

    def pytest_testnodeready(node):
        rinfo = node.gateway._rinfo()
        info = node.workerinfo
        same = [
            info["id"] == node.gateway.id == node.workerinput["workerid"],
            info["spec"] is node.gateway.spec is node.nodemanager.specs[0],
            tuple(info["version_info"]) == tuple(rinfo.version_info) == tuple(sys.version_info),
            info["version"] == sys.version,
            info["sysplatform"] == rinfo.platform == sys.platform,
            info["executable"] == rinfo.executable == sys.executable,
            info["cwd"] == os.getcwd(),
            node.nodemanager.testrunuid == node.workerinput["testrunuid"] == "mine",
            node.workerinput["workercount"] == 1,
            node.workerinput["mainargv"] == sys.argv,
            node.config.pluginmanager.getplugin("dsession").nodemanager is node.nodemanager,
            hasattr(node, "workeroutput"),
            node.shutting_down,
        ]
        note(*same)

    def pytest_runtest_logreport(report):
        if report.when == "call" and hasattr(report, "node"):
            note(report.node.gateway.id, report.worker_id, report.testrun_uid, report.item_index)
    """
)


def test_nodes_and_reports_have_what_plugins_read(tmp_path: Path) -> None:
    project = make(tmp_path, FACADE)
    answer = project.pytest("-n1", "--testrunuid=mine")
    assert answer.status == 0, answer.output
    assert noted(project) == [
        [*[True] * 11, False, False],
        *(["gw0", "gw0", "mine", number] for number in range(6)),
    ]


def test_variables_set_in_hooks_reach_the_workers_that_start_later(tmp_path: Path) -> None:
    conftest = """
        import os
        os.environ["FROM_IMPORT"] = "1"

        def pytest_xdist_setupnodes():
            os.environ["FROM_SETUP"] = "1"

        def pytest_configure_node(node):
            os.environ["FROM_" + node.gateway.id] = "1"
        """
    tests = """
        import os

        def test_it(worker_id):
            names = ["FROM_IMPORT", "FROM_SETUP"] + (["FROM_gw0"] if worker_id == "gw1" else [])
            assert [name for name in names if name not in os.environ] == []
        """
    answer = make(tmp_path, conftest, tests).pytest("--dist=each", "--tx", "2*popen")
    assert answer.status == 0, answer.output


def test_a_crashed_node_is_down_with_an_error_and_without_output(tmp_path: Path) -> None:
    conftest = (
        NOTE
        + """
    def pytest_testnodedown(node, error):
        note(node.gateway.id, error, hasattr(node, "workeroutput"))

    def pytest_handlecrashitem(crashitem, report, sched):
        note(crashitem, report.when, report.longrepr.splitlines()[0], len(sched.nodes))
    """
    )
    tests = """
        import os

        def test_crash():
            os._exit(3)
        """
    project = make(tmp_path, conftest, tests)
    answer = project.pytest("-n1", "--max-worker-restart=0")
    assert answer.status == 1
    message = "worker 'gw0' crashed while running 'test_it.py::test_crash'"
    assert noted(project) == [
        ["gw0", "Not properly terminated", False],
        ["test_it.py::test_crash", "???", message, 0],
    ]


RERUN: Final = """
    def pytest_handlecrashitem(crashitem, report, sched):
        sched.mark_test_pending(crashitem)
        report.outcome = "rerun"

    def pytest_report_teststatus(report):
        if report.outcome == "rerun":
            return "rerun", "R", "RERUN"
    """

CRASHES_ONCE: Final = """
    import os, pathlib
    import pytest

    @pytest.mark.parametrize("number", range(6))
    def test_it(number):
        seen = pathlib.Path("seen")
        if number == 3 and not seen.exists():
            seen.touch()
            os._exit(3)
    """

SCHEDULERS: Final = {
    "": "LoadScheduling",
    "from xdist.dsession import LoadScheduling as Base": "Mine",
    "from xdist.scheduler import LoadScopeScheduling as Base": "Mine",
    "from xdist.scheduler.loadfile import LoadFileScheduling as Base": "Mine",
    "from xdist.scheduler.worksteal import WorkStealingScheduling as Base": "Mine",
}


@pytest.mark.parametrize(
    "statement",
    # All lead to one adapter; that each name is there, EVERY_NAME shows in one run.
    [
        pytest.param(statement, marks=() if at < 2 else pytest.mark.slow)
        for at, statement in enumerate(SCHEDULERS)
    ],
)
def test_a_test_whose_worker_died_runs_again_if_a_plugin_asks(
    tmp_path: Path, statement: str
) -> None:
    project = make(tmp_path, RERUN, CRASHES_ONCE)
    if statement:
        text = f"""
            {statement}

            class Mine(Base):
                def _split_scope(self, nodeid):
                    return nodeid

            def pytest_xdist_make_scheduler(config, log):
                return Mine(config, log)
            """
        project.write(
            {"mine.py": text, "conftest.py": "from mine import *\n" + textwrap.dedent(RERUN)}
        )
    answer = project.pytest("-v", "-n2")
    assert answer.status == 0, answer.output
    assert f"scheduling tests via {SCHEDULERS[statement]}" in answer.lines
    assert "6 passed, 1 rerun in" in answer.lines[-1]


def test_a_plugin_stops_the_run_through_dsession(tmp_path: Path) -> None:
    """Also from a thread of its own, while nothing else happens."""
    conftest = """
        import threading

        def pytest_runtest_logstart(nodeid):
            if config is not None and nodeid.endswith("test_long"):
                threading.Thread(target=stop).start()

        config = None

        def pytest_testnodeready(node):
            global config
            config = node.config

        def stop():
            session = config.pluginmanager.getplugin("dsession")
            assert session.shuttingdown is False
            session.shouldstop = "because I say so"
        """
    tests = """
        import time

        def test_long():
            for _ in range(20):
                time.sleep(0.1)

        def test_never():
            pass
        """
    answer = make(tmp_path, conftest, tests).pytest("-n1")
    assert answer.status == 2
    assert "because I say so" in answer.output
    assert "1 passed in" in answer.lines[-1]


def test_a_module_of_its_own_for_workers_is_warned_of_once(tmp_path: Path) -> None:
    conftest = """
        def pytest_xdist_getremotemodule():
            import json
            return json
        """
    answer = make(tmp_path, conftest).pytest("-n2")
    assert answer.status == 0
    expected = "pytest_xdist_getremotemodule: json is not used: remotest has its own workers"
    assert answer.output.count(expected) == 1


EVERY_NAME: Final = """
    import xdist
    from xdist import get_xdist_worker_id, is_xdist_controller, is_xdist_master, is_xdist_worker
    from xdist.dsession import DSession, LoadScheduling, TerminalDistReporter
    from xdist.newhooks import pytest_configure_node, pytest_handlecrashitem
    from xdist.plugin import is_xdist_worker, parse_numprocesses
    from xdist.remote import Producer, WorkerInfo
    from xdist.report import report_collection_diff
    from xdist.scheduler import (
        EachScheduling, LoadFileScheduling, LoadGroupScheduling, LoadScheduling,
        LoadScopeScheduling, Scheduling, WorkStealingScheduling,
    )
    from xdist.scheduler.each import EachScheduling
    from xdist.scheduler.load import LoadScheduling
    from xdist.scheduler.loadfile import LoadFileScheduling, LoadScopeScheduling
    from xdist.scheduler.loadgroup import LoadGroupScheduling
    from xdist.scheduler.loadscope import LoadScopeScheduling
    from xdist.scheduler.protocol import Scheduling
    from xdist.scheduler.worksteal import WorkStealingScheduling
    from xdist.workermanage import NodeManager, WorkerController, parse_tx_spec_config

    class Mine(LoadScopeScheduling):
        pass

    def pytest_configure(config):
        assert tuple(map(int, xdist.__version__.split("."))) >= (2, 3, 0)
        assert config.pluginmanager.hasplugin("xdist")

    def pytest_testnodeready(node):
        assert isinstance(node, WorkerController)
        assert isinstance(node.nodemanager, NodeManager)
        plugins = node.config.pluginmanager
        assert isinstance(plugins.getplugin("dsession"), DSession)
        assert isinstance(plugins.getplugin("terminaldistreporter"), TerminalDistReporter)
        assert parse_tx_spec_config(node.config) == ["popen", "popen"]
    """


@pytest.mark.parametrize("arguments", [["-n2"], ["-n0"]], ids=["workers", "here"])
def test_what_plugins_import_is_there_on_controller_and_workers(
    tmp_path: Path, arguments: list[str]
) -> None:
    answer = make(tmp_path, EVERY_NAME).pytest(*arguments)
    assert answer.status == 0, answer.output


@pytest.mark.parametrize(
    "name", ["3.6", pytest.param("3.8", marks=pytest.mark.slow), interpreters.PYPY]
)
def test_what_plugins_import_is_there_on_old_workers(tmp_path: Path, name: str) -> None:
    conftest = """
        import sys
        from xdist.scheduler.loadfile import LoadScopeScheduling
        from xdist.workermanage import WorkerController

        class Mine(LoadScopeScheduling):
            pass

        def pytest_configure(config):
            if sys.version_info >= (3, 8):
                from importlib.metadata import version
                assert version("pytest-xdist") == "3.8.0"
        """
    python = interpreters.with_pytest(name)
    answer = make(tmp_path, conftest).pytest("-d", f"--tx=popen//python={python}")
    assert answer.status == 0, answer.output


GROUPS: Final = (
    NOTE
    + """
    def pytest_xdist_node_collection_finished(node, ids):
        note(node.gateway.id, "collected", *ids)

    def pytest_runtest_logreport(report):
        if report.when == "call":
            note(getattr(report, "worker_id", "here"), report.nodeid)
    """
)

GROUPED: Final = """
    import pytest

    @pytest.mark.xdist_group("a")
    def test_one(): assert 0

    def test_two(): pass

    @pytest.mark.xdist_group(name="a")
    def test_three(request):
        assert request.node.nodeid == "test_it.py::test_three"
    """


def test_ids_are_those_of_pytest_under_loadgroup_too(tmp_path: Path) -> None:
    """So what a plugin counts of them agrees with reports, and --lf finds them again."""
    project = make(tmp_path, GROUPS, GROUPED)
    assert project.pytest("-n2", "--dist=loadgroup").status == 1
    notes = noted(project)
    ids = [f"test_it.py::test_{name}" for name in ("one", "two", "three")]
    assert sorted(row for row in notes if "collected" in row) == [
        ["gw0", "collected", *ids],
        ["gw1", "collected", *ids],
    ]
    workers = {node_id: worker for worker, node_id, *more in notes if not more}
    assert set(workers) == set(ids)
    assert workers[ids[0]] == workers[ids[2]] != workers[ids[1]]
    failed = project.directory / ".pytest_cache/v/cache/lastfailed"
    assert json.loads(failed.read_text()) == {ids[0]: True}


FAILS_ON_ONE: Final = """
    import os
    import pytest

    @pytest.fixture
    def turn(worker_id):
        is_first = worker_id == "gw0"
        open("both", "w" if is_first else "r").close()
        if not is_first:
            open("told").close()
        yield
        if is_first:  # Its failure is told by now.
            open("told", "w").close()

    def test_one(turn, worker_id):
        assert worker_id == "gw1"
    """


@pytest.mark.parametrize(
    ("option", "cache", "failed"),
    [
        ("--lf", "lastfailed", {"test_it.py::test_one": True}),
        ("--sw", "stepwise", "test_it.py::test_one"),
    ],
)
def test_what_failed_on_one_worker_has_failed_last_though_it_passed_on_another(
    tmp_path: Path, option: str, cache: str, failed: Any
) -> None:
    project = make(tmp_path, "", FAILS_ON_ONE)
    for event in ("both", "told"):
        os.mkfifo(project.directory / event)
    assert project.pytest("-n2", "--dist=each", option).status in (1, 2)
    kept = json.loads((project.directory / ".pytest_cache/v/cache" / cache).read_text())
    assert (kept["last_failed"] if option == "--sw" else kept) == failed
