"""``ItemPassed``, and the messages that it stands for: one made of the other, both ways."""

import struct
from itertools import chain
from typing import Any, Dict, List, Optional, Sequence, Tuple

from pytest_remotest import messages
from pytest_remotest.messages import ItemPassed, LogStart, ProtocolError
from pytest_remotest.reportwire import MAX_NUMBER, are_sections

PHASES = ("setup", "call", "teardown")
MAX_BRIEF_CHARS = 64 * 1024  # Of keywords and output: longer reports are told, and cut, as others.
TIMES = ("duration", "start", "stop")  # Fields of a report; pytest before 8.0 has only the first.

_PACKINGS = {  # By the length of the text that they are in: two digits a byte.
    2 * packing.size: packing
    for packing in (struct.Struct("!%dd" % (count * len(PHASES))) for count in (1, len(TIMES)))
}


def in_brief(position: int, reports: List[Any], duration_s: float) -> Optional[ItemPassed]:
    """Return what stands for all three reports of an item, None where nothing can.

    Each has passed and has no fields but those of pytest, with nothing in ``user_properties``.
    """
    setup, call, teardown = reports
    keywords, sections = teardown.keywords, teardown.sections
    fields = [vars(report) for report in reports]
    times = [own[name] for own in fields for name in TIMES if name in own]
    counts = [len(report.sections) for report in reports]
    is_brief = (
        setup.keywords == call.keywords == keywords
        and _are_names(keywords)
        and (not any(counts) or _are_grown(setup.sections, call.sections, sections))
        and set(map(type, times)) == {float}
        and are_times(times)
        and sum(map(len, chain(keywords, *sections))) <= MAX_BRIEF_CHARS
    )
    if not is_brief:
        return None
    rows = [list(section) for section in sections]
    return ItemPassed(position, list(keywords), pack_times(times), rows, counts, duration_s)


def pack_times(times: Sequence[float]) -> str:
    """Return numbers as they are told: in digits they would take ten times as long, both ways."""
    return struct.pack("!%dd" % len(times), *times).hex()


def _unpack_times(text: str) -> Sequence[float]:
    """Return the numbers of ``pack_times``; none where it has not made this of those of an item."""
    packing = _PACKINGS.get(len(text))
    if packing is None:
        return ()
    try:
        return packing.unpack(bytes.fromhex(text))
    except (ValueError, struct.error):
        return ()


def _are_grown(setup: Any, call: Any, teardown: Any) -> bool:
    """Return whether these are sections, of which each phase has what the one before it had."""
    is_grown = setup == teardown[: len(setup)] and call == teardown[: len(call)]
    return is_grown and are_sections(teardown)


def are_times(times: Sequence[float]) -> bool:
    """Return whether none of these is infinite, no number, or longer than a report can have."""
    return sum(map(abs, times)) < MAX_NUMBER


def _are_names(keywords: Any) -> bool:
    """Return whether these are keywords as pytest has them: names, each with a 1."""
    return (
        type(keywords) is dict
        and {str}.issuperset(map(type, keywords))
        and list(keywords.values()).count(1) == len(keywords)
    )


def phases_of(passed: ItemPassed) -> List[Tuple[str, Dict[str, float], List[List[str]]]]:
    """Return rows (phase, its times by name, its sections) of an item.

    Raises:
        ProtocolError: what was told of it cannot be.
    """
    told = _unpack_times(passed.times)
    if (
        not told
        or len(passed.section_counts) != len(PHASES)
        or not are_times(told)
        or not are_sections(passed.sections)
    ):
        raise ProtocolError("what is told of a test that passed is not of three phases")
    names, times = TIMES[: len(told) // len(PHASES)], iter(told)
    return [
        # Names are first: zip would take one more of the times before it sees the end.
        (when, dict(zip(names, times)), passed.sections[:section_count])  # noqa: B905
        for when, section_count in zip(PHASES, passed.section_counts)  # noqa: B905  3.10 has strict
    ]


def spell_out(start: LogStart, passed: ItemPassed) -> List[Any]:
    """Return the messages that ``passed`` stands for, behind the start of its item.

    Raises:
        ProtocolError: what was told of it cannot be.
    """
    spelled: List[Any] = []
    for number, (when, times, sections) in enumerate(phases_of(passed)):
        data: Dict[str, Any] = {
            "$report_type": "TestReport",
            "nodeid": start.node_id,
            "location": start.location,
            "keywords": dict.fromkeys(passed.keywords, 1),
            "outcome": "passed",
            "longrepr": None,
            "when": when,
            "user_properties": [],
            "sections": sections,
        }
        data.update(times)
        spelled.append(messages.TestReport(passed.position, number, data))
    spelled.append(messages.LogFinish(*start))
    spelled.append(messages.ItemFinished(passed.position, passed.duration_s, len(PHASES)))
    return spelled
