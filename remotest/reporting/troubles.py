"""What the summary says of hosts that were lost and came back. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from remotest.run.result import HostTrouble


def return_lines(troubles: Iterable[HostTrouble]) -> list[str]:
    """Return a line for each host that is back; of others the environments tell."""
    lines = []
    for trouble in troubles:
        if trouble.is_back:
            times = "once" if trouble.loss_count == 1 else f"{trouble.loss_count} times"
            reason = trouble.reason.partition("\n")[0]
            lines.append(f"{trouble.agent}: lost {times}, the last time: {reason}")
    return lines
