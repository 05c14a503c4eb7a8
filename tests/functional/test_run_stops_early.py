"""Runs that are stopped before there is a test: nothing that they have started goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from typing import TYPE_CHECKING, Final

import interpreters
import leftovers
import pytest
from leftovers import EVENT_TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from leftovers import Leftovers

HANGING: Final = "sleep 1000 & echo here >$FIFO; sleep 1000"
"""A shell that tells that it runs, and has children."""

BACKEND: Final = """
    import os
    import time

    def hang(*_, **__):
        with open(os.environ["FIFO"], "w") as stream:
            stream.write("here")
        time.sleep(1000)

    get_requires_for_build_wheel = get_requires_for_build_editable = hang
    build_wheel = build_editable = hang
    """

FILES: Final = {
    "test_it.py": "def test_it():\n    pass\n",
    "app/__init__.py": "",
    "app/backend.py": BACKEND,
    "pyproject.toml": """
        [build-system]
        requires = []
        build-backend = "backend"
        backend-path = ["app"]

        [project]
        name = "app"
        dynamic = ["version"]
        """,
}


@pytest.fixture
def left(tmp_path: Path) -> Iterator[Leftovers]:
    with leftovers.leaving(tmp_path, os.environ, FILES) as made:
        yield made


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(EVENT_TIMEOUT_S)
        yield listener


def stopped(
    left: Leftovers, options: list[str], wait: Callable[[], object], number: signal.Signals
) -> int:
    """Stop a run when it is where ``wait`` waits for, and return its status."""
    with left.started(options) as process:
        wait()
        process.send_signal(number)
        output, _ = process.communicate(timeout=EVENT_TIMEOUT_S)
    assert left.survivors() == [], output
    assert "passed" not in output
    return process.returncode


def begun(left: Leftovers) -> None:
    assert leftovers.comes(left.fifo), "it has not begun"


def test_while_it_connects(left: Leftovers, silent: socket.socket) -> None:
    options = ["-d", f"--tx=ssh=127.0.0.1:{silent.getsockname()[1]}"]
    with contextlib.ExitStack() as connections:
        status = stopped(
            left,
            options,
            lambda: connections.enter_context(silent.accept()[0]),
            signal.SIGINT,
        )
    assert status == pytest.ExitCode.INTERRUPTED
    assert left.files() == []


IMPORTED: Final = """
    import signal
    import sys
    import weakref

    class Presses:
        def find_spec(self, name, *_):
            if name == {module!r}:
                # As when import lets go of a lock: nothing is raised out of such a call.
                self.lock = Presses()
                self.seen = weakref.ref(self.lock, lambda _: signal.raise_signal(signal.SIGINT))
                del self.lock

    sys.meta_path.insert(0, Presses())
    """
"""A conftest that presses Ctrl-C while a module is imported."""


@pytest.mark.parametrize("module", ["remotest.start", "remotest.controller"])
def test_while_it_is_imported(left: Leftovers, module: str) -> None:
    left.project.write({"conftest.py": IMPORTED.format(module=module)})
    answer = left.project.pytest("-n1")
    assert left.survivors() == [], answer.output
    assert (answer.status, "KeyboardInterrupt" in answer.output) == (2, True), answer.output
    assert left.files() == []


@pytest.mark.parametrize("python", ["", "//python=all"], ids=["to run", "to find interpreters"])
def test_while_a_shell_is_set_up(left: Leftovers, python: str) -> None:
    options = ["-d", f"--tx=popen{python}//setup={HANGING}"]
    status = stopped(left, options, lambda: begun(left), signal.SIGINT)
    assert status == pytest.ExitCode.INTERRUPTED
    assert left.files() == []


@pytest.mark.parametrize(
    ("number", "status"),
    [
        pytest.param(signal.SIGINT, pytest.ExitCode.INTERRUPTED, marks=pytest.mark.slow),
        (signal.SIGTERM, 128 + signal.SIGTERM),
        (signal.SIGKILL, -signal.SIGKILL),
    ],
)
def test_while_the_project_is_built(left: Leftovers, number: signal.Signals, status: int) -> None:
    python = interpreters.with_pytest("3.9")
    options = ["-d", f"--tx=popen//python={python}//env=managed"]
    assert stopped(left, options, lambda: begun(left), number) == status
    if number is not signal.SIGKILL:
        assert left.files() == []


@pytest.mark.slow
def test_while_a_test_swallows_the_interrupt(left: Leftovers) -> None:
    left.project.write({"test_it.py": leftovers.SUITE, "pyproject.toml": ""})
    swallowing = left.project.with_variables({"WAITS": "twice"})
    with left.started(["-n1"], swallowing) as process:
        begun(left)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=EVENT_TIMEOUT_S)
    assert left.survivors() == [], output
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert "no tests ran" in output.splitlines()[-1]
