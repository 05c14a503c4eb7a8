"""Making what a plan says, on the stage of the fault lab."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final

from faultlab import homes, processes, sample
from faultlab.proxy import FROM_HOST, TO_HOST
from soak import suite
from soak.plan import TO_PROCESSES

if TYPE_CHECKING:
    from collections.abc import Callable

    from faultlab.scene import Host, Run, Scene
    from soak.plan import Plan

FLAP_BYTES: Final = 30_000
"""Between cuts of a flapping line: an agent comes up, or just not."""

DISK: Final = "size=6m"
"""Of the host whose disk is filled: some trees."""

SIGNALS: Final = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


class Fault:
    """What happens to ``first``, and whether it has happened."""

    def __init__(self, plan: Plan, scene: Scene) -> None:
        self.has_come = False
        self._plan = plan
        self._scene = scene
        self._run: Run | None = None
        self.first = self._make_first()

    def _make_first(self) -> Host:
        plan, scene = self._plan, self._scene
        counted = scene.directory / "begun"
        counted.mkdir()
        at = -1 if plan.fault is None or plan.moment.test is None else plan.moment.test
        home = None
        if plan.fault == "fill its disk":
            home = scene.use(homes.mounted(scene.directory / "home-first", DISK))
        variables = {suite.AT: str(at), suite.FOLDER: str(counted)}
        return scene.host("first", proxied=True, home=home, variables=variables)

    def prepare(self) -> None:
        """Let it come when so many bytes have passed, where it is to."""
        plan = self._plan
        if plan.fault is not None and plan.moment.test is None:
            direction = TO_HOST if plan.moment.is_heard else FROM_HOST
            self.first.wire.after(direction, plan.moment.byte_count, lambda: self._come([]))

    def await_moment(self, run: Run) -> None:
        """Make it in the test in which it is due, unless it comes by bytes, or the run ends."""
        self._run = run
        if self._plan.fault is None or self._plan.moment.test is None:
            return
        if run.hears(suite.HERE):
            told = next(word for word in self._scene.told if word.startswith("pids:"))
            self._come([int(number) for number in told.split(":")[1:]])
            self._scene.let_go()

    def _come(self, worker_and_agent: list[int]) -> None:
        fault = self._plan.fault
        assert fault is not None
        self.has_come = True
        wire = self.first.wire
        ways: dict[str, Callable[[], object]] = {
            "cut the line": wire.cut,
            "reset the line": lambda: wire.cut(reset=True),
            "flap": self._flap,
            "change a byte": lambda: wire.corrupt(FROM_HOST),
            "swallow all": wire.blackhole,
            "swallow what it says": lambda: wire.blackhole(FROM_HOST),
            "swallow what it hears": lambda: wire.blackhole(TO_HOST),
            "kill its sessions": self.first.server.cut_connections,
            "stop its sshd": self.first.server.stop,
            "fill its disk": self._fill_disk,
            "Ctrl-C": lambda: self._signal_us(signal.SIGINT),
            "SIGTERM": lambda: self._signal_us(signal.SIGTERM),
        }
        if fault in TO_PROCESSES:
            self._signal(fault, worker_and_agent)
        else:
            ways[fault]()

    def _flap(self) -> None:
        self.first.wire.cut()
        self.first.wire.after(FROM_HOST, FLAP_BYTES, self._flap)

    def _fill_disk(self) -> None:
        with contextlib.suppress(OSError), (self.first.home / "ballast").open("wb", 0) as stream:
            while True:
                stream.write(bytes(4096))

    def _signal_us(self, number: signal.Signals) -> None:
        if self._run is None:  # It has not been told of its run yet.
            self.has_come = False
        else:
            self._run.signal(number)

    def _signal(self, fault: str, worker_and_agent: list[int]) -> None:
        word, _, who = fault.partition(" ")
        number = SIGNALS[word]
        if worker_and_agent:
            worker, agent = worker_and_agent
            ids = {"a worker": worker, "an agent": agent, "a guard": _parent_of(agent)}
            chosen = ids[who]
        else:
            there = sorted(processes.with_variable(sample.HOST, "first"))
            ours = [one for one in there if _is_of(one, self._scene.cookie)]
            if not ours:
                self.has_come = False
                return
            chosen = ours[int(self._plan.choice * len(ours))]
        with contextlib.suppress(ProcessLookupError):
            os.kill(chosen, number)


def _is_of(process_id: int, cookie: str) -> bool:
    with contextlib.suppress(OSError):
        return cookie.encode() in Path(f"/proc/{process_id}/environ").read_bytes()
    return False


def _parent_of(process_id: int) -> int:
    status = Path(f"/proc/{process_id}/stat").read_text()
    return int(status.rpartition(")")[2].split()[1])
