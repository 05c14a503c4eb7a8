"""What is shown within a block is on the screen once, at its end."""

from __future__ import annotations

import pytest

from remotest.reporting.flushing import Flushing


class Writer:
    """In the place of pytest's terminal writer."""

    def __init__(self) -> None:
        self.count = 0

    def flush(self) -> None:
        self.count += 1


def test_one_flush_for_many() -> None:
    writer = Writer()
    flushing = Flushing(writer)
    writer.flush()
    assert writer.count == 1
    with flushing.once():
        writer.flush()
        writer.flush()
        assert writer.count == 1
    assert writer.count == 2
    with flushing.once():
        pass
    assert writer.count == 2


def test_what_was_shown_before_an_error_is_seen() -> None:
    writer = Writer()
    flushing = Flushing(writer)

    def fail() -> None:
        with flushing.once():
            writer.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert writer.count == 1
    writer.flush()
    assert writer.count == 2
