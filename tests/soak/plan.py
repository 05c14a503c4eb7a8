"""What a seed means: a suite, hosts, a mode, and something bad at some moment. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

MODES: Final = ("load", "loadscope", "loadfile", "loadgroup", "worksteal", "each")

TO_PROCESSES: Final = (
    "kill a worker",
    "kill an agent",
    "kill a guard",
    "stop a worker",
    "stop an agent",
)
"""What happens to a process of the host ``first``; before there are workers, to any of its."""

TO_LINES: Final = (
    *("cut the line", "reset the line", "flap", "change a byte"),
    *("swallow all", "swallow what it says", "swallow what it hears"),
)
"""What happens on the way to the host ``first``."""

TO_HOSTS: Final = ("kill its sessions", "stop its sshd", "fill its disk")
TO_US: Final = ("Ctrl-C", "SIGTERM")
FAULTS: Final = (*TO_PROCESSES, *TO_LINES, *TO_HOSTS, *TO_US)

LONE_SHARE: Final = 0.15
"""Of the runs that have one host only."""

CALM_SHARE: Final = 0.03
"""Of the runs in which nothing bad happens: what is judged then is the soak itself."""

EARLY_SHARE: Final = 0.35
"""Of the faults that come when so many bytes have passed, and not in a test."""

FEWEST_BYTES: Final = 200
MOST_BYTES: Final = 300_000
"""On the way to a host, most of them before its first test; it says a tenth of that."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """When a fault comes: in the n-th test that ``first`` begins, or after so many bytes.

    Attributes:
        test: n, from 0; None where bytes are counted.
        byte_count: how many.
        is_heard: whether those are counted that the host hears, and not those that it says.
    """

    test: int | None
    byte_count: int = 0
    is_heard: bool = True

    def __str__(self) -> str:
        if self.test is not None:
            return f"in test {self.test}"
        return f"after {self.byte_count} bytes {'to' if self.is_heard else 'from'} it"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run. ``fault`` None is a calm one; ``reconnect_s`` as ``--reconnect``."""

    seed: int
    mode: str
    host_count: int
    worker_count: int
    item_count: int
    fails: bool
    fault: str | None
    moment: Moment
    reconnect_s: int
    choice: float

    @property
    def copies(self) -> int:
        """How often each item is to run."""
        return self.host_count if self.mode == "each" else 1

    @property
    def is_ended_by_us(self) -> bool:
        """Whether it need not come to its end."""
        return self.fault in TO_US

    def __str__(self) -> str:
        hosts = f"{self.host_count}x{self.worker_count}"
        what = "nothing" if self.fault is None else f"{self.fault} {self.moment}"
        return f"{self.seed:>6}  {self.mode:9} {hosts} {self.item_count:>2} items  {what}"


def plan(seed: int) -> Plan:
    """Return what a seed means."""
    chance = random.Random(seed)
    mode = chance.choice(MODES)
    is_calm = chance.random() < CALM_SHARE
    return Plan(
        seed=seed,
        mode=mode,
        host_count=1 if chance.random() < LONE_SHARE else 2,
        # Under each a worker is an environment, and accounts are kept by host.
        worker_count=1 if mode == "each" else chance.randint(1, 3),
        item_count=3 * chance.randint(3, 14),
        fails=chance.random() < 1 / 3,
        fault=None if is_calm else chance.choice(FAULTS),
        moment=_moment(chance),
        reconnect_s=chance.choice([0, 5]),
        choice=chance.random(),
    )


def _moment(chance: random.Random) -> Moment:
    if chance.random() > EARLY_SHARE:
        return Moment(test=chance.randint(0, 8))
    is_heard = chance.random() < 1 / 2
    most = MOST_BYTES if is_heard else MOST_BYTES // 10
    # As often among the first hundreds as among the last thousands.
    count = round(FEWEST_BYTES * (most / FEWEST_BYTES) ** chance.random())
    return Moment(test=None, byte_count=count, is_heard=is_heard)
