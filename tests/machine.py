"""A shell in which every host is at hand and every interpreter has a pytest."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import interpreters
import sshd

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SHELL: Final = "/bin/sh"


@contextlib.contextmanager
def running(directory: Path, names: Iterable[str]) -> Iterator[dict[str, str]]:
    """Give the environment variables of such a shell; nothing of it is left afterwards.

    Whatever a host is called, ssh reaches a real sshd on loopback by it. HOME, here and there, is
    below ``directory``.

    Args:
        directory: an empty folder.
        names: the interpreters, of ``interpreters.ALL``, to put on PATH, here and there.
    """
    commands = directory / "bin"
    commands.mkdir()
    for name in names:
        _write_command(commands / interpreters.command(name), str(interpreters.with_pytest(name)))
    home = directory / "home"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    own_commands = str(Path(sys.executable).parent)
    path = os.pathsep.join([str(commands), own_commands, os.environ["PATH"]])
    with sshd.running(directory, home=home, environment={"PATH": path}) as server:
        config = server.ssh_config_path.read_text().splitlines()
        own_config = home / ".ssh" / "config"
        own_config.write_text("\n".join(["Host *", *config[1:], ""]))
        # OpenSSH does not ask HOME where home is.
        _write_command(commands / "ssh", _find_ssh(), "-F", str(own_config))
        yield {**os.environ, "PATH": path, "HOME": str(home)}


def _find_ssh() -> str:
    program = shutil.which("ssh")
    assert program is not None, "there is no ssh beside ssh-keygen"
    return program


def _write_command(path: Path, *command: str) -> None:
    """Write a command that starts another; that may be an environment's python.

    No symbolic link: through one, an interpreter does not see the environment that it is in.
    """
    path.write_text(f'#!{SHELL}\nexec {shlex.join(command)} "$@"\n')
    path.chmod(0o755)
