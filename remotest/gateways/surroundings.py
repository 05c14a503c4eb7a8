"""What of this machine and its user a log-in depends on, read once at the edge."""

from __future__ import annotations

import getpass
import os
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TERMINAL: Final = Path("/dev/tty")


def ask_on_terminal(path: Path) -> str | None:
    """Ask for the passphrase of a key file on the controlling terminal, if there is one."""
    try:
        with TERMINAL.open():
            pass
    except OSError:
        return None
    # The line may hold the progress of the run's start already.
    return getpass.getpass(f"\nPassphrase of {path}: ")


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The user, the home and the environment that log-ins are made from.

    Attributes:
        user: name of the local account.
        home: the home directory, where ``.ssh`` is.
        working_directory: what the path of an ``ssh_config=`` is relative to.
        environment: the environment variables.
        system_directory: where the machine's own ``ssh_config`` and ``ssh_known_hosts`` are.
        ask_passphrase: asked for the passphrase of a key file; None means nobody can be asked.
        random: a number from 0 up to 1, for jitter.
        sleep: waits for so many seconds.
        clock: seconds since some moment.
    """

    user: str
    home: Path
    environment: Mapping[str, str]
    working_directory: Path = field(default_factory=Path.cwd)
    system_directory: Path = Path("/etc/ssh")
    ask_passphrase: Callable[[Path], str | None]
    random: Callable[[], float] = field(default=random.random)
    sleep: Callable[[float], None] = field(default=time.sleep)
    clock: Callable[[], float] = field(default=time.monotonic)


def surroundings_here(
    ask_passphrase: Callable[[Path], str | None] = ask_on_terminal,
) -> Surroundings:
    """Return the surroundings of this process."""
    return Surroundings(
        user=getpass.getuser(),
        home=Path.home(),
        environment=dict(os.environ),
        ask_passphrase=ask_passphrase,
    )
