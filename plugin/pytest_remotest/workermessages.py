"""The messages between the controller and its workers, which agents relay unread."""

from typing import Any, Dict, List, NamedTuple, Optional

IDLE_STATES = ("paused", "awaiting", "ending")  # Of a worker, see Idle.

# -- controller -> worker --------------------------------------------------------------------


class RunItems(NamedTuple):
    """Append items, by position in the worker's own collection, to its queue."""

    positions: List[int]


class ReclaimItems(NamedTuple):
    """Give back those of these items that have not begun."""

    positions: List[int]


class Finish(NamedTuple):
    """Nothing more comes: run the queue empty and end the session."""


class StopSession(NamedTuple):
    """Begin no further item: end the session after the one that runs."""

    reason: str


# -- worker -> controller --------------------------------------------------------------------


class SessionStarted(NamedTuple):
    """pytest's session has started. ``info`` is packed: xdist's ``workerinfo``."""

    info: Any


class ItemGroups(NamedTuple):
    """Rows [position, ``xdist_group``] of items to be collected; only under ``loadgroup``."""

    rows: List[List[Any]]


class Collected(NamedTuple):
    """Node ids in the worker's order; ``last`` ends the list. ``number`` counts them from 0.

    ``like`` names another worker of the agent, whose message of this number has the ids; or empty.
    """

    ids: List[str]
    last: bool
    number: int = 0
    like: str = ""


class LogStart(NamedTuple):
    """pytest_runtest_logstart; the item at ``position`` has begun."""

    position: int
    node_id: str
    location: Optional[List[Any]]


class LogFinish(NamedTuple):
    """pytest_runtest_logfinish."""

    position: int
    node_id: str
    location: Optional[List[Any]]


class TestReport(NamedTuple):
    """pytest_runtest_logreport. ``data`` as ``reportwire.report_to_json`` makes it.

    ``number`` counts the reports of the item from 0, so that none is lost or taken twice.
    """

    position: int
    number: int
    data: Dict[str, Any]


class CollectReport(NamedTuple):
    """A collection report that did not pass."""

    data: Dict[str, Any]


class WarningRecorded(NamedTuple):
    """pytest_warning_recorded, as plain text: nothing in it is ever imported or called."""

    category: str
    category_module: str
    text: str
    filename: str
    line: int
    when: str
    node_id: str
    location: Optional[List[Any]]


class ItemFinished(NamedTuple):
    """The worker is done with the item at ``position``; so many reports of it have gone out."""

    position: int
    duration_s: float
    report_count: int


class ItemPassed(NamedTuple):
    """The worker is done with the item at ``position``, which has passed and told no more.

    It stands for three TestReports, a LogFinish with what its LogStart had, and an ItemFinished.
    ``keywords`` are names, as of each of its reports. ``times`` are duration, start and stop of
    setup, then of call and teardown; or three durations, of a pytest that knows no more; as
    ``brief.pack_times`` makes them a text. ``sections`` are those of the last report,
    ``section_counts`` how many of them each had.
    """

    position: int
    keywords: List[str]
    times: str
    sections: List[List[Any]]
    section_counts: List[int]
    duration_s: float


class ItemsReturned(NamedTuple):
    """Answer to ReclaimItems: what had not begun and is now nobody's."""

    positions: List[int]


class Idle(NamedTuple):
    """Nothing is run, for the reason ``state``: one of IDLE_STATES. Said again behind what follows.

    The first is so for a while, the second until more comes, the third for good.
    """

    state: str


class Busy(NamedTuple):
    """What an idle worker awaited has come, be it only that nothing more comes."""


class InternalError(NamedTuple):
    """pytest_internalerror on the worker, as text."""

    text: str


class SessionOutput(NamedTuple):
    """A piece of the text that ``values.pack_text`` makes of xdist's ``workeroutput``.

    It comes in pieces because plugins leave whole reports there: it may be larger than a frame.
    """

    text: str


class SessionFinished(NamedTuple):
    """The session ended in order; all of its output has come.

    ``interrupted`` says why, where ``pytest.exit`` or Ctrl-C ended it; else it is empty.
    """

    interrupted: str


WORKER_MESSAGES = (
    RunItems, ReclaimItems, Finish, StopSession,
    SessionStarted, ItemGroups, Collected, LogStart, LogFinish, TestReport, CollectReport,
    WarningRecorded, ItemFinished, ItemPassed, ItemsReturned, Idle, Busy, InternalError,
    SessionOutput, SessionFinished,
)  # fmt: skip
