"""A shell in which every host is at hand and every interpreter has a pytest."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import interpreters
import sshd

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SHELL: Final = "/bin/sh"

Host: TypeAlias = Callable[[Path, Mapping[str, str]], AbstractContextManager[list[str]]]
"""Runs an ssh server for a ``with`` block and gives the ssh_config lines that lead to it."""


@contextlib.contextmanager
def sshd_host(directory: Path, environment: Mapping[str, str]) -> Iterator[list[str]]:
    """Run a real sshd; give the ssh_config lines that lead to it.

    Args:
        directory: a folder for its files.
        environment: whose HOME and PATH its sessions have.
    """
    home, path = Path(environment["HOME"]), environment["PATH"]
    with sshd.running(directory, home=home, environment={"PATH": path}) as server:
        yield server.ssh_config_path.read_text().splitlines()[1:]


@contextlib.contextmanager
def running(
    directory: Path, names: Iterable[str], host: Host = sshd_host
) -> Iterator[dict[str, str]]:
    """Give the environment variables of such a shell; nothing of it is left afterwards.

    Whatever a host is called, ssh reaches a server on loopback by it. HOME, here and there, is
    below ``directory``.

    Args:
        directory: an empty folder.
        names: the interpreters, of ``interpreters.ALL``, to put on PATH, here and there.
        host: runs the server.
    """
    commands = directory / "bin"
    commands.mkdir()
    for name in names:
        write_command(commands / interpreters.command(name), str(interpreters.with_pytest(name)))
    home = directory / "home"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    own_commands = str(Path(sys.executable).parent)
    path = os.pathsep.join([str(commands), own_commands, os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "HOME": str(home)}
    with host(directory, environment) as config:
        own_config = home / ".ssh" / "config"
        own_config.write_text("\n".join(["Host *", *config, ""]))
        if program := shutil.which("ssh"):
            # OpenSSH does not ask HOME where home is.
            write_command(commands / "ssh", program, "-F", str(own_config))
        yield environment


def write_command(path: Path, *command: str) -> None:
    """Write a command that starts another; that may be an environment's python.

    No symbolic link: through one, an interpreter does not see the environment that it is in.
    """
    path.write_text(f'#!{SHELL}\nexec {shlex.join(command)} "$@"\n')
    path.chmod(0o755)
