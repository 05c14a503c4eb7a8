"""Who says more than the main thread takes is held back, and nobody else is."""

from __future__ import annotations

import threading
from typing import Final

import pytest

from pytest_remotest.messages import ProtocolError, SyncWant
from remotest import backlog
from remotest.backlog import (
    MAX_ANSWERS_BYTES,
    MAX_FORCED_BYTES,
    MAX_WAITING_BYTES,
    Answers,
    Backlog,
)

WAIT_S: Final = 30.0
FULL: Final = MAX_WAITING_BYTES + 1


class Flooder:
    """A reader thread whose agent has more to say than fits."""

    def __init__(self, waiting: Backlog, agent: str = "a") -> None:
        self.is_held = threading.Event()
        self.was_wanted: bool | None = None
        self._waiting = waiting
        self._agent = agent
        self._thread = threading.Thread(target=self._say, daemon=True)
        self._thread.start()

    def _say(self) -> None:
        self.was_wanted = self._waiting.add(self._agent, 1, self.is_held.set)

    def wait(self) -> bool | None:
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()
        return self.was_wanted


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "LOOK_S", 0.01)


def never() -> None:
    pytest.fail("it was held back")


def test_who_is_full_waits_until_something_is_taken() -> None:
    waiting = Backlog()
    assert waiting.add("a", FULL, never)
    flooder = Flooder(waiting)
    assert flooder.is_held.wait(WAIT_S)  # And shows signs of life.
    assert waiting.add("b", FULL, never)
    waiting.take("b", FULL)
    assert flooder.was_wanted is None

    waiting.take("a", FULL)

    assert flooder.wait() is True


def test_who_is_written_to_is_heard() -> None:
    waiting = Backlog()
    waiting.add("a", FULL, never)
    flooder = Flooder(waiting)
    assert flooder.is_held.wait(WAIT_S)

    with waiting.writing_to("b"):
        assert flooder.was_wanted is None
    with waiting.writing_to("a"):
        assert flooder.wait() is True


def test_at_the_end_nobody_waits() -> None:
    waiting = Backlog()
    waiting.add("a", FULL, never)
    flooder = Flooder(waiting)
    assert flooder.is_held.wait(WAIT_S)

    waiting.close()

    assert flooder.wait() is False


def test_who_never_reads_is_not_taken_in_for_ever() -> None:
    waiting = Backlog()
    with waiting.writing_to("a"):
        assert waiting.add("a", MAX_FORCED_BYTES, never)
        with pytest.raises(ProtocolError, match="more than can be taken in"):
            waiting.add("a", 1, never)


def test_answers_that_nobody_can_have_asked_for() -> None:
    answers = Answers("a")
    want = SyncWant([], last=False, encodings=[])
    answers.put(want, MAX_ANSWERS_BYTES)
    with pytest.raises(ProtocolError, match="answers more than it was asked"):
        answers.put(want, 1)
    assert answers.get(0) == want
    answers.put(want, MAX_ANSWERS_BYTES)
    assert answers.get(0) == want
