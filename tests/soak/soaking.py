"""One run of a soak, from its seed to what is wrong with it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from faultlab import contenders, processes
from faultlab.scene import scene
from soak import suite
from soak.faults import Fault
from soak.judge import Places, judge

if TYPE_CHECKING:
    from pathlib import Path

    from faultlab.scene import Scene, Seen
    from soak.plan import Plan

SPEC_KEYS: Final = "heartbeat=2"
DEAFENING: Final = ("swallow all", "swallow what it hears")
DEAF_S: Final = 75.0
"""For a host that nobody can tell any more that the run is over: an interpreter that waits for its
engine leaves after 60 s, and before there is one, sshd ends the session after 3 times 15 s."""

WORKER_TIMEOUT: Final = "--worker-timeout=4"


@dataclass(frozen=True, kw_only=True)
class Soaked:
    """How a run went. ``wrong`` is empty where all held; ``has_come``: the fault was made."""

    plan: Plan
    seen: Seen
    has_come: bool
    wrong: tuple[str, ...]
    total_s: float

    def __str__(self) -> str:
        outcomes = " ".join(f"{count} {word}" for word, count in self.seen.account.outcomes.items())
        came = "" if self.has_come or self.plan.fault is None else " (it ended before)"
        verdict = "; ".join(self.wrong) or "ok"
        return (
            f"{self.plan}{came}: {outcomes or 'no outcome'}, exit {self.seen.status}, "
            f"{self.seen.seconds:.0f} s: {verdict}"
        )


def soak(plan: Plan, folder: Path) -> Soaked:
    """Make one run in a new folder."""
    began_s = time.monotonic()
    with scene(folder, contenders.REMOTEST) as stage:
        _write(plan, stage)
        fault = Fault(plan, stage)
        hosts = [fault.first, *([stage.host("second")] if plan.host_count > 1 else [])]
        fault.prepare()
        run = stage.start(
            *(f"{plan.worker_count}*{stage.spec(host, ours=SPEC_KEYS)}" for host in hosts),
            dist=plan.mode,
            ours=[WORKER_TIMEOUT, f"--reconnect={plan.reconnect_s}"],
        )
        fault.await_moment(run)
        seen = run.finish()
        if seen.left and plan.fault in DEAFENING:
            left = processes.left_after(stage.alive, within_s=DEAF_S)
            seen = replace(seen, left=tuple(map(processes.describe, left)))
        places = Places(
            project=stage.project.directory,
            temporary=stage.directory / suite.TEMPORARY,
            notes=stage.notes,
        )
        wrong = judge(plan, seen, places, has_come=fault.has_come)
    return Soaked(
        plan=plan,
        seen=seen,
        has_come=fault.has_come,
        wrong=tuple(wrong),
        total_s=time.monotonic() - began_s,
    )


def _write(plan: Plan, stage: Scene) -> None:
    (stage.project.directory / "test_it.py").unlink()
    stage.write(suite.files(plan))
    temporary = stage.directory / suite.TEMPORARY
    temporary.mkdir()
    stage.project = stage.project.with_variables({"TMPDIR": str(temporary)})
