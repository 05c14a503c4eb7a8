import sys

import pytest

from durations import as_text, parse


@pytest.mark.parametrize(
    "seconds, text", [(0, "0s"), (59, "59s"), (5400, "1h 30m"), (90061, "1d 1h 1m 1s")]
)
def test_text(seconds, text):
    assert as_text(seconds) == text


def test_not_negative():
    with pytest.raises(ValueError):
        as_text(-1)


def test_there_and_back():
    for seconds in range(0, 200000, 997):
        assert parse(as_text(seconds)) == seconds


@pytest.mark.skipif(sys.version_info < (3, 11), reason="datetime.UTC came with Python 3.11")
def test_against_the_clock():
    from datetime import UTC, datetime, timedelta

    noon = datetime(2024, 2, 29, 12, tzinfo=UTC)
    assert noon + timedelta(seconds=parse("1d")) == datetime(2024, 3, 1, 12, tzinfo=UTC)
