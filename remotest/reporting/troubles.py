"""What the summary says of hosts that were lost and came back, and of lost workers. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from remotest.run.result import HostTrouble, RunResult

LOSSES_SHOWN: Final = 20
"""Lost workers that the summary names; the rest is counted."""


def return_lines(troubles: Iterable[HostTrouble]) -> list[str]:
    """Return a line for each host that is back; of others the environments tell."""
    lines = []
    for trouble in troubles:
        if trouble.is_back:
            times = "once" if trouble.loss_count == 1 else f"{trouble.loss_count} times"
            reason = trouble.reason.partition("\n")[0]
            lines.append(f"{trouble.agent}: lost {times}, the last time: {reason}")
    return lines


def loss_lines(result: RunResult) -> list[str]:
    """Return a line for each worker that was lost while it ran no test: no other words name it."""
    told = [environment.reason for environment in result.environments]
    lines = [
        f"{loss.worker}: {loss.reason.partition(chr(10))[0]}"
        for loss in result.losses
        if not (loss.node_ids or loss.with_host or any(loss.reason in reason for reason in told))
    ]
    if len(lines) > LOSSES_SHOWN:
        lines[LOSSES_SHOWN:] = [f"... and {len(lines) - LOSSES_SHOWN} more"]
    return lines
