"""A host with interpreters and nothing else: no pytest, no pip of use, no network at all.

A real sshd on loopback whose sessions each get a network namespace of their own, in which not even
the loopback interface is up.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shlex
import shutil
from typing import TYPE_CHECKING, Final

import interpreters
import machine
import sshd

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

CONTROLLER_CACHE: Final = interpreters.CACHE.with_name("environments")
"""XDG_CACHE_HOME of controllers: what they download stays from one run of the tests to the next."""

SYSTEM_PATH: Final = "/usr/bin:/bin"
"""What a session needs beside interpreters: sh and what comes with it."""


@contextlib.contextmanager
def running(directory: Path, names: Sequence[str]) -> Iterator[dict[str, str]]:
    """Give the environment variables of a shell in which every host is such a machine.

    Args:
        directory: an empty folder.
        names: the interpreters of the host, of ``interpreters.ALL``: as they were installed.
    """
    host = functools.partial(_offline_sshd, names)
    with machine.running(directory, (), host) as environment:
        yield {**environment, "XDG_CACHE_HOME": str(CONTROLLER_CACHE)}


@contextlib.contextmanager
def _offline_sshd(
    names: Sequence[str], directory: Path, environment: Mapping[str, str]
) -> Iterator[list[str]]:
    del environment  # Nothing of the controller's shell is on this host.
    commands = directory / "host-bin"
    commands.mkdir()
    for name in names:
        program = interpreters.find_or_skip(name)
        machine.write_command(commands / interpreters.command(name), str(program))
    home = directory / "host-home"
    home.mkdir()
    login = directory / "login"
    login.write_text(
        f"#!{machine.SHELL}\n"
        f'exec {shlex.join(without_network())} {machine.SHELL} -c "$SSH_ORIGINAL_COMMAND"\n'
    )
    login.chmod(0o755)
    with sshd.running(
        directory,
        lines=[f"ForceCommand {login}"],
        environment={"PATH": f"{commands}:{SYSTEM_PATH}", "HOME": str(home)},
    ) as server:
        yield server.ssh_config_path.read_text().splitlines()[1:]


def without_network() -> list[str]:
    """Return the command in front of one that shall have no network."""
    program = shutil.which("unshare")
    assert program is not None, "unshare, of util-linux, is on every Linux machine"
    # Only root makes namespaces without being root in a user namespace of its own.
    return [program, "--net"] if os.getuid() == 0 else [program, "--map-root-user", "--net"]
