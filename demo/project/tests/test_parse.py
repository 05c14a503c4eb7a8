import pytest

from durations import DurationError, parse


@pytest.mark.parametrize(
    "text, seconds",
    [("20s", 20), ("45m", 2700), ("1h 30m", 5400), ("1h30m", 5400), (" 2 d ", 172800), ("0s", 0)],
)
def test_seconds(text, seconds):
    assert parse(text) == seconds


@pytest.mark.parametrize(
    "text, problem",
    [("", "empty"), ("fast", "no number"), ("3 weeks", "unknown unit"), ("1h 2h", "twice")],
)
def test_what_is_no_duration(text, problem):
    with pytest.raises(DurationError, match=problem):
        parse(text)


def test_a_file_of_durations(timetable):
    assert sum(parse(line) for line in timetable.read_text().splitlines()) == 8120
