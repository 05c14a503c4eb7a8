"""Every wait has a deadline, or a reason why it needs none: nothing here may hang for ever."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = (ROOT / "plugin" / "pytest_remotest", ROOT / "remotest")

WAITS: Final = frozenset(("accept", "acquire", "get", "join", "result", "select", "wait"))
"""Methods that wait, for ever if nobody tells them how long."""

RUNS: Final = frozenset(("run", "call", "check_call", "check_output"))
"""Functions of ``subprocess`` that do, as ``communicate`` does."""

RECEIVES: Final = frozenset(("recv", "recv_into", "recvfrom"))
"""Methods of sockets and channels that do whatever they are given, where those have no limit."""

ENDLESS: Final = {
    # `remotest serve` is a server: it waits for clients, and while a command of theirs runs.
    ("remotest.gateways.serve", "self._listener.accept()"),
    ("remotest.gateways.servecommand", "self._exited.wait()"),
    ("remotest.gateways.servecommand", "thread.join()"),
    ("remotest.gateways.servecommand", "self._channel.status_event.wait()"),
    ("remotest.gateways.servecommand", "self._process.wait()"),
    (
        "remotest.gateways.servecommand",
        "os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)",
    ),
    ("remotest.gateways.servecommand", "self._channel.recv(RELAY_BYTES)"),
    # Of a socket that is known to have something, or has a limit of its own.
    ("remotest.gateways.tcp", "self._socket.recv(size)"),
    ("remotest.gateways.sshstream", "self._channel.recv(READ_BYTES)"),
    ("remotest.gateways.sshagent", "self._socket.recv(size - len(received))"),
    ("remotest.gateways.dial", "super().recv(size, flags)"),
    ("remotest.gateways.dial", "self._inner.recv(size)"),
    # What it waits for exits at once, and its agent waits for both no longer than it says there.
    ("pytest_remotest.forking", "os.waitpid(between, 0)"),
    # Methods of our own that wait for nothing.
    ("remotest.controller", "self._machine.result()"),
    ("remotest.run.machine", "self.result()"),
}
"""(module, call) of calls that may wait for ever, as far as a reader of one line can tell."""


def waits_for_ever(call: ast.Call) -> bool:
    """Return whether a call names no limit to what it waits for.

    What only a run can tell is taken to be right: that a limit is a variable, and not None.
    """
    if not isinstance(call.func, ast.Attribute):
        return False
    owner, method = ast.unparse(call.func.value), call.func.attr
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    if method == "communicate" or (owner == "subprocess" and method in RUNS):
        return is_no_limit(named.get("timeout"))
    if (owner, method) == ("select", "select"):
        return not call.args[3:] or is_no_limit(call.args[3])
    if owner == "os" and method.startswith("wait"):
        return "WNOHANG" not in ast.unparse(call)
    if method in WAITS or (method == "poll" and "poller" in owner):
        return all(map(is_no_limit, [*call.args, *named.values()]))
    return method in RECEIVES


def is_no_limit(value: ast.expr | None) -> bool:
    """Return whether an argument is absent, None, or True as in ``acquire(True)``."""
    return value is None or (
        isinstance(value, ast.Constant) and (value.value is None or value.value is True)
    )


def test_every_wait_has_a_deadline() -> None:
    modules = {
        ".".join(path.relative_to(package.parent).with_suffix("").parts): path
        for package in PACKAGES
        for path in package.rglob("*.py")
    }
    assert {"pytest_remotest.agent", "remotest.driver", "remotest.run.machine"} <= set(modules)
    calls = {
        (name, ast.unparse(node))
        for name, path in modules.items()
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Call) and waits_for_ever(node)
    }
    assert calls == ENDLESS


@pytest.mark.parametrize(
    "call",
    [
        "inbox.get()",
        "inbox.get(True)",
        "inbox.get(timeout=None)",
        "event.wait()",
        "event.wait(None)",
        "thread.join()",
        "lock.acquire()",
        "lock.acquire(blocking=True)",
        "future.result()",
        "selector.select()",
        "poller.poll()",
        "poller.poll(None)",
        "select.select(r, [], [])",
        "process.communicate()",
        "process.communicate(data)",
        "process.communicate(data, timeout=None)",
        "subprocess.run(command)",
        "subprocess.run(command, timeout=None, check=True)",
        "os.waitpid(pid, 0)",
        "connection.recv(1024)",
    ],
)
def test_what_waits_for_ever_is_found(call: str) -> None:
    assert waits_for_ever(ast.parse(call, mode="eval").body)  # type: ignore[arg-type]  # a call


@pytest.mark.parametrize(
    "call",
    [
        "table.get(key)",
        "inbox.get(timeout=limit_s)",
        "inbox.get(True, 5)",
        "event.wait(limit_s)",
        "', '.join(words)",
        "lock.acquire(timeout=1)",
        "lock.acquire(False)",
        "selector.select(limit_s)",
        "process.poll()",
        "select.select(r, [], [], limit_s)",
        "process.communicate(timeout=limit_s)",
        "subprocess.run(command, check=True, timeout=limit_s)",
        "os.waitpid(pid, os.WNOHANG)",
        "wait()",
    ],
)
def test_what_has_a_limit_is_left_alone(call: str) -> None:
    assert not waits_for_ever(ast.parse(call, mode="eval").body)  # type: ignore[arg-type]  # a call
