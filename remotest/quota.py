"""How much one worker may say in a run: what pytest keeps of it until the end has a limit. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from pytest_remotest import messages
from pytest_remotest.messages import ProtocolError
from pytest_remotest.reportwire import cut_texts

if TYPE_CHECKING:
    from collections.abc import Callable

CUT_AFTER_BYTES: Final = 512 * 1024 * 1024
"""Of frames of one worker: a million tests that pass say about half as much. What comes later has
its texts cut."""

END_AFTER_BYTES: Final = 4 * CUT_AFTER_BYTES
"""More than this no worker says that means well."""

CUT_CHARS: Final = 1024
"""Of each text then: where something failed, and how."""

MAX_REPORTS_OF_ITEM: Final = 10_000
"""Subtests have a report each."""

MAX_WARNINGS: Final = 20_000
"""Of one worker: the summary groups what is alike, but pytest keeps each."""

MAX_ITEMS: Final = 5_000_000
"""That a worker collects: a hundred times the largest suites."""


class Quota:
    """What one worker has said so far.

    Attributes:
        said_bytes: of all frames; whoever takes them in adds to it.
    """

    def __init__(self) -> None:
        self.said_bytes = 0
        self._reports: Counter[int] = Counter()
        self._warnings = 0
        self._items = 0
        self._output_chars = 0
        self._ways: dict[type, Callable[[Any], Any]] = {
            messages.TestReport: self._test_report,
            messages.CollectReport: self._shorter,
            messages.ItemFinished: self._item_finished,
            messages.ItemPassed: self._item_passed,
            messages.WarningRecorded: self._warning,
            messages.ItemGroups: self._groups,
            messages.SessionOutput: self._output,
        }

    def admit(self, message: Any) -> Any:
        """Return a message as it may be taken in; None where it is left out.

        Raises:
            ProtocolError: the worker says too much to be listened to any longer.
        """
        if self.said_bytes > END_AFTER_BYTES:
            raise ProtocolError(f"it has said more than {END_AFTER_BYTES} bytes")
        way = self._ways.get(type(message))
        return message if way is None else way(message)

    def _test_report(self, message: messages.TestReport) -> messages.TestReport:
        self._reports[message.position] += 1
        if self._reports[message.position] > MAX_REPORTS_OF_ITEM:
            raise ProtocolError(f"it has more than {MAX_REPORTS_OF_ITEM} reports of one test")
        shorter: messages.TestReport = self._shorter(message)
        return shorter

    def _shorter(self, message: Any) -> Any:
        if self.said_bytes <= CUT_AFTER_BYTES:
            return message
        return message._replace(data=self._cut(message.data))

    def _item_passed(self, message: messages.ItemPassed) -> messages.ItemPassed:
        self._reports.pop(message.position, None)
        if self.said_bytes <= CUT_AFTER_BYTES:
            return message
        cut = self._cut({"keywords": message.keywords, "sections": message.sections})
        keywords, sections = cut["keywords"], cut["sections"]
        counts = [0, 0, len(sections)]  # All that is left stands in the last report.
        return message._replace(keywords=keywords, sections=sections, section_counts=counts)

    def _cut(self, data: dict[str, Any]) -> dict[str, Any]:
        note = f"its worker had said {self.said_bytes} bytes before: texts were cut"
        return cut_texts(data, CUT_CHARS, note)

    def _item_finished(self, message: messages.ItemFinished) -> messages.ItemFinished:
        self._reports.pop(message.position, None)
        return message

    def _warning(self, message: messages.WarningRecorded) -> messages.WarningRecorded | None:
        self._warnings += 1
        if self._warnings <= MAX_WARNINGS:
            return message
        if self._warnings > MAX_WARNINGS + 1:
            return None
        text = f"a worker has recorded more than {MAX_WARNINGS} warnings: the rest is left out"
        return message._replace(category="UserWarning", category_module="builtins", text=text)

    def _groups(self, message: messages.ItemGroups) -> messages.ItemGroups:
        self.take_items(len(message.rows))
        return message

    def take_items(self, count: int) -> None:
        """Count items that the worker has collected, also those that another one named for it.

        Raises:
            ProtocolError: there are too many.
        """
        self._items += count
        if self._items > 2 * MAX_ITEMS:  # Each may have a group.
            raise ProtocolError(f"it collects more than {MAX_ITEMS} tests")

    def _output(self, message: messages.SessionOutput) -> messages.SessionOutput:
        self._output_chars += len(message.text)
        if self._output_chars > messages.MAX_OUTPUT_CHARS:
            raise ProtocolError("its output is over the limit")
        return message
