"""From the result of a run to the exit code of the process. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from remotest.errors import EXIT_HOST_FAILED

if TYPE_CHECKING:
    from remotest.run.result import RunResult

EXIT_OK: Final = 0
EXIT_TESTS_FAILED: Final = 1
EXIT_INTERRUPTED: Final = 2
EXIT_NOTHING_COLLECTED: Final = 5
"""These four are pytest's own."""


def exit_code(result: RunResult, *, tests_failed: bool) -> int:
    """Return the exit code of a run.

    0 only if every declared environment ran every item it collected to an outcome, no worker was
    lost on the way (but for one whose items a plugin let run again, or that was lost with its
    host), and something was collected. An environment without its host counts as one that ended
    where the user can do without. ``tests_failed`` is what the controller saw in reports: failed
    or erroneous items, lost items, errors while collecting.
    """
    if result.stopped_reason is not None:
        return EXIT_INTERRUPTED
    if tests_failed or result.are_gaps_refused:
        return EXIT_TESTS_FAILED
    has_losses = any(not (loss.is_excused or loss.with_host) for loss in result.losses)
    is_incomplete = any(e.end != "finished" and e.is_missed for e in result.environments)
    if result.too_few_hosts or result.missing or has_losses or is_incomplete:
        return EXIT_HOST_FAILED
    if not any(environment.collected for environment in result.environments):
        return EXIT_NOTHING_COLLECTED
    return EXIT_OK
