"""What a run still waits for before it gives out items, reported now and then. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remotest.run.gaps import WORKERS_NAMED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from remotest.run.fleet import Phase, WorkerState


class Waiting:
    """When the user is to hear whom a run waits for."""

    def __init__(self, first_note_s: float | None) -> None:
        """Take the time of the first note after the start; None for no note at all."""
        self._delay_s = first_note_s
        self._next: float | None = None

    def begin(self, now: float) -> None:
        """Note the start of the run."""
        if self._delay_s is not None:
            self._next = now + self._delay_s

    def next(self) -> float | None:
        """Return when a note is due, or None."""
        return self._next

    def pop_due(self, now: float) -> bool:
        """Return whether a note is due now; the next one is due after twice the time."""
        if self._next is None or self._delay_s is None or now < self._next:
            return False
        self._delay_s *= 2
        self._next = now + self._delay_s
        return True


def describe_waiting(awaited: Iterable[str], coming: Iterable[WorkerState]) -> str:
    """Return one line on the agents that are not ready and the workers that have not collected."""
    by_agent: dict[tuple[str, Phase], list[str]] = {}
    for worker in coming:
        key = (worker.environment.declared.agent, worker.phase)
        by_agent.setdefault(key, []).append(worker.name)
    parts = [f"{agent}, which is not ready" for agent in awaited]
    for (agent, phase), names in by_agent.items():
        shown = ", ".join(names[:WORKERS_NAMED])
        more_count = len(names) - WORKERS_NAMED
        more = f" and {more_count} more" if more_count > 0 else ""
        parts.append(f"{agent} ({shown}{more} {phase.value})")
    return f"still waiting for {'; '.join(parts)}"
