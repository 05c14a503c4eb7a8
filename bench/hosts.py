"""Hosts for benchmarks: SSH servers on loopback, each with a home of its own, behind a delay line.

"Four hosts" are four servers: they share the CPUs of this machine, and its disk.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sshd

from bench.delay import DelayLine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Hosts:
    """Servers that run.

    Attributes:
        names: aliases, which ``ssh -F SSH_CONFIG NAME`` reaches.
        ssh_config: file that knows them.
        homes: the HOME of each.
    """

    names: tuple[str, ...]
    ssh_config: Path
    homes: tuple[Path, ...]

    def ssh(self, name: str) -> list[str]:
        """Return the beginning of a command line that runs something there."""
        return ["ssh", "-F", str(self.ssh_config), name]

    def specs(self, python: str, workers_a_host: int = 1) -> list[str]:
        """Return ``--tx`` arguments that both programs take, for an interpreter there."""
        count = f"{workers_a_host}*" if workers_a_host > 1 else ""
        return [
            f"--tx={count}ssh={name}//ssh_config={self.ssh_config}//python={python}"
            for name in self.names
        ]


@contextlib.contextmanager
def running(
    directory: Path,
    count: int,
    round_trip_s: float,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Hosts]:
    """Run so many hosts for the time of a ``with`` block.

    Args:
        directory: for their files.
        count: how many.
        round_trip_s: of the line to each; with 0 there is none in between.
        environment: variables that all that runs there has.
    """
    names = tuple(f"host{number}" for number in range(1, count + 1))
    homes = tuple(directory / f"home-{name}" for name in names)
    config = directory / "ssh_config"
    with contextlib.ExitStack() as stack:
        for name, home in zip(names, homes, strict=True):
            home.mkdir(parents=True)
            server = stack.enter_context(
                sshd.running(directory, name=name, home=home, environment=environment)
            )
            port = server.port
            if round_trip_s:
                line = DelayLine(server.port, round_trip_s)
                stack.callback(line.close)
                port = line.port
            host = server.ssh_config_path.read_text().replace(
                f"Port {server.port}", f"Port {port}\n  HostKeyAlias [127.0.0.1]:{server.port}"
            )
            with config.open("a") as stream:
                stream.write(host)
        yield Hosts(names, config, homes)
