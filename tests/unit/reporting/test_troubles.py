"""What the summary says of hosts that were lost."""

from __future__ import annotations

from remotest.reporting.troubles import return_lines
from remotest.run.result import HostTrouble


def trouble(agent: str, loss_count: int, *, is_back: bool) -> HostTrouble:
    return HostTrouble(
        agent=agent,
        loss_count=loss_count,
        is_back=is_back,
        is_quarantined=False,
        reason="cut\nits last words",
    )


def test_those_that_are_back_are_named() -> None:
    troubles = [
        trouble("ssh=a", 1, is_back=True),
        trouble("ssh=b", 2, is_back=True),
        trouble("ssh=c", 1, is_back=False),
    ]
    assert return_lines(troubles) == [
        "ssh=a: lost once, the last time: cut",
        "ssh=b: lost 2 times, the last time: cut",
    ]
