"""What the summary says of hosts and workers that were lost."""

from __future__ import annotations

from remotest.reporting.troubles import LOSSES_SHOWN, loss_lines, return_lines
from remotest.run.result import EnvironmentResult, HostTrouble, RunResult, WorkerLoss


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


def lost(*losses: WorkerLoss, reason: str = "") -> RunResult:
    environment = EnvironmentResult(
        name="box", end="failed" if reason else "finished", reason=reason
    )
    return RunResult(environments=(environment,), losses=losses)


def loss(worker: str, *node_ids: str, with_host: bool = False) -> WorkerLoss:
    reason = f"{worker} is gone\nits last words"
    return WorkerLoss(
        worker=worker, environment="box", reason=reason, node_ids=node_ids, with_host=with_host
    )


def test_a_worker_is_named_that_no_test_and_no_environment_tells_of() -> None:
    losses = [loss("gw0"), loss("gw1", "test_a.py::test_a"), loss("gw2", with_host=True)]
    assert loss_lines(lost(*losses)) == ["gw0: gw0 is gone"]
    told = f"worker gw0 was lost at the end of its session: {losses[0].reason}"
    assert loss_lines(lost(*losses, reason=told)) == []


def test_not_all_are_named_where_they_are_many() -> None:
    lines = loss_lines(lost(*(loss(f"gw{number}") for number in range(LOSSES_SHOWN + 2))))
    assert lines[LOSSES_SHOWN - 1 :] == ["gw19: gw19 is gone", "... and 2 more"]
