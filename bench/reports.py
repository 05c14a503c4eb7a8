"""How many reports a second come through an SSH host: row 11."""

from __future__ import annotations

import base64
import shlex
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

import paramiko
from sshclient import pool_in

from bench import hosts
from bench.contenders import OURS
from bench.experiment import Experiment, Outcome
from bench.measure import AT_LEAST, Aim, NotMeasuredError, take_turns
from pytest_remotest import frames, messages
from remotest.bundle import read_bundle
from remotest.gateways.opening import open_gateway
from remotest.spec import GatewaySpec, SshTarget

if TYPE_CHECKING:
    from pathlib import Path

    from bench.hosts import Hosts
    from bench.measure import Sample

EXACT: Final = "exact small reads of a paramiko channel"
AS_THEY_COME: Final = "the bytes alone, read as they come"

REPORT_COUNT: Final = 10_000
REPORT_BYTES: Final = 200
HEADER_BYTES: Final = 9
"""Of a message of execnet: kind, channel, length."""

TIMEOUT_S: Final = 60

AGENT: Final = f"""
from pytest_remotest import frames, messages


def main(channel, headstart):
    def report(position, text):
        return frames.encode_body([messages.TestReport(position, 0, {{"text": text}})])

    pad = {REPORT_BYTES} - len(report({REPORT_COUNT}, ""))
    bodies = [report(position, "x" * pad) for position in range({REPORT_COUNT})]
    prefix = frames.encode([], "gw0")[: -len(b"[]")]
    while True:
        try:
            channel.receive()
        except EOFError:
            return
        for body in frames.merge_bodies(bodies):
            channel.send(prefix + body)
"""
"""What stands in for our agent: on request it sends what workers have reported, as our agent does,
many in one frame."""

WRITER: Final = f"""
import sys
for line in sys.stdin:
    sys.stdout.buffer.write(bytes({HEADER_BYTES + REPORT_BYTES}) * {REPORT_COUNT})
    sys.stdout.flush()
"""


class Burst:
    """Our gateway to a host, and what comes from it."""

    def __init__(self, there: Hosts, folder: Path) -> None:
        self._pool = pool_in(folder)
        pool = self._pool.__enter__()
        self._over = threading.Event()
        self._count = 0
        bundle = {**read_bundle(), "pytest_remotest.agent": AGENT}
        self._gateway = open_gateway(
            GatewaySpec(
                target=SshTarget(host=there.names[0]),
                ssh_config=str(there.ssh_config),
                python=sys.executable,
            ),
            host=there.names[0],
            connect=pool.session,
            invocation_directory=folder,
            bundle=bundle,
            on_frame=self._take,
            on_closed=lambda _: self._over.set(),
        )

    def close(self) -> None:
        self._gateway.close(TIMEOUT_S)
        self._pool.__exit__(None, None, None)

    def go(self) -> Sample:
        """Let a burst come, decoded as the controller does."""
        self._count = 0
        self._over.clear()
        start = time.perf_counter()
        self._gateway.send(b"go")
        if not self._over.wait(TIMEOUT_S) or self._count != REPORT_COUNT:
            raise NotMeasuredError(f"only {self._count} reports came")
        return {"speed": REPORT_COUNT / (time.perf_counter() - start)}

    def _take(self, frame: bytes) -> None:
        _, batch = frames.decode(frame)
        self._count += sum(isinstance(message, messages.TestReport) for message in batch)
        if self._count == REPORT_COUNT:
            self._over.set()


class Channel:
    """A paramiko channel to a program that writes bursts of as many bytes."""

    def __init__(self, there: Hosts) -> None:
        config = paramiko.SSHConfig.from_path(str(there.ssh_config)).lookup(there.names[0])
        self._client = paramiko.SSHClient()
        self._client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        self._client.connect(
            config["hostname"],
            int(config["port"]),
            config["user"],
            key_filename=config["identityfile"][0],
            allow_agent=False,
            look_for_keys=False,
        )
        source = base64.b64encode(WRITER.encode()).decode()
        program = f"import base64; exec(base64.b64decode('{source}'))"
        self._stdin, self._stdout, _ = self._client.exec_command(
            shlex.join([sys.executable, "-c", program])
        )
        self._channel = self._stdout.channel

    def close(self) -> None:
        self._client.close()

    def read_exactly(self) -> Sample:
        """Read header and payload of each message, as execnet reads from a pipe."""
        start = self._ask()
        for _ in range(REPORT_COUNT):
            for size in (HEADER_BYTES, REPORT_BYTES):
                missing = size
                while missing:
                    missing -= len(self._channel.recv(missing))
        return {"speed": REPORT_COUNT / (time.perf_counter() - start)}

    def read_much(self) -> Sample:
        """Read the same bytes as they come."""
        start = self._ask()
        missing = REPORT_COUNT * (HEADER_BYTES + REPORT_BYTES)
        while missing:
            missing -= len(self._channel.recv(min(missing, 1 << 16)))
        return {"speed": REPORT_COUNT / (time.perf_counter() - start)}

    def _ask(self) -> float:
        start = time.perf_counter()
        self._stdin.write("go\n")
        self._stdin.flush()
        return start


def bursts(folder: Path, rounds: int) -> Outcome:
    with hosts.running(folder / "hosts", 1, 0.0) as there:
        burst, channel = Burst(there, folder), Channel(there)
        samples = take_turns(
            {OURS: burst.go, EXACT: channel.read_exactly, AS_THEY_COME: channel.read_much}, rounds
        )
        burst.close()
        channel.close()
    row = samples.row(
        "11",
        f"reports a second, {REPORT_BYTES} bytes each, bursts of {REPORT_COUNT:,}",
        figure="speed",
        unit="/s",
        ours=OURS,
        peer=EXACT,
        aim=Aim(AT_LEAST, 50_000, is_absolute=True),
        limit=AS_THEY_COME,
    )
    return Outcome([row], {OURS: "open_gateway(...) to a stub of the agent, frames.decode"})


EXPERIMENTS: Final = (
    Experiment(
        number=11,
        what="reports through an SSH host",
        blind="what pytest does to make a report, and to show it",
        minutes=0.5,
        measure=bursts,
    ),
)
