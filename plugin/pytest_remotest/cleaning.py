"""What of a host's environments and wheels is to go, and getting rid of it."""

import time
from typing import Iterable, List, Optional

from pytest_remotest import trash
from pytest_remotest.envstore import EnvStore, Kept

MAX_AGE_S = 14 * 24 * 3600  # What no run wanted for two weeks is likely to be out of date.
MAX_BYTES = 5 * 1024**3  # Of all environments and wheels: some hundred of the usual size.
BUDGET_S = 0.2  # At the end of a run, whose user waits. What is left is for another run.


def overdue(things: Iterable[Kept], now_s: float) -> List[Kept]:
    """Return what is to go, in that order: what is old, then the longest unused until all fits.

    What is in use never goes, but its room counts.
    """
    by_use = sorted(things, key=lambda thing: thing.used_s)
    total = sum(thing.size_bytes for thing in by_use)
    found = []
    for thing in by_use:
        if not thing.in_use and (thing.used_s < now_s - MAX_AGE_S or total > MAX_BYTES):
            total -= thing.size_bytes
            found.append(thing)
    return found


def clean(store: EnvStore, budget_s: Optional[float] = None) -> List[Kept]:
    """Remove what is overdue, and the trash. Return what was removed.

    Several processes may do so at once.

    Args:
        store: what is cleaned.
        budget_s: what is not done by then is left; None for as long as it takes.

    Raises:
        OSError: as the disk has it.
    """
    deadline_s = None if budget_s is None else time.monotonic() + budget_s
    store.leases.sweep()
    removed = []
    for thing in store.remove(overdue(store.kept(), time.time())):
        removed.append(thing)
        if deadline_s is not None and time.monotonic() > deadline_s:
            break
    trash.empty(store.trash, deadline_s)
    return removed
