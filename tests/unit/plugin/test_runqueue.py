"""The queue of a worker: what is given out, taken back, and when there is nothing more."""

from __future__ import annotations

import threading

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from pytest_remotest.runqueue import RunQueue

POSITIONS = st.lists(st.integers(0, 9), max_size=4)


class QueueMachine(RuleBasedStateMachine):
    """The queue beside a plain list that does the same."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = RunQueue(lambda _: None)
        self.model: list[int] = []
        self.has_ended = False

    @rule(positions=POSITIONS)
    def append(self, positions: list[int]) -> None:
        self.queue.append(positions)
        self.model += [] if self.has_ended else positions

    @rule(positions=POSITIONS)
    def reclaim(self, positions: list[int]) -> None:
        expected = [position for position in self.model if position in positions]
        self.model = [position for position in self.model if position not in positions]
        assert self.queue.reclaim(positions) == expected

    @rule()
    def finish(self) -> None:
        self.queue.finish()
        self.has_ended = True

    @rule()
    def stop(self) -> None:
        self.queue.stop("enough")
        self.model, self.has_ended = [], True
        assert self.queue.stop_reason == "enough"

    @precondition(lambda self: self.model or self.has_ended)
    @rule()
    def take(self) -> None:
        assert self.queue.take() == (self.model.pop(0) if self.model else None)


TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(deadline=None)


def test_take_waits_for_what_another_thread_gives() -> None:
    told: list[bool] = []
    waits = threading.Event()

    def set_awaiting(awaits: bool) -> None:
        told.append(awaits)
        waits.set()

    queue = RunQueue(set_awaiting)
    taken: list[int | None] = []
    consumer = threading.Thread(target=lambda: taken.extend([queue.take(), queue.take()]))
    consumer.start()
    assert waits.wait(30)
    queue.append([3])
    queue.finish()
    consumer.join()
    assert taken == [3, None]
    assert told[:2] == [True, False]


def test_take_does_not_call_itself_idle_for_what_is_there() -> None:
    told: list[bool] = []
    queue = RunQueue(told.append)
    queue.append([3])
    queue.finish()
    assert [queue.take(), queue.take(), told] == [3, None, []]
