"""What pytest's hooks say of one item, in as few messages as hold all of it.

Nearly every test passes and tells nothing but what it printed: one message at its end then stands
for its three reports and all that follows them. What any other item tells goes message by message.
"""

from typing import Any, Callable, List

import pytest

from pytest_remotest import messages
from pytest_remotest.brief import PHASES, in_brief
from pytest_remotest.reportwire import is_location
from pytest_remotest.values import safe_str
from pytest_remotest.workerlink import WorkerLink

_PLAIN = vars(pytest.TestReport("a", ("a", None, "a"), {}, "passed", None, "call")).keys()

as_text = safe_str  # What a plugin gives may be of any type: it travels as text.


class ItemStory:
    """Sends what is said of the item that runs, and what else is said meanwhile, in order.

    Attributes:
        may_be_brief: whether reports travel as pytest itself makes them, by no plugin's choice.
    """

    def __init__(self, link: WorkerLink, serialise: Callable[[Any], Any]) -> None:
        """Begin before the first item; ``serialise`` makes of a report what the wire carries."""
        self.may_be_brief = False
        self._link = link
        self._serialise = serialise
        self._start = messages.LogStart(-1, "", None)
        self._location: Any = None
        self._sent_count = 0  # Of reports of this item.
        self._is_brief = False
        self._held: List[Any] = []  # Reports that ItemPassed may yet stand for.
        self._is_finish_held = False

    def begin(self, position: int, node_id: Any, location: Any) -> None:
        """Tell of the start at once: a crash of this process must be known to be this item's."""
        self._tell_held()
        self._start = messages.LogStart(position, as_text(node_id), location_to_wire(location))
        self._location = location
        self._is_brief = self.may_be_brief and self._sent_count == 0 and is_location(location)
        self._link.send(self._start, flush=True)

    def report(self, position: int, report: Any) -> None:
        """Hold or queue a report; one that tells of a failure goes out at once."""
        if self._is_brief and self._is_next(report):
            self._link.refuse_forks()  # Here as where it is sent: before fixtures are torn down.
            self._held.append(_copy(report))
        else:
            self._tell_held()
            self._send_report(position, report, flush=bool(report.failed))

    def finish(self, position: int, node_id: Any, location: Any) -> None:
        """Hold or queue the end of pytest's protocol: the end of the item follows."""
        is_same = node_id == self._start.node_id and location == self._location
        if self._is_brief and is_same and len(self._held) == len(PHASES):
            self._is_finish_held = True
            return
        self._tell_held()
        message = messages.LogFinish(position, as_text(node_id), location_to_wire(location))
        self._link.send(message, flush=False)

    def end(self, position: int, duration_s: float) -> None:
        """Tell that the worker is done with the item."""
        message: Any = None
        if self._is_finish_held:
            message = in_brief(position, self._held, duration_s)
        if message is None:
            self._tell_held()
            message = messages.ItemFinished(position, duration_s, self._sent_count)
        with self._link.unbroken:
            self._link.send(message, flush=True)
            self._forget()

    def say(self, message: Any, flush: bool) -> None:
        """Send another message, behind all that was said before."""
        self._tell_held()
        self._link.send(message, flush=flush)

    def _is_next(self, report: Any) -> bool:
        """Return whether a report may be the next of an item that only passes.

        It has then nothing but what pytest itself gives its reports.
        """
        number = len(self._held)
        return (
            number < len(PHASES)
            and type(report) is pytest.TestReport
            and report.__dict__.keys() == _PLAIN
            and report.when == PHASES[number]
            and report.outcome == "passed"
            and report.longrepr is None
            and not report.user_properties
            and report.nodeid == self._start.node_id
            and report.location == self._location
        )

    def _tell_held(self) -> None:
        """Tell one by one what was held: this item has more to tell."""
        self._is_brief = False
        if self._held:
            with self._link.unbroken:
                self._send_held()

    def _send_held(self) -> None:
        held, self._held = self._held, []
        for report in held:
            self._send_report(self._start.position, report, flush=False)
        if self._is_finish_held:
            self._is_finish_held = False
            self._link.send(messages.LogFinish(*self._start), flush=False)

    def _send_report(self, position: int, report: Any, flush: bool) -> None:
        message = messages.TestReport(position, self._sent_count, self._serialise(report))
        self._sent_count += 1
        self._link.send(message, flush=flush)

    def _forget(self) -> None:
        self._held = []
        self._is_brief = self._is_finish_held = False
        self._sent_count = 0


def _copy(report: Any) -> Any:
    """Return a report that stays what it is when a plugin changes the original."""
    copy = object.__new__(pytest.TestReport)
    copy.__dict__.update(report.__dict__)
    copy.sections = list(report.sections)
    return copy


def location_to_wire(location: Any) -> List[Any]:
    """Return a location, (path, line, name), as JSON holds it; what is none becomes a name."""
    if not is_location(location):
        return ["", None, as_text(location)]
    path, line, name = location
    return [as_text(path), line, as_text(name)]
