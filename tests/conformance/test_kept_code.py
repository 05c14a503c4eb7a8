"""A host compiles what travels once, for agents, workers and what these are forked from."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Final

import interpreters
import pytest
from agentworld import Host
from workerworld import in_short, passed, write_suite

from pytest_remotest import messages

if TYPE_CHECKING:
    from pathlib import Path

    from gatewayworld import World

LOGS_WHAT_IS_COMPILED: Final = """\
import builtins, os
plain_compile = builtins.compile
def compile(source, filename, *arguments, **options):
    if str(filename).startswith("<remotest"):
        with open(os.environ["COMPILED"], "a") as log:
            log.write(filename + "\\n")
    return plain_compile(source, filename, *arguments, **options)
builtins.compile = compile
"""
HAS_A_DISK_THAT_HANGS: Final = """\
import os, time
os.rename = lambda *_: time.sleep(3600)
"""
COMPILED_EACH_TIME: Final = [
    "<remotest engine>",  # What looks for the rest.
    "<remotest>/bytecode.py",
    "<remotest>/cacheplaces.py",
]


def known_nowhere(folder: Path) -> dict[str, str]:
    """Return a module that makes of what travels something that no host has kept byte code of."""
    return {"pytest_remotest.nowhere": f"# {folder}"}


def compiled_in_run(world: World, python: Path, folder: Path) -> list[str]:
    """Let an agent run a test in a new process, and return what was compiled there, sorted."""
    log = folder / "compiled"
    log.write_text("")
    host = Host(world, python, will_fork=True, changed=known_nowhere(folder))
    host.spawn("gw0", folder / "suite", way="spawn")
    host.run("gw0")
    assert host.wait_for(messages.WorkerExited).status == 0
    assert [row for row in in_short(host.said("gw0")) if row in passed(0)] == passed(0)
    host.send(messages.Goodbye())
    assert host.closed() == ["the agent ended"]
    return sorted(log.read_text().splitlines())


@pytest.mark.parametrize("name", ["3.6", "pypy3"])
def test_what_was_compiled_once_is_not_compiled_again(
    world: World, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = interpreters.with_pytest(name)
    write_suite(tmp_path / "suite", test_it="def test_a(): pass")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(LOGS_WHAT_IS_COMPILED)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.setenv("COMPILED", str(tmp_path / "compiled"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first = compiled_in_run(world, python, tmp_path)
    expected = {f"<remotest>/pytest_remotest/{module}.py" for module in ("agent", "worker")}
    assert expected <= set(first)
    assert compiled_in_run(world, python, tmp_path) == COMPILED_EACH_TIME
    (kept,) = (tmp_path / "cache/remotest/v1/code").iterdir()
    kept.write_bytes(kept.read_bytes()[:-1])
    assert compiled_in_run(world, python, tmp_path) == first
    assert compiled_in_run(world, python, tmp_path) == COMPILED_EACH_TIME


def test_a_disk_that_hangs_does_not_keep_an_agent_that_nobody_speaks_to(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its input ends before it writes: so it is ended, although the link may stay open."""
    (tmp_path / "sitecustomize.py").write_text(HAS_A_DISK_THAT_HANGS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # There stays what it does not end.
    host = Host(world, sys.executable, changed=known_nowhere(tmp_path))
    host.send(messages.ExpectPings(0.1))
    assert host.closed() == ["the connection ended"]
    os.kill(host.greeting.info["pid"], signal.SIGKILL)  # As its guard will, in 9 s.
